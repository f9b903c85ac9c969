"""What was sent with a key, in `state.db`: the one budget of all processes of this machine that use it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from warehouse import slots, starts
from warehouse.errors import WarehouseLocked
from warehouse.slots import ASK_AGAIN, Slots
from warehouse.starts import DAY, Starts
from warehouse.state import explaining

SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS budget (
    key_print TEXT PRIMARY KEY, source TEXT NOT NULL, per_minute INTEGER,
    held_at REAL NOT NULL DEFAULT 0, held_until REAL NOT NULL DEFAULT 0,
    used INTEGER NOT NULL DEFAULT 0, per_month INTEGER, resets_at TEXT, told_at TEXT
);
{slots.SCHEMA}
{starts.SCHEMA}
"""
PATIENCE: Final = 30.0
# What is asked for every request, or need not be written, does not keep the others waiting for a lock.
HASTE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Usage:
    """What of a month is used, of how much, when it starts anew, and when the source last told (all UTC)."""

    used: int
    limit: int | None
    resets_at: datetime | None
    told_at: datetime | None


def usage_of(state: Path, source: str) -> Usage | None:
    """The month of a source's key, as it was last known; None where nothing is known.

    `state` is the path of `state.db`. Raises WarehouseLocked and WarehouseUnfit.
    """
    if not state.exists():
        return None
    with explaining(state), contextlib.closing(sqlite3.connect(state, timeout=PATIENCE)) as db:
        db.executescript(SCHEMA)
        row = db.execute(
            "SELECT used, per_month, resets_at, told_at FROM budget WHERE source = ? AND told_at IS NOT NULL"
            " ORDER BY told_at DESC LIMIT 1",
            (source,),
        ).fetchone()
    return Usage(row[0], row[1], _moment(row[2]), _moment(row[3])) if row else None


