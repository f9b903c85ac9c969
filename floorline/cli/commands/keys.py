"""The commands `floorline key status` and `floorline key rotate`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from floorline import console
from floorline.cli.completion import complete_sources
from floorline.cli.json_output import CommandEnded, ErrorOutput, print_result
from floorline.cli.options import AsJson, ConfigFile, Quiet

if TYPE_CHECKING:
    from floorline.keys.rotation import Rotation
    from floorline.keys.status import KeyStatus

key_app = typer.Typer(help="The API keys: check and rotate them.", no_args_is_help=True)
COLUMNS: Final = (
    "source", "key", "tail", "accepted", "tier", "per minute", "per month", "used", "expires", "days left",
)  # fmt: skip
FIRST: Final = ("source", "accepted", "tier", "used", "expires", "days left")


@key_app.command("status", epilog="Example: floorline key status")
def key_status(config: ConfigFile = None, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Check every source's key, at no cost of quota.

    The exit code is 0 only if all keys are accepted, else 4.
    """
    import asyncio

    from common.clock import SystemClock
    from common.errors import ConfigError
    from floorline.cli.execution import connected_settings
    from floorline.keys.status import key_statuses

    settings = connected_settings(config)
    if not settings.sources:
        raise ConfigError("no source is configured: add a [sources.NAME] section to the configuration")
    statuses = asyncio.run(key_statuses(settings, SystemClock()))
    wrong = [status for status in statuses if not status.accepted]
    print_statuses(wrong if quiet and not as_json else statuses, as_json=as_json)
    raise typer.Exit(0 if all(status.accepted for status in statuses) else 4)


@key_app.command("rotate", epilog="Example: floorline key rotate cs2cap")
def key_rotate(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="The name of the source.", autocompletion=complete_sources)
    ],
    config: ConfigFile = None,
    as_json: AsJson = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Issue a new key, and store it in place of the old one.

    The old key is revoked, with its sub-keys.
    """
    import asyncio

    from common.clock import SystemClock
    from common.errors import ConfigError, OutcomeUnknown, SourceError
    from floorline.cli.execution import confirm, connected_settings
    from floorline.keys.inspection import inspect_key
    from floorline.keys.rotation import explain_refusal, rotate_key
    from pipelines.exit_codes import error_exit_code

    clock = SystemClock()
    old = asyncio.run(inspect_key(connected_settings(config), source, clock))
    if yes:
        console.print_error(old.warning)
    else:
        confirm(f"{old.warning} Continue?")
    try:
        rotation = asyncio.run(rotate_key(old, clock, console.print_error))
    except OutcomeUnknown as error:
        raise CommandEnded(ErrorOutput.from_error(error, exit_code=4)) from None
    except ConfigError:
        raise
    except SourceError as error:
        refused = ErrorOutput.from_error(error, error_exit_code(error))
        raise CommandEnded(dataclasses.replace(refused, message=explain_refusal(error))) from None
    _print_rotation(rotation, as_json=as_json)
    raise typer.Exit(rotation.exit_code)


def _print_rotation(rotation: Rotation, *, as_json: bool) -> None:
    from common.text import sanitize

    if as_json:
        print_result("key rotate", rotation)
    else:
        tail = f" …{rotation.key_tail}" if rotation.key_tail else ""
        accepted = ", and the source accepts the key" if rotation.accepted else ""
        console.print_line(f"the new key{tail} of {rotation.source} is in {rotation.stored_in}{accepted}")
        for number, step in enumerate(rotation.to_do, 1):
            console.print_line(f"  {number}. {step}")
    if rotation.problem:
        console.print_error(sanitize(rotation.problem, 1000))


def print_statuses(statuses: Sequence[KeyStatus], *, as_json: bool) -> None:
    """Print the keys as a table or as JSON; problems on stderr."""
    if as_json:
        from floorline.cli.outputs.operation import KeyOutput

        print_result("key status", list(map(KeyOutput.from_status, statuses)))
    elif statuses:
        console.print_table(COLUMNS, [_row(status) for status in statuses], noun="key", first=FIRST)
    for status in statuses:
        if status.problem:
            console.print_error(status.problem)


def _row(status: KeyStatus) -> tuple[object, ...]:
    unknown = "unknown" if status.accepted else ""
    tier = f"{status.tier or unknown}{' (sub-key)' if status.sub_key else ''}"
    tail = f"…{status.key_tail}" if status.key_tail else ""
    limits = (status.requests_per_minute, status.requests_per_month, status.used)
    expires = status.expires_at or ("never" if status.accepted else None)
    return (status.source, status.key, tail, status.accepted, tier, *limits, expires, status.days_left)
