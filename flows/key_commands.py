"""The commands `floorline key ...`."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import typer

from connectors.clock import SystemClock
from connectors.errors import ConfigError, OutcomeUnknown, plain
from flows import show
from flows.config import load_settings
from flows.key_rotation import Rotation, present
from flows.key_rotation import rotate as rotated
from flows.key_status import KeyStatus, statuses
from warehouse.query import Answer

COLUMNS = (
    *("source", "key", "tail", "accepted", "tier", "a minute", "a month", "used", "expires", "days left"),
)


def rotate(source: str, config: Path | None, *, as_json: bool, yes: bool) -> int:
    """Have a new key issued for a source, after asking; the exit code."""
    clock = SystemClock()
    old = asyncio.run(present(load_settings(config), source, clock))
    if yes:
        show.complain(old.warning)
    else:
        typer.confirm(f"{old.warning} Go on?", abort=True, err=True)
    try:
        done = asyncio.run(rotated(old, clock, show.complain))
    except OutcomeUnknown as error:
        show.complain(f"it is not known whether the key was issued anew. {error}")
        return 4
    _show_rotation(done, as_json=as_json)
    return done.exit_code


def _show_rotation(done: Rotation, *, as_json: bool) -> None:
    if as_json:
        show.line(show.as_json_text(done))
    else:
        tail = f" …{done.key_tail}" if done.key_tail else ""
        accepted = ", and the source accepts it" if done.accepted else ""
        show.line(f"the new key{tail} of {done.source} is in {done.stored_in}{accepted}")
        for number, step in enumerate(done.to_do, 1):
            show.line(f"  {number}. {step}")
    if done.problem:
        show.complain(plain(done.problem, 1000))


def status(config: Path | None, *, as_json: bool) -> int:
    """Show every source's key; 0 only if all are accepted, else 4."""
    settings = load_settings(config)
    if not settings.sources:
        raise ConfigError("no source is configured: say in [sources.NAME] where prices come from")
    found = asyncio.run(statuses(settings, SystemClock()))
    _show_statuses(found, as_json=as_json)
    return 0 if all(one.accepted for one in found) else 4


def _show_statuses(found: Sequence[KeyStatus], *, as_json: bool) -> None:
    if as_json:
        show.line(show.as_json_text([dataclasses.asdict(one) for one in found]))
    else:
        show.answer(Answer(COLUMNS, tuple(_row(one) for one in found)), as_json=False)
    for one in found:
        if one.problem:
            show.complain(one.problem)


def _row(one: KeyStatus) -> tuple[object, ...]:
    tier = f"{one.tier or ''}{' (sub-key)' if one.sub_key else ''}"
    limits = (one.requests_per_minute, one.requests_per_month, one.used)
    tail = f"…{one.key_tail}" if one.key_tail else ""
    expires = one.expires_at or ("never" if one.accepted else None)
    return one.source, one.key, tail, one.accepted, tier, *limits, expires, one.days_left
