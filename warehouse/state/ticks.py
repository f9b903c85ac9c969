"""Scheduled snapshots that took nothing, in the state database: they were late, or cancelled."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from common.state_database import StateDatabase, StateRow
from common.text import pluralize

# Longer than any price API keeps its history: a gap that is older cannot be filled.
KEEP_TICKS: Final = timedelta(days=40)
Outcome = Literal["skipped", "cancelled"]


@dataclasses.dataclass(frozen=True, slots=True)
class MissedTick:
    """A scheduled snapshot of a basket, due at a time (UTC), that took nothing for the reason `reason`."""

    basket: str
    due_at: datetime
    outcome: Outcome
    reason: str


def record_ticks(state: StateDatabase, ticks: Iterable[MissedTick], now: datetime) -> None:
    """Record ticks, each once, and forget those of more than 40 days ago."""
    rows = [(tick.basket, _stored(tick.due_at), tick.outcome, tick.reason) for tick in ticks]
    if not rows:
        return
    state.create()
    with state.transaction() as db:
        db.executemany("INSERT INTO missed_tick VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", rows)
        db.execute("DELETE FROM missed_tick WHERE due_at < ?", (_stored(now - KEEP_TICKS),))


def read_ticks(state: StateDatabase) -> list[MissedTick]:
    """Return the recorded ticks in the order of time; none if there is no database yet."""
    if not state.exists():
        return []
    with state.read("missed_tick") as db:
        return [_tick(row) for row in db.execute("SELECT * FROM missed_tick ORDER BY due_at, basket")]


def _stored(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds")


def _tick(row: StateRow) -> MissedTick:
    return MissedTick(**{**row, "due_at": datetime.fromisoformat(row["due_at"])})


def describe_ticks(ticks: Iterable[MissedTick]) -> tuple[str, ...]:
    """Return one sentence for each outcome: how many scheduled runs had it, and the last reason."""
    reasons: dict[Outcome, list[str]] = {}
    for tick in ticks:
        reasons.setdefault(tick.outcome, []).append(tick.reason)
    return tuple(
        f"{pluralize(len(texts), 'scheduled run')} took nothing, {outcome}: {texts[-1]}"
        for outcome, texts in reasons.items()
    )