class Ledger:
    """The counts of one key, named by its fingerprint; every call is one transaction.

    `now` is monotonic seconds: all processes of a machine share them, and setting the clock does not disturb
    them; they start anew with the machine. `at` is aware, in UTC. Nothing waits for the disk: after a power
    cut the newest counts may be gone, and the source tells them again. Raises WarehouseLocked, WarehouseFull
    and WarehouseUnfit.
    """

    def __init__(self, path: Path, key_print: str, source: str) -> None:
        self._path = path
        self._key = key_print
        self._locked_since: float | None = None
        with explaining(path):
            self._db = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
            with contextlib.suppress(sqlite3.OperationalError):  # another process is just doing it
                self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(SCHEMA)
        self._slots = Slots(self._db, key_print)
        with self._transaction():
            self._db.execute(
                "INSERT INTO budget (key_print, source) VALUES (?, ?)"
                " ON CONFLICT DO UPDATE SET source = excluded.source",
                (key_print, source),
            )

    def ask(
        self, ticket: int, cost: int, *, metered: bool, lease: float, now: float, at: datetime
    ) -> tuple[int, float | None]:
        """Let a request go, or put it in line; `ticket` is its place from an earlier asking, 0 at first.

        Returns the ticket and the seconds after which to ask again: 0 where it may be sent now, None where
        the month is used up. What was let go counts until `lease` from now, if nobody says `answered`; who
        stands in line goes as soon as there is room for it and for all who came before.
        """
        try:
            with self._transaction(HASTE):
                answer = self._decide(ticket, cost, metered=metered, lease=lease, now=now, at=at)
        except WarehouseLocked:
            self._locked_since = now if self._locked_since is None else self._locked_since
            if now - self._locked_since >= PATIENCE:
                raise
            return ticket, HASTE
        self._locked_since = None
        return answer

    def _decide(
        self, ticket: int, cost: int, *, metered: bool, lease: float, now: float, at: datetime
    ) -> tuple[int, float | None]:
        self._slots.tidy(now, lease)
        used, limit, _ = self._month(at)
        if metered and limit is not None and used >= limit:
            return ticket, None
        wait = min(self._wait(ticket, cost, now), ASK_AGAIN)
        if wait > 0:
            free_at = now + wait + ASK_AGAIN
            return self._slots.put(ticket, cost, metered=metered, sent=False, free_at=free_at), wait
        self._set(used=used + metered)
        return self._slots.put(ticket, cost, metered=metered, sent=True, free_at=now + lease), 0.0

    def _wait(self, ticket: int, cost: int, now: float) -> float:
        per_minute, held_at, held_until = self._get("per_minute", "held_at", "held_until")
        held = held_until - now if held_at <= now else 0.0  # else by a machine that has started anew since
        room = 0.0 if per_minute is None else self._slots.wait(ticket, cost, per_minute, now)
        return max(float(held), room)

    def answered(self, ticket: int, free_at: float) -> None:
        """Have a request that was let go count until `free_at`."""
        with contextlib.suppress(WarehouseLocked), self._transaction(HASTE):  # else it counts for its lease
            self._slots.answered(ticket, free_at)

    def withdraw(self, ticket: int) -> None:
        """Forget a request that was not sent, whether it was let go or stands in line."""
        with contextlib.suppress(WarehouseLocked), self._transaction(HASTE):
            if self._slots.remove(ticket):
                self._set(used=max(self._get("used")[0] - 1, 0))

    def pace(self, per_minute: int) -> None:
        """Set what a minute allows."""
        with self._transaction():
            self._set(per_minute=per_minute)

    def hold(self, now: float, until: float) -> None:
        """Let nothing go before `until`."""
        with self._transaction():
            held_at, held_until = self._get("held_at", "held_until")
            self._set(held_at=now, held_until=max(until, held_until if held_at <= now else 0.0))

    def told_month(
        self,
        used: int | None,
        limit: int,
        *,
        since: float,
        own: int,
        resets_at: datetime | None,
        at: datetime,
    ) -> None:
        """Correct the month by what the source said.

        Our own count stands where it can be right: the source has counted what was answered before `since`,
        and may not have counted the others yet, but for the ticket `own`. Else the highest count that can be
        right takes its place.
        """
        with self._transaction():
            ours, _, known = self._month(at)
            resets = resets_at or known
            self._set(per_month=limit, resets_at=resets and resets.isoformat(), told_at=at.isoformat())
            if used is not None:
                most = used + self._slots.unsettled(since, own)
                self._set(used=ours if used <= ours <= most else min(most, max(used, limit)))

    def month(self, at: datetime) -> tuple[int, int | None, datetime | None]:
        """What of the month is used, its limit, and when it starts anew."""
        with self._transaction():
            return self._month(at)

    def _month(self, at: datetime) -> tuple[int, int | None, datetime | None]:
        used, limit, text = self._get("used", "per_month", "resets_at")
        resets_at = _moment(text)
        if resets_at is not None and at >= resets_at:
            self._set(used=0, resets_at=None)
            return 0, limit, None
        return used, limit, resets_at

    def start_stream(self, route: str, at: datetime) -> tuple[bool, datetime | None]:
        """Count a start, unless they are used up; whether it was, and else when the oldest is a day old."""
        with self._transaction():
            known, now = self._starts(route), at.timestamp()
            limit = known.limit()
            if limit is not None and known.counted(now) >= limit:
                return False, known.next_free()
            known.add(now)
            return True, None

    def take_back_stream(self, route: str) -> None:
        """Forget the newest start."""
        with self._transaction():
            self._starts(route).drop(1, newest=True)

    def told_streams(
        self, route: str, used: int | None, limit: int, *, resets_at: datetime | None, at: datetime
    ) -> None:
        """Correct the starts by what the source said; `resets_at` is when the oldest is a day old."""
        with self._transaction():
            known, now = self._starts(route), at.timestamp()
            known.allow(limit)
            if used is not None:
                unseen = used - known.counted(now)
                known.add(resets_at.timestamp() - DAY if resets_at else now, unseen)
                known.drop(-unseen)

    def streams(self, route: str, at: datetime) -> tuple[int, int | None]:
        """The starts of the last 24 hours, and how many there may be, if known."""
        with self._transaction():
            known = self._starts(route)
            return known.counted(at.timestamp()), known.limit()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def _starts(self, route: str) -> Starts:
        return Starts(self._db, self._key, route)

    def _get(self, *columns: str) -> tuple[Any, ...]:
        found = self._db.execute(
            f"SELECT {', '.join(columns)} FROM budget WHERE key_print = ?",  # noqa: S608 - our own names
            (self._key,),
        )
        return tuple(found.fetchone())

    def _set(self, **values: object) -> None:
        columns = ", ".join(f"{name} = ?" for name in values)
        self._db.execute(
            f"UPDATE budget SET {columns} WHERE key_print = ?",  # noqa: S608 - our own names
            (*values.values(), self._key),
        )

    @contextlib.contextmanager
    def _transaction(self, patience: float = PATIENCE) -> Iterator[None]:
        with explaining(self._path), self._db:
            self._db.execute(f"PRAGMA busy_timeout = {1000 * patience:.0f}")
            self._db.execute("BEGIN IMMEDIATE")
            yield


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text is not None else None
