"""The backfills in the state database: what each one requests, its shards and their checkpoints.

A checkpoint is written after the page has landed. It may lag behind the landings by a page (see
`warehouse.state.recovery`), but is never ahead of them.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from common.shards import SeriesShard
from common.state_database import StateConnection
from common.warehouse_errors import BackfillBusy, BackfillNotFound
from warehouse.lease import LeaseHeld, describe_holder, hold_lease, lease_holder
from warehouse.paths import WarehousePaths
from warehouse.state.backfill_rows import (
    INSERT_SHARD,
    SELECT_BACKFILLS,
    SELECT_COVERED_SHARDS,
    SELECT_DENSITIES,
    SELECT_SHARDS,
    BackfillRecord,
    BackfillShard,
    ShardDensity,
    backfill_from_row,
    format_timestamp,
    shard_from_row,
    shard_to_row,
)
from warehouse.state.coverage import Coverage, Scope, stable_until
from warehouse.state.database import open_state

if TYPE_CHECKING:
    from warehouse.landing.series import SeriesPageMeta

UTC_NOW: Final = partial(datetime.now, UTC)
# `lock_holder` holds the lock of an idle backfill for an instant, which must not fail a `lock`.
PROBE_TIMEOUT: Final = 0.3
FINAL_STATES: Final = frozenset({"done", "cancelled"})
RETRY_BROKEN_SHARD: Final = """
UPDATE backfill_shard SET state = 'waiting', cursor = NULL, reason = NULL, walk_end = ?
WHERE backfill_id = ? AND number = ? AND state = 'broken'
"""
# A page that is recorded already changes nothing.
RECORD_PAGE: Final = """
UPDATE backfill_shard SET page = :page + 1, cursor = :next,
    state = CASE WHEN CAST(:next AS TEXT) IS NULL THEN :end ELSE 'running' END,
    rows = rows + :rows, requests = requests + 1, reason = NULL,
    oldest = CASE WHEN oldest IS NULL OR :oldest < oldest THEN :oldest ELSE oldest END,
    settled_to = coalesce(settled_to, :settled_to)
