"""The commands `floorline key ...`."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import typer

from common.clock import SystemClock
from common.errors import ConfigError, OutcomeUnknown
from common.text import sanitize
from floorline import console
from floorline.keys.rotation import Rotation, inspect_key
from floorline.keys.rotation import rotate_key as rotated
from floorline.keys.status import KeyStatus, key_statuses
from pipelines.config import load_settings
from warehouse.queries import QueryResult

COLUMNS = (
    *("source", "key", "tail", "accepted", "tier", "a minute", "a month", "used", "expires", "days left"),
)


def rotate(source: str, config: Path | None, *, as_json: bool, yes: bool) -> int:
    """Have a new key issued for a source, after asking; the exit code."""
    clock = SystemClock()
    old = asyncio.run(inspect_key(load_settings(config), source, clock))
    if yes:
        console.print_error(old.warning)
    else:
        typer.confirm(f"{old.warning} Go on?", abort=True, err=True)
    try:
        done = asyncio.run(rotated(old, clock, console.print_error))
    except OutcomeUnknown as error:
        console.print_error(f"it is not known whether the key was issued anew. {error}")
        return 4
    _show_rotation(done, as_json=as_json)
    return done.exit_code


def _show_rotation(done: Rotation, *, as_json: bool) -> None:
    if as_json:
        console.print_line(console.to_json(done))
    else:
        tail = f" …{done.key_tail}" if done.key_tail else ""
        accepted = ", and the source accepts it" if done.accepted else ""
        console.print_line(f"the new key{tail} of {done.source} is in {done.stored_in}{accepted}")
        for number, step in enumerate(done.to_do, 1):
            console.print_line(f"  {number}. {step}")
    if done.problem:
        console.print_error(sanitize(done.problem, 1000))


def status(config: Path | None, *, as_json: bool) -> int:
    """Show every source's key; 0 only if all are accepted, else 4."""
    settings = load_settings(config)
    if not settings.sources:
        raise ConfigError("no source is configured: say in [sources.NAME] where prices come from")
    found = asyncio.run(key_statuses(settings, SystemClock()))
    _show_statuses(found, as_json=as_json)
    return 0 if all(one.accepted for one in found) else 4


def _show_statuses(found: Sequence[KeyStatus], *, as_json: bool) -> None:
    if as_json:
        console.print_line(console.to_json([dataclasses.asdict(one) for one in found]))
    else:
        console.print_rows(QueryResult(COLUMNS, tuple(_row(one) for one in found)), as_json=False)
    for one in found:
        if one.problem:
            console.print_error(one.problem)


def _row(one: KeyStatus) -> tuple[object, ...]:
    tier = f"{one.tier or ''}{' (sub-key)' if one.sub_key else ''}"
    limits = (one.requests_per_minute, one.requests_per_month, one.used)
    tail = f"…{one.key_tail}" if one.key_tail else ""
    expires = one.expires_at or ("never" if one.accepted else None)
    return one.source, one.key, tail, one.accepted, tier, *limits, expires, one.days_left
