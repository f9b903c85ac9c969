"""The Typer application `floorline`: its commands in the order of the help.

Each command imports heavy libraries inside its function: `floorline --help` loads Typer only.
"""

from __future__ import annotations

import copy
import functools
import sys
from typing import Annotated, Any

import typer
from typer.models import CommandInfo

from floorline.cli.commands.alerts import alerts_app
from floorline.cli.commands.backfill import backfill_app
from floorline.cli.commands.backup import backup, restore
from floorline.cli.commands.catalog import items_app, providers
from floorline.cli.commands.config import config_app
from floorline.cli.commands.dashboard import dashboard
from floorline.cli.commands.demo import demo
from floorline.cli.commands.init import init
from floorline.cli.commands.keys import key_app
from floorline.cli.commands.live import live
from floorline.cli.commands.maintain import export, maintain_app, rejects_app
from floorline.cli.commands.migrate import migrate
from floorline.cli.commands.monitor import metrics, status
from floorline.cli.commands.operate import deployments, doctor, prefect, ui, up
from floorline.cli.commands.planning import gaps, plan
from floorline.cli.commands.price import price
from floorline.cli.commands.query import query
from floorline.cli.commands.report import report
from floorline.cli.commands.sandbox import sandbox
from floorline.cli.commands.schema import schema
from floorline.cli.commands.snapshot import snapshot
from floorline.cli.commands.watches import watches_app
from floorline.cli.endings import end_command
from floorline.cli.groups import CommandGroup, first_word, name_command
from floorline.cli.options import ConfigFile
from floorline.streams import give_up_broken, prepare_streams

app = typer.Typer(
    cls=CommandGroup,
    name="floorline",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def print_version(wanted: bool) -> None:
    """Print the version of Floorline and end, if the option `--version` is given."""
    if wanted:
        from importlib.metadata import version

        typer.echo(f"floorline {version('floorline')}")
        raise typer.Exit


@app.callback(epilog="`floorline COMMAND -h` describes a command, with an example.")
def floorline(
    config: ConfigFile = None,
    version: Annotated[
        bool,
        typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """A private, queryable record of what every CS2 item costs on every marketplace."""


START, COLLECT, READ, OPERATE = "Start and configure", "Collect prices", "Use the record", "Operate"
app.command(rich_help_panel=START, epilog="Example: floorline demo")(demo)
app.command(rich_help_panel=START, epilog="Example: floorline init --sandbox")(init)
app.command(rich_help_panel=START, epilog="Example: floorline sandbox --tier pro")(sandbox)
app.add_typer(config_app, name="config", rich_help_panel=START)
app.add_typer(items_app, name="items", rich_help_panel=START)
app.command(rich_help_panel=START, epilog="Example: floorline providers")(providers)
app.command(rich_help_panel=START, epilog="Example: floorline plan --offline")(plan)
app.command(rich_help_panel=START, epilog="Example: floorline doctor")(doctor)
app.command(rich_help_panel=COLLECT, epilog="Example: floorline snapshot core --quiet")(snapshot)
app.add_typer(backfill_app, name="backfill", rich_help_panel=COLLECT)
app.command(rich_help_panel=COLLECT, epilog="Example: floorline gaps --since 2026-10-20")(gaps)
app.command(rich_help_panel=COLLECT, epilog="Example: floorline live core")(live)
app.command(rich_help_panel=COLLECT, epilog="Example: floorline up --workers 2")(up)
app.command(rich_help_panel=COLLECT, epilog="Example: floorline ui")(ui)
app.command(rich_help_panel=COLLECT, epilog="Example: floorline deployments --check")(deployments)
app.command(
    rich_help_panel=COLLECT,
    epilog="Example: floorline prefect deployment ls",
    context_settings={"ignore_unknown_options": True},  # the options are Prefect's
)(prefect)
app.command(rich_help_panel=READ, epilog="Example: floorline dashboard")(dashboard)
app.command(rich_help_panel=READ, epilog="Example: floorline price ak redline ft")(price)
app.command(rich_help_panel=READ, epilog='Example: floorline query "FROM best_ask LIMIT 5"')(query)
app.command(rich_help_panel=READ, epilog="Example: floorline report market.html")(report)
app.command(rich_help_panel=READ, epilog="Example: floorline export record.duckdb")(export)
app.command(rich_help_panel=OPERATE, epilog="Example: floorline status --json")(status)
app.command(rich_help_panel=OPERATE, epilog="Example: floorline metrics --output floorline.prom")(metrics)
app.command(rich_help_panel=OPERATE, epilog="Example: floorline backup /mnt/backup/today")(backup)
app.command(rich_help_panel=OPERATE, epilog="Example: floorline restore /mnt/backup/today --check")(restore)
app.command(rich_help_panel=OPERATE, epilog="Example: floorline migrate --yes")(migrate)
app.add_typer(alerts_app, name="alerts", rich_help_panel=OPERATE)
app.add_typer(watches_app, name="watches", rich_help_panel=READ)
app.add_typer(key_app, name="key", rich_help_panel=OPERATE)
app.add_typer(rejects_app, name="rejects", rich_help_panel=OPERATE)
app.add_typer(maintain_app, name="maintain", rich_help_panel=OPERATE)
app.command(rich_help_panel=OPERATE, epilog="Example: floorline schema alerts list")(schema)


@functools.cache
def build_command(only: str = "") -> Any:  # noqa: ANN401 - the type is private to Typer
    """Return the tree of all commands, or of the one command or group called `only`, if there is one.

    Typer builds a command from its signature: that of all takes 35 ms, so once a process.
    """
    chosen = copy.copy(app)
    chosen.registered_commands = [info for info in app.registered_commands if _name_of(info) == only]
    chosen.registered_groups = [info for info in app.registered_groups if info.name == only]
    found = chosen.registered_commands or chosen.registered_groups
    return typer.main.get_command(chosen if found else app)


def _name_of(command: CommandInfo) -> str | None:
    return command.name or (command.callback and command.callback.__name__)


def run() -> None:
    """Run the command line: whatever ends a command is one line on stderr and a documented exit code."""
    prepare_streams()
    command = build_command(first_word(sys.argv[1:]))
    name = name_command(command, sys.argv[1:])
    try:
        sys.exit(command(prog_name="floorline", standalone_mode=False))
    except SystemExit as ended:
        if broken := give_up_broken(sys.stdout):
            end_command(name, broken, output=broken, code=ended.code)
        raise
    except BaseException as error:  # noqa: BLE001 - the libraries in Rust panic with a BaseException
        end_command(name, error, output=give_up_broken(sys.stdout))
