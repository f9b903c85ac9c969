"""The one form of what commands print with `--json`: an envelope with a result, or with an error.

A command prints one JSON document on stdout, whatever happens: monitors and `jq` read one stream. An error is
also a line on stderr, as without `--json`.
"""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING, Final, Generic, Literal, TypeVar

from floorline import console

if TYPE_CHECKING:
    from common.errors import FloorlineError

SCHEMA_VERSION: Final = 1
_T = TypeVar("_T")


@dataclasses.dataclass(frozen=True, slots=True)
class ErrorOutput:
    """An error: `type` is its name in Floorline, such as AuthRejected or UsageError; `message` is one line.

    `exit_code` is what a command exits with whose only error this is. `source` is the price API that failed,
    `code` the API's own error code and `http_status` the status of its response; other errors have null.
    """

    type: str
    message: str
    exit_code: int
    source: str | None = None
    code: str | None = None
    http_status: int | None = None

    @classmethod
    def from_error(cls, error: FloorlineError, exit_code: int) -> ErrorOutput:
        """Return an error of Floorline as it is printed."""
        names = {"source": "source", "code": "code", "http_status": "status"}
        return cls(
            type(error).__name__,
            str(error),
            exit_code,
            **{name: getattr(error, field, None) or None for name, field in names.items()},
        )


class CommandEnded(Exception):
    """A command ends without a result, for a reason that is no error of Floorline's own."""

    def __init__(self, error: ErrorOutput) -> None:
        super().__init__(error.message)
        self.error = error


@dataclasses.dataclass(frozen=True, slots=True)
class Envelope(Generic[_T]):
    """What a command prints with `--json`: its `result`, or the `error` that kept it from having one.

    `schema_version` is raised when a field is removed, renamed or means something else; new fields may come
    at any time. `command` is the name of the command, without its arguments.
    """

    schema_version: Literal[1]
    command: str
    result: _T | None
    error: ErrorOutput | None


def wants_json() -> bool:
    """Return whether the command line has `--json`, also where it cannot be parsed."""
    arguments = sys.argv[1:]
    return "--json" in arguments[: arguments.index("--") if "--" in arguments else None]


def print_result(command: str, result: object) -> None:
    """Print the result of a command on stdout; `floorline.cli.outputs.registry` has its type."""
    console.print_line(console.to_json(Envelope(SCHEMA_VERSION, command, result, None)))


def print_result_text(command: str, result: str) -> None:
    """Print a result that is JSON already, and may be large: the rows of a query."""
    head = f'"schema_version": {SCHEMA_VERSION}, "command": {console.to_json(command)}'
    console.print_line(f'{{{head}, "result": {result}, "error": null}}')


def print_failure(command: str, error: ErrorOutput) -> None:
    """Print on stdout why a command has no result, if the command line asks for JSON."""
    if wants_json():
        console.print_line(console.to_json(Envelope(SCHEMA_VERSION, command, None, error)))
