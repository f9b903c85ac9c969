"""The Typer application `floorline`: its commands in the order of the help, and its entry point.

Each command imports heavy libraries inside its function: `floorline --help` loads Typer only.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any, Final, NoReturn, cast

import typer
from typer.core import TyperGroup

from common.addresses import mask_secrets
from floorline.cli.commands.alerts import alerts_app
from floorline.cli.commands.backfill import backfill_app
from floorline.cli.commands.backup import backup, restore
from floorline.cli.commands.catalog import items_app, providers
from floorline.cli.commands.config import config_app
from floorline.cli.commands.demo import demo
from floorline.cli.commands.keys import key_app
from floorline.cli.commands.maintain import export, maintain_app, rejects_app
from floorline.cli.commands.operate import deployments, doctor, prefect, ui, up
from floorline.cli.commands.planning import gaps, plan
from floorline.cli.commands.query import query, status
from floorline.cli.commands.sandbox import sandbox
from floorline.cli.commands.schema import schema
from floorline.cli.commands.snapshot import snapshot
from floorline.cli.json_output import CommandEnded, ErrorOutput, print_failure
from floorline.resources import require_resources
from floorline.streams import give_up_broken, prepare_streams

# The base class of errors of the command line, which Typer hides.
USAGE_ERROR: Final = cast("type[Exception]", typer.BadParameter.__base__)
BROKEN_PIPE: Final = 141  # as a shell calls the end by SIGPIPE


class CommandGroup(TyperGroup):
    """The group of all commands. What Typer would handle ends a command here: Ctrl-C, OSError, EOFError."""

    def invoke(self, ctx: Any) -> object:  # noqa: ANN401 - the type is private to Typer
        """Run the chosen command, if the machine grants what it needs."""
        try:
            require_resources(next(iter(sys.argv[1:]), ""))
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise CommandEnded(ErrorOutput("Interrupted", "interrupted", 130)) from None
        except typer.Abort:
            unanswered = "nothing was done: the question got no answer"
            raise CommandEnded(ErrorOutput("Unanswered", unanswered, 1)) from None
        except (OSError, EOFError) as error:  # for Typer, the latter is the end of the standard input
            end_command(error)


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


@app.callback()
def floorline(
    version: Annotated[
        bool,
        typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """A private, queryable record of what every CS2 item costs on every marketplace."""


for command in (
    snapshot,
    plan,
    gaps,
    status,
    doctor,
    query,
    export,
    backup,
    restore,
    providers,
    sandbox,
    up,
    ui,
    deployments,
    demo,
    schema,
):
    app.command()(command)
app.command(context_settings={"ignore_unknown_options": True})(prefect)  # the options are Prefect's
app.add_typer(backfill_app, name="backfill")
app.add_typer(config_app, name="config")
app.add_typer(items_app, name="items")
app.add_typer(alerts_app, name="alerts")
app.add_typer(rejects_app, name="rejects")
app.add_typer(maintain_app, name="maintain")
app.add_typer(key_app, name="key")


def main() -> None:
    """Run the command line: whatever ends a command is one line on stderr and a documented exit code."""
    prepare_streams()
    try:
        sys.exit(app(prog_name="floorline", standalone_mode=False))
    except SystemExit as ended:
        if broken := give_up_broken(sys.stdout):
            end_command(broken, output=broken, code=ended.code)
        raise
    except BaseException as error:  # noqa: BLE001 - the libraries in Rust panic with a BaseException
        end_command(error, output=give_up_broken(sys.stdout))


def end_command(
    error: BaseException, *, output: OSError | None = None, code: str | int | None = None
) -> NoReturn:
    """Print an error on one line and exit, with `code` if given; print nothing if the reader is gone.

    `output` is the error that keeps stdout from being written, if any.
    """
    if isinstance(error, USAGE_ERROR):
        end_usage(error)
    # Imported here, because the help must not load what the results import.
    from common.machine_errors import OutputFailed
    from floorline.failures import exit_code, explain

    if sys.flags.dev_mode:
        print_line(mask_secrets("".join(traceback.format_exception(error))))
    output = output or give_up_broken(sys.stdout)
    if isinstance(output, BrokenPipeError):
        sys.exit(BROKEN_PIPE)
    reason = output and f"the output cannot be written: {os.strerror(output.errno or errno.EIO)}"
    if isinstance(error, CommandEnded) and not reason:
        shown = error.error
    else:
        failure = OutputFailed(reason) if reason else explain(error)
        shown = ErrorOutput.from_error(failure, exit_code(failure))
    end_with(shown, code)


def end_usage(error: Any) -> NoReturn:  # noqa: ANN401 - the type is private to Typer
    """Print what is wrong with the command line; without any arguments, the help."""
    message = error.format_message()
    if "\n" in message:
        sys.stderr.write(f"{message}\n")
        sys.exit(2)
    path = error.ctx.command_path if error.ctx else "floorline"
    end_with(ErrorOutput("UsageError", f"{message.rstrip('.')}; see `{path} --help`", 2))


def end_with(error: ErrorOutput, code: str | int | None = None) -> NoReturn:
    """Print an error on stderr, and on stdout as JSON if the command line asks for JSON; exit."""
    print_line(error.message)
    print_failure(command_name(sys.argv[1:]), error)
    sys.exit(code or error.exit_code)


def command_name(arguments: Sequence[str]) -> str:
    """Return the full name of the command in these arguments; empty where they name none."""
    names: list[str] = []
    command: Any = typer.main.get_command(app)
    for argument in arguments:
        if child := getattr(command, "commands", {}).get(argument):
            command = child
            names.append(argument)
    return " ".join(names)


def print_line(text: str) -> None:
    """Print one line on stderr, as far as stderr can be written."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"floorline: {text}\n")
    give_up_broken(sys.stderr)
