"""Backfills in `state.db`: what was asked for, in which shards, and how far each of them is.

The landings are the truth: what stands here is written after them. It may lag behind them by a page (see
`warehouse.state.recovery`) and is never ahead.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from filelock import FileLock, Timeout

from common.errors import BackfillBusy, BackfillNotFound
from common.files import translate_os_errors
from common.shards import SeriesShard
from common.sqlite import open_state_db, state_transaction
from common.time_ranges import TimeRange
from warehouse.state.backfill_rows import (
    BACKFILLS,
    HELD,
    SHARDS,
    BackfillRecord,
    BackfillShard,
    backfill_from_row,
    format_timestamp,
    shard_from_row,
    shard_to_row,
)
from warehouse.state.coverage import Coverage, stable_until

if TYPE_CHECKING:
    from warehouse.landing.series import SeriesPageMeta

UTC_NOW: Final = partial(datetime.now, UTC)
# Whoever looks whether a backfill is being run takes its lock for a moment.
PROBE_TIMEOUT: Final = 0.3
FINAL_STATES: Final = frozenset({"done", "cancelled"})
RETRY_BROKEN_SHARD: Final = """
UPDATE backfill_shard SET state = 'waiting', cursor = NULL, reason = NULL, walk_end = ?
WHERE backfill_id = ? AND number = ? AND state = 'broken'
"""
RECORD_PAGE: Final = """
UPDATE backfill_shard SET page = :page + 1, cursor = :next, state = iif(:next IS NULL, 'done', 'running'),
    rows = rows + :rows, requests = requests + 1, reason = NULL,
    oldest = min(coalesce(oldest, :oldest), coalesce(:oldest, oldest)),
    settled_to = coalesce(settled_to, :settled_to)
