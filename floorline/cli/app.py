"""The Typer application `floorline`: its commands in the order of the help, and its entry point.

Each command imports heavy libraries inside its function: `floorline --help` loads Typer only.
"""

from __future__ import annotations

import errno
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from floorline.cli.commands.alerts import alerts_app
from floorline.cli.commands.backfill import backfill_app
from floorline.cli.commands.demo import demo
from floorline.cli.commands.keys import key_app
from floorline.cli.commands.maintain import export, maintain_app, rejects_app
from floorline.cli.commands.operate import deployments, doctor, prefect, ui, up
from floorline.cli.commands.planning import gaps, plan
from floorline.cli.commands.query import query, status
from floorline.cli.commands.sandbox import sandbox
from floorline.cli.commands.snapshot import snapshot


class CommandGroup(TyperGroup):
    """The group of all commands: Ctrl-C and a full disk for stdout end a command with one line."""

    def invoke(self, ctx: Any) -> object:  # noqa: ANN401 - the type is private to Typer
        """Run the chosen command."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except KeyboardInterrupt:
            sys.stderr.write("floorline: interrupted\n")
            raise SystemExit(130) from None
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            sys.stderr.write("floorline: the output cannot be written: no space is left on its disk\n")
            raise SystemExit(1) from None
        return result


app = typer.Typer(
    cls=CommandGroup,
    name="floorline",
    help="A private, queryable record of what every CS2 item costs on every marketplace.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (snapshot, plan, gaps, status, doctor, query, export, sandbox, up, ui, deployments, demo):
    app.command()(command)
app.command(context_settings={"ignore_unknown_options": True})(prefect)  # the options are Prefect's
app.add_typer(backfill_app, name="backfill")
app.add_typer(alerts_app, name="alerts")
app.add_typer(rejects_app, name="rejects")
app.add_typer(maintain_app, name="maintain")
app.add_typer(key_app, name="key")


def main() -> None:
    """Run the command line: an expected error is one line on stderr and an exit code."""
    try:
        app(prog_name="floorline")
    except Exception as error:
        # Imported here, because the help must not load what the results import.
        from common.errors import FloorlineError
        from common.files import describe_os_error
        from pipelines.results import error_exit_code

        if isinstance(error, OSError) and error.filename is not None:
            sys.stderr.write(f"floorline: {describe_os_error(error)}\n")
            sys.exit(6)
        if not isinstance(error, FloorlineError):
            raise
        sys.stderr.write(f"floorline: {error}\n")
        sys.exit(error_exit_code(error))
