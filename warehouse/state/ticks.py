"""Scheduled snapshots that took nothing, in `state.db`: skipped because they were late, or cancelled."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal

from common.sqlite import open_state_db, read_state_db, state_transaction
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


def record_ticks(path: Path, ticks: Iterable[MissedTick], now: datetime) -> None:
    """Record ticks in the `state.db` at `path`, each once, and forget those of more than 40 days ago."""
    rows = [(tick.basket, _stored(tick.due_at), tick.outcome, tick.reason) for tick in ticks]
    if not rows:
        return
    open_state_db(path).close()
    with state_transaction(path) as db:
        db.executemany("INSERT OR IGNORE INTO missed_tick VALUES (?, ?, ?, ?)", rows)
        db.execute("DELETE FROM missed_tick WHERE due_at < ?", (_stored(now - KEEP_TICKS),))


def read_ticks(path: Path) -> list[MissedTick]:
    """Return the recorded ticks in the order of time; none if there is no file yet."""
    if not path.exists():
        return []
    with read_state_db(path, "missed_tick") as db:
        return [_tick(row) for row in db.execute("SELECT * FROM missed_tick ORDER BY due_at, basket")]


def _stored(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds")


def _tick(row: sqlite3.Row) -> MissedTick:
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
