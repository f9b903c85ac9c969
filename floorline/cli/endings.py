"""How a command ends that has no result: one line on stderr, JSON where it was asked for, an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import traceback
from typing import Any, Final, NoReturn, cast

import typer

from common.addresses import mask_secrets
from common.errors import FloorlineError
from floorline.cli.json_output import CommandEnded, ErrorOutput, print_failure
from floorline.signals import list_causes
from floorline.streams import give_up_broken

# The base class of errors of the command line, which Typer hides.
USAGE_ERROR: Final = cast("type[Exception]", typer.BadParameter.__base__)
INTERRUPTED: Final = ErrorOutput("Interrupted", "interrupted", exit_code=130)
BROKEN_PIPE: Final = 141  # as a shell calls the end by SIGPIPE


def end_command(
    command: str, error: BaseException, *, output: OSError | None = None, code: str | int | None = None
) -> NoReturn:
    """Print an error on one line and exit, with `code` if given; print nothing if the reader is gone.

    `output` is the error that keeps stdout from being written, if any.
    """
    if sys.flags.dev_mode:
        print_line(mask_secrets("".join(traceback.format_exception(error))))
    output = output or give_up_broken(sys.stdout)
    if isinstance(output, BrokenPipeError):
        sys.exit(BROKEN_PIPE)
    shown = _describe(command, error, output)
    print_line(shown.message)
    print_failure(command, shown)
    sys.exit(code or shown.exit_code)


def print_line(text: str) -> None:
    """Print one line on stderr, as far as stderr can be written."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"floorline: {text}\n")
    give_up_broken(sys.stderr)


def _describe(command: str, error: BaseException, output: OSError | None) -> ErrorOutput:
    if output is None and (ending := _find_ending(error)):
        return ending
    if output is None and isinstance(error, USAGE_ERROR):
        return _describe_usage(command, error)
    # Imported here, because the help must not load what the results import.
    from common.machine_errors import OutputFailed
    from floorline.failures import exit_code, explain

    reason = output and f"the output cannot be written: {os.strerror(output.errno or errno.EIO)}"
    failure = OutputFailed(reason) if reason else explain(error)
    return ErrorOutput.from_error(failure, exit_code(failure))


def _find_ending(error: BaseException) -> ErrorOutput | None:
    """Return the error that a command ended with, or that a signal ended it; None for any other error."""
    for cause in list_causes(error):
        if isinstance(cause, FloorlineError):
            return None
        if isinstance(cause, CommandEnded):
            return cause.error
        if isinstance(cause, KeyboardInterrupt):
            return INTERRUPTED
    return None


def _describe_usage(command: str, error: Any) -> ErrorOutput:  # noqa: ANN401 - the classes are private to Typer
    """Return what is wrong with the command line; print the help where there are no arguments at all."""
    from floorline.cli.usage import explain_usage

    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(f"{error.message}\n")
        sys.exit(2)
    return ErrorOutput("UsageError", explain_usage(command, error), exit_code=2)