WHERE backfill_id = :id AND number = :number AND page <= :page AND state <> 'done'
"""


class BackfillStore:
    """The backfills in the state database of a warehouse. Safe for several processes.

    Each method is a transaction of its own, durable on return. Raises WarehouseLocked (after half a minute)
    and WarehouseError.
    """

    def __init__(self, paths: WarehousePaths, now: Callable[[], datetime] = UTC_NOW) -> None:
        self._paths = paths
        self._state = open_state(paths)
        self._now = now
        self._holders: dict[str, str | None] = {}  # of the backfills under a lock of this store

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
        """Begin a backfill with its shards, numbered from 0, or return the unfinished one with this digest.

        `digest` identifies equal requests. `cost` is the smallest and the largest number of requests (None:
        unknown).
        """
        at = self._now()
        backfill_id, now = f"{at:%Y%m%d}-{secrets.token_hex(3)}", format_timestamp(at)
        request_json = json.dumps(request, sort_keys=True)
        with self._state.transaction() as db:
            # The unique index one_open_backfill decides which of several processes begins the backfill.
            inserted = db.execute(
                "INSERT INTO backfill VALUES (?, ?, ?, ?, ?, ?, ?, 'running', NULL, NULL, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (backfill_id, digest, series, source, request_json, *cost, now, now),
            )
            if inserted.rowcount:
                _insert_shards(db, backfill_id, shards)
            records = _select_backfills(db, digest=digest)
            return next(record for record in records if record.state not in FINAL_STATES)

    def add_shards(self, backfill_id: str, shards: Iterable[SeriesShard]) -> None:
        """Append shards to a backfill."""
        with self._state.transaction() as db:
            _insert_shards(db, backfill_id, shards)

    def get(self, backfill_id: str) -> BackfillRecord:
        """Return a backfill. Raises BackfillNotFound."""
        with self._read("backfill") as db:
            records = _select_backfills(db, backfill_id=backfill_id)
        if not records:
            raise BackfillNotFound(f"there is no backfill {backfill_id!r}", self._paths.state)
        return records[0]

    def find_latest(self, digest: str | None = None) -> BackfillRecord | None:
        """Return the newest backfill with this digest (None: of all backfills)."""
        with self._read("backfill", "backfill_shard") as db:
            return next(iter(_select_backfills(db, digest=digest)), None)

    def list_all(self) -> list[BackfillRecord]:
        """Return all backfills, newest first."""
        with self._read("backfill", "backfill_shard") as db:
            return _select_backfills(db)

    def list_shards(self, backfill_id: str) -> list[BackfillShard]:
        """Return the shards of a backfill, by number."""
        with self._read("backfill", "backfill_shard") as db:
            return [shard_from_row(row) for row in db.execute(SELECT_SHARDS, (backfill_id,))]

    @contextlib.contextmanager
    def lock(self, backfill_id: str) -> Iterator[None]:
        """Hold the lock of a running backfill; the system releases it when the process ends in any way.

        A lock of a connection is lost with it. Where another process has taken the lock then, `record_pages`
        and `finish` raise BackfillBusy. Raises BackfillBusy, which names the holder, and BackfillNotFound.
        """
        self.get(backfill_id)
        try:
            with hold_lease(self._paths, backfill_id, PROBE_TIMEOUT):
                locked = self._update(backfill_id, holder=describe_holder(self._paths))
                self._holders[backfill_id] = locked.holder
                yield
        except LeaseHeld as held:
            raise self._busy(backfill_id, held.holder) from None
        finally:
            self._holders.pop(backfill_id, None)

    def lock_holder(self, backfill_id: str) -> str | None:
        """Return the process that runs a backfill now; None where no process does, whatever its state."""
        self.get(backfill_id)
        return lease_holder(self._paths, backfill_id)

    def resume(self, backfill_id: str) -> BackfillRecord:
        """Set a backfill to `running` under its `lock`, unless it is done or cancelled.

        A broken shard is extracted again from the oldest landed row backwards.
        """
        record = self._update(backfill_id, state="running", reason=None)
        if record.state == "running":
            retries = [
                (format_timestamp(shard.unread_end(record.series)), *shard.key)
                for shard in self.list_shards(backfill_id)
                if shard.state == "broken"
            ]
            with self._state.transaction() as db:
                db.executemany(RETRY_BROKEN_SHARD, retries)
        return self.get(backfill_id)

    def record_pages(
        self, backfill_id: str, number: int, *pages: SeriesPageMeta, usable: bool = True
    ) -> bool:
        """Record durable pages of a shard, in order; a page without a next cursor completes the shard.

        A shard without one `usable` row, although rows came, is broken instead: nobody knows what they were.
        Returns False where the backfill was cancelled. Recording a page again changes nothing. Raises
        BackfillBusy where another process has taken over.
        """
        with self._state.transaction() as db:
            self._check_holder(db, backfill_id)
            series, interval = db.execute(
                "SELECT series, interval FROM backfill JOIN backfill_shard USING (backfill_id)"
                " WHERE backfill_id = ? AND number = ?",
                (backfill_id, number),
            ).fetchone()
            checkpoints = [
                {
                    "id": backfill_id,
                    "number": number,
                    "page": page.number,
                    "next": page.next_cursor,
                    "end": "done" if usable else "broken",
                    "rows": page.rows,
                    "oldest": page.oldest and format_timestamp(page.oldest),
                    "settled_to": format_timestamp(stable_until(series, interval, page.moment)),
                }
                for page in pages
            ]
            db.executemany(RECORD_PAGE, checkpoints)
            updated = db.execute(
                "UPDATE backfill SET updated_at = ? WHERE backfill_id = ? RETURNING state",
                (format_timestamp(self._now()), backfill_id),
            )
            return bool(updated.fetchone()[0] != "cancelled")

    def finish_shard(self, backfill_id: str, number: int, state: str, *, reason: str | None = None) -> None:
        """Set a shard to `done` or `broken`, with the reason, unless it is done."""
        with self._state.transaction() as db:
            db.execute(
                "UPDATE backfill_shard SET state = ?, reason = ?"
                " WHERE backfill_id = ? AND number = ? AND state <> 'done'",
                (state, reason, backfill_id, number),
            )

    def finish(self, backfill_id: str, state: str, reason: str | None = None) -> BackfillRecord:
        """Set a backfill to `done`, `stopped` or `incomplete`, unless it is cancelled.

        Raises BackfillBusy where another process has taken over.
        """
        with self._state.transaction() as db:
            self._check_holder(db, backfill_id)
        return self._update(backfill_id, state=state, reason=reason)

    def cancel(self, backfill_id: str) -> BackfillRecord:
        """Set a backfill to `cancelled`, unless it is done. Its landed pages stay.

        It cannot be resumed; a process that runs it learns of it at its next page. Raises BackfillNotFound.
        """
        return self._update(backfill_id, state="cancelled", reason=None)

    def discard_shards(self, backfill_id: str, numbers: Iterable[int]) -> None:
        """Remove shards from the coverage, and cancel the backfill if it is unfinished."""
        with self._state.transaction() as db:
            db.executemany(
                "UPDATE backfill_shard SET settled_to = NULL WHERE backfill_id = ? AND number = ?",
                [(backfill_id, number) for number in numbers],
            )
        self._update(backfill_id, state="cancelled", reason="its landed rows are lost")

    def load_densities(self, source: str, series: str) -> dict[Scope, ShardDensity]:
        """Return how dense a series of a source was in all finished shards, by scope."""
        with self._read("backfill", "backfill_shard") as db:
            rows = db.execute(SELECT_DENSITIES, (series, source)).fetchall()
        return {(row[0], row[1]): ShardDensity(row[2], row[3]) for row in rows}

    def load_coverage(
        self, source: str, series: str, currency: str, *, interval: str | None = None
    ) -> Coverage:
        """Return the coverage of a series by the shards of all backfills, cancelled backfills included."""
        with self._read("backfill", "backfill_shard") as db:
            rows = db.execute(SELECT_COVERED_SHARDS, (series, source, currency, interval))
            shards = [shard_from_row(row) for row in rows]
        return Coverage.from_spans(
            (shard.scope, span) for shard in shards if (span := shard.covered_span(series)) is not None
        )

    def _read(self, *tables: str) -> contextlib.AbstractContextManager[StateConnection]:
        return self._state.read(*tables) if self._state.exists() else self._state.transaction()

    def _check_holder(self, db: StateConnection, backfill_id: str) -> None:
        """Raise BackfillBusy where this store held the lock of a backfill, and another process has it now."""
        mine = self._holders.get(backfill_id)
        if mine is None:
            return
        holder = db.execute("SELECT holder FROM backfill WHERE backfill_id = ?", (backfill_id,)).fetchone()[0]
        if holder != mine:
            raise self._busy(backfill_id, holder)

    def _busy(self, backfill_id: str, holder: str) -> BackfillBusy:
        return BackfillBusy(f"backfill {backfill_id} is run by {holder}", self._paths.root, holder)

    def _update(self, backfill_id: str, **values: object) -> BackfillRecord:
        """Update columns of a backfill, unless it is done or cancelled. Raises BackfillNotFound."""
        changes = {**values, "updated_at": format_timestamp(self._now())}
        columns = ", ".join(f"{name} = ?" for name in changes)
        with self._state.transaction() as db:
            db.execute(
                f"UPDATE backfill SET {columns} WHERE backfill_id = ?"  # noqa: S608 - names from this module
                " AND state NOT IN ('done', 'cancelled')",
                (*changes.values(), backfill_id),
            )
        return self.get(backfill_id)


def _select_backfills(
    db: StateConnection, *, backfill_id: str | None = None, digest: str | None = None
) -> list[BackfillRecord]:
    rows = db.execute(SELECT_BACKFILLS, {"backfill": backfill_id, "digest": digest})
    return [backfill_from_row(row) for row in rows]


def _insert_shards(db: StateConnection, backfill_id: str, shards: Iterable[SeriesShard]) -> None:
    count = "SELECT count(*) FROM backfill_shard WHERE backfill_id = ?"
    (first,) = db.execute(count, (backfill_id,)).fetchone()
    rows = [shard_to_row(backfill_id, number, shard) for number, shard in enumerate(shards, first)]
    db.executemany(INSERT_SHARD, rows)