WHERE backfill_id = :id AND number = :number AND page <= :page AND state <> 'done'
"""


class BackfillStore:
    """The backfills of one warehouse; `path` is that of its `state.db`. Safe for several processes.

    Every call is a transaction of its own that is durable on return. Raises WarehouseFull, WarehouseLocked
    (after half a minute) and WarehouseUnfit.
    """

    def __init__(self, path: Path, now: Callable[[], datetime] = UTC_NOW) -> None:
        self._path = path
        self._now = now
        open_state_db(path).close()

    def begin_or_find(
        self,
        digest: str,
        *,
        series: str,
        source: str,
        request: Mapping[str, Any],
        cost: tuple[int, int | None],
        shards: Iterable[SeriesShard] = (),
    ) -> BackfillRecord:
        """Begin a backfill with its shards, numbered from 0; or find the one that is under way.

        One at a time is under way of a `digest`: the fingerprint of what identical requests have in common.
        `cost` is at least and at most (None: unknown) so many requests.
        """
        at = self._now()
        backfill_id, now = f"{at:%Y%m%d}-{secrets.token_hex(3)}", format_timestamp(at)
        asked = json.dumps(request, sort_keys=True)
        with state_transaction(self._path) as db:
            begun = db.execute(
                "INSERT OR IGNORE INTO backfill VALUES (?, ?, ?, ?, ?, ?, ?, 'running', NULL, NULL, ?, ?)",
                (backfill_id, digest, series, source, asked, *cost, now, now),
            )
            if begun.rowcount:
                _add(db, backfill_id, shards)
            return next(one for one in _backfills(db, digest=digest) if one.state not in FINAL_STATES)

    def add_shards(self, backfill_id: str, shards: Iterable[SeriesShard]) -> None:
        """Add shards behind those that there are."""
        with state_transaction(self._path) as db:
            _add(db, backfill_id, shards)

    def get(self, backfill_id: str) -> BackfillRecord:
        """A backfill by its id. Raises NoBackfill."""
        with state_transaction(self._path) as db:
            for found in _backfills(db, backfill_id=backfill_id):
                return found
        raise BackfillNotFound(f"there is no backfill {backfill_id!r}", self._path)

    def latest(self, digest: str | None = None) -> BackfillRecord | None:
        """The newest backfill with this digest; with None, the newest of all."""
        with state_transaction(self._path) as db:
            return next(iter(_backfills(db, digest=digest)), None)

    def list_all(self) -> list[BackfillRecord]:
        """All backfills, the newest first."""
        with state_transaction(self._path) as db:
            return _backfills(db)

    def list_shards(self, backfill_id: str) -> list[BackfillShard]:
        """The shards of a backfill, by number."""
        with state_transaction(self._path) as db:
            return [shard_from_row(row) for row in db.execute(SHARDS, (backfill_id,))]

    @contextlib.contextmanager
    def lock(self, backfill_id: str) -> Iterator[None]:
        """Be the only one to run a backfill. Raises BackfillBusy, which names who runs it, and NoBackfill.

        The system lets go of it when the process ends, however it does.
        """
        self.get(backfill_id)
        with self._lock(backfill_id):
            self._set(backfill_id, holder=f"PID {os.getpid()}")
            yield

    def lock_holder(self, backfill_id: str) -> str | None:
        """Who runs a backfill at this moment; None where nobody does, whatever its state says."""
        self.get(backfill_id)
        try:
            with self._lock(backfill_id, wait=0):
                return None
        except BackfillBusy as busy:
            return busy.holder

    def resume(self, backfill_id: str) -> BackfillRecord:
        """Take a backfill up again; call it under `hold`. One that is done or cancelled stays so.

        Shards that broke wait for a new walk, which begins where the oldest row that landed lies.
        """
        found = self._set(backfill_id, state="running", reason=None)
        broken = [shard for shard in self.list_shards(backfill_id) if shard.state == "broken"]
        if found.state == "running":
            with state_transaction(self._path) as db:
                ends = [(format_timestamp(shard.unread_end(found.series)), *shard.key) for shard in broken]
                db.executemany(RETRY_BROKEN_SHARD, ends)
        return self.get(backfill_id)

    def record_pages(self, backfill_id: str, number: int, *marks: SeriesPageMeta) -> bool:
        """Note pages of a shard, in their order, once they are durable; the last one of a walk ends it.

        Returns whether the backfill goes on: False where someone cancelled it. What is noted already stays.
        """
        with state_transaction(self._path) as db:
            series, interval = db.execute(
                "SELECT series, interval FROM backfill JOIN backfill_shard USING (backfill_id)"
                " WHERE backfill_id = ? AND number = ?",
                (backfill_id, number),
            ).fetchone()
            pages = [_noted(mark, stable_until(series, interval, mark.observed_at)) for mark in marks]
            db.executemany(RECORD_PAGE, [{**page, "id": backfill_id, "number": number} for page in pages])
            touched = db.execute(
                "UPDATE backfill SET updated_at = ? WHERE backfill_id = ? RETURNING state",
                (format_timestamp(self._now()), backfill_id),
            )
            return bool(touched.fetchone()[0] != "cancelled")

    def finish_shard(self, backfill_id: str, number: int, state: str, reason: str | None = None) -> None:
        """Say that a shard is `done` or `broken`, and why; one that is done stays so."""
        with state_transaction(self._path) as db:
            db.execute(
                "UPDATE backfill_shard SET state = ?, reason = ?"
                " WHERE backfill_id = ? AND number = ? AND state <> 'done'",
                (state, reason, backfill_id, number),
            )

    def finish(self, backfill_id: str, state: str, reason: str | None = None) -> BackfillRecord:
        """Say how a backfill ended: `done`, `stopped` or `incomplete`; a cancelled one stays cancelled."""
        return self._set(backfill_id, state=state, reason=reason)

    def cancel(self, backfill_id: str) -> BackfillRecord:
        """Give a backfill up: nobody resumes it, and who runs it hears of it with the next page.

        What it brought stays. One that is done stays done. Raises NoBackfill.
        """
        return self._set(backfill_id, state="cancelled", reason=None)

    def discard_shards(self, backfill_id: str, numbers: Iterable[int]) -> None:
        """Hold what these shards brought no longer; the backfill, if it was under way, is given up."""
        with state_transaction(self._path) as db:
            db.executemany(
                "UPDATE backfill_shard SET settled_to = NULL WHERE backfill_id = ? AND number = ?",
                [(backfill_id, number) for number in numbers],
            )
        self._set(backfill_id, state="cancelled", reason="what it had brought is lost")

    def load_coverage(self, source: str, series: str, currency: str, interval: str | None = None) -> Coverage:
        """Which spans of a series the shards of all backfills hold, cancelled ones among them."""
        with state_transaction(self._path) as db:
            shards = [shard_from_row(row) for row in db.execute(HELD, (series, source, currency, interval))]
        scopes = [(shard.ask.item and shard.ask.item[0], shard.ask.provider) for shard in shards]
        spans = [shard.covered_span(series) for shard in shards]
        return Coverage.from_spans((scope, span) for scope, span in zip(scopes, spans, strict=True) if span)

    def covered_spans(
        self,
        source: str,
        series: str,
        currency: str,
        interval: str | None,
        item_id: str | None,
        provider: str | None,
    ) -> list[TimeRange]:
        """What is held of one item at one provider; see `Coverage.covered`. For many, keep the coverage."""
        return self.load_coverage(source, series, currency, interval).spans_of(item_id, provider)

    def _set(self, backfill_id: str, **values: object) -> BackfillRecord:
        """Change a backfill, unless it is done or cancelled; as it is then. Raises NoBackfill."""
        changes = {**values, "updated_at": format_timestamp(self._now())}
        columns = ", ".join(f"{name} = ?" for name in changes)
        with state_transaction(self._path) as db:
            db.execute(
                f"UPDATE backfill SET {columns} WHERE backfill_id = ?"  # noqa: S608 - our own names
                " AND state NOT IN ('done', 'cancelled')",
                (*changes.values(), backfill_id),
            )
        return self.get(backfill_id)

    @contextlib.contextmanager
    def _lock(self, backfill_id: str, wait: float = PROBE_TIMEOUT) -> Iterator[None]:
        folder = self._path.with_name("backfills")
        with translate_os_errors(folder):
            folder.mkdir(exist_ok=True)
            try:
                lock = FileLock(folder / f"{backfill_id}.lock").acquire(timeout=wait)
            except Timeout:
                holder = self.get(backfill_id).holder or "another process"
                raise BackfillBusy(f"backfill {backfill_id} is run by {holder}", folder, holder) from None
        with lock:
            yield


def _backfills(
    db: sqlite3.Connection, *, backfill_id: str | None = None, digest: str | None = None
) -> list[BackfillRecord]:
    return [backfill_from_row(row) for row in db.execute(BACKFILLS, (backfill_id, digest))]


def _add(db: sqlite3.Connection, backfill_id: str, shards: Iterable[SeriesShard]) -> None:
    count = "SELECT count(*) FROM backfill_shard WHERE backfill_id = ?"
    (first,) = db.execute(count, (backfill_id,)).fetchone()
    values = [shard_to_row(backfill_id, number, ask) for number, ask in enumerate(shards, first)]
    for row in values[:1]:
        columns, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
        db.executemany(f"INSERT INTO backfill_shard ({columns}) VALUES ({marks})", values)  # noqa: S608


def _noted(mark: SeriesPageMeta, settled_to: datetime) -> dict[str, object]:
    return {
        "page": mark.number,
        "next": mark.next_cursor,
        "rows": mark.rows,
        "oldest": mark.oldest and format_timestamp(mark.oldest),
        "settled_to": format_timestamp(settled_to),
    }
