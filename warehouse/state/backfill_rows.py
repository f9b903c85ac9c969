"""The rows of backfills and their shards in the state database, as dataclasses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from common.shards import Item, SeriesShard
from common.state_database import StateRow
from common.time_ranges import TimeRange
from warehouse.state.coverage import ANSWERED_AT_ONCE, Scope, unread_end

SELECT_BACKFILLS: Final = """
SELECT backfill_id, digest, series, source, request, at_least, at_most, backfill.state, backfill.reason,
    holder, created_at, updated_at,
    count(number) AS shards, count(number) FILTER (WHERE s.state = 'done') AS done,
    count(number) FILTER (WHERE s.state = 'broken') AS broken,
    CAST(coalesce(sum(rows), 0) AS BIGINT) AS rows, CAST(coalesce(sum(requests), 0) AS BIGINT) AS requests
FROM backfill LEFT JOIN backfill_shard s USING (backfill_id)
WHERE backfill_id = coalesce(:backfill, backfill_id) AND digest = coalesce(:digest, digest)
GROUP BY backfill.backfill_id ORDER BY created_at DESC, backfill.rowid DESC
"""
SELECT_SHARDS: Final = "SELECT * FROM backfill_shard WHERE backfill_id = ? ORDER BY number"
# Coverage is looked up by item id: a shard that knows only the item's name is left out.
SELECT_COVERED_SHARDS: Final = """
SELECT s.* FROM backfill_shard s JOIN backfill USING (backfill_id)
WHERE series = ? AND source = ? AND currency = ? AND coalesce(interval, '') = coalesce(?, '')
    AND settled_to IS NOT NULL AND (item_id IS NOT NULL OR market_hash_name IS NULL)
"""
SELECT_DENSITIES: Final = """
SELECT item_id, provider, sum(rows) / sum(days) AS rows_a_day, sum(requests) / sum(days) AS requests_a_day
FROM (
    SELECT item_id, provider, rows, requests, julianday(end_at) - julianday(start_at) AS days
    FROM backfill_shard JOIN backfill USING (backfill_id)
    WHERE series = ? AND source = ? AND backfill_shard.state = 'done'
        AND (item_id IS NOT NULL OR market_hash_name IS NULL)
) AS shard GROUP BY item_id, provider HAVING sum(days) > 0
"""
INSERT_SHARD: Final = """
INSERT INTO backfill_shard (
    backfill_id, number, item_id, market_hash_name, phase, provider, currency, interval,
    start_at, end_at, walk_end, lookback)
VALUES (:backfill_id, :number, :item_id, :market_hash_name, :phase, :provider, :currency, :interval,
    :start_at, :end_at, :walk_end, :lookback)
"""


@dataclass(frozen=True, slots=True)
class ShardDensity:
    """The rows, and the requests, that finished shards of one scope took for each day of their windows."""

    rows_a_day: float
    requests_a_day: float


@dataclass(frozen=True, slots=True)
class BackfillShard:
    """One shard and its checkpoint; `state` is `waiting` (no page yet), `running`, `done` or `broken`.

    `ask` is the shard as planned. The extraction under way requests `walk`, whose end a retry moves, and
    continues with the page number `page` at `cursor` (None: from the start). `rows` and `requests` count the
    landed pages, `oldest` is the time of their oldest row. Rows before `settled_to` could change no more when
    the first page was read.
    """

    backfill_id: str
    number: int
    ask: SeriesShard
    state: str
    walk: SeriesShard
    cursor: str | None
    page: int
    rows: int
    requests: int
    oldest: datetime | None
    settled_to: datetime | None
    reason: str | None

    @property
    def key(self) -> tuple[str, int]:
        """The primary key: backfill id and number."""
        return self.backfill_id, self.number

    @property
    def scope(self) -> Scope:
        """The item id (None: all items) and the provider (None: all providers)."""
        return self.ask.item and self.ask.item.item_id, self.ask.provider

    def unread_end(self, series: str) -> datetime:
        """Return the end of the unread rest (exclusive, UTC)."""
        # A series without pages does not come backwards in time: a broken shard is read again from its start.
        return self.ask.end if series in ANSWERED_AT_ONCE else unread_end(self.ask.end, self.oldest)

    def covered_span(self, series: str) -> TimeRange | None:
        """Return the time range that is complete once all landed pages are loaded, or None."""
        if self.settled_to is None:
            return None
        start = self.ask.start if self.state == "done" else self.unread_end(series)
        return start, min(self.ask.end, self.settled_to)


@dataclass(frozen=True, slots=True)
class BackfillRecord:
    """One backfill; `state` is `running`, `done`, `stopped`, `incomplete` (broken shards) or `cancelled`.

    `holder` is the process that ran it last. `at_least` and `at_most` (None: unknown) are the planned
    requests. `shards` counts the shards, `done` and `broken` those in these states; `rows` and `requests` are
    sums over the shards. Times are UTC.
    """

    backfill_id: str
    digest: str
    series: str
    source: str
    request: Mapping[str, Any]
    at_least: int
    at_most: int | None
    state: str
    reason: str | None
    holder: str | None
    created_at: datetime
    updated_at: datetime
    shards: int = 0
    done: int = 0
    broken: int = 0
    rows: int = 0
    requests: int = 0


def format_timestamp(at: datetime) -> str:
    """Return a time as stored text, which sorts like the times."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def parse_timestamp(text: str | None) -> datetime | None:
    """Return the time of a stored text."""
    return None if text is None else datetime.fromisoformat(text)


def backfill_from_row(row: StateRow) -> BackfillRecord:
    """Return the backfill in a row of SELECT_BACKFILLS."""
    times = {name: datetime.fromisoformat(row[name]) for name in ("created_at", "updated_at")}
    return BackfillRecord(**{**row, **times, "request": json.loads(row["request"])})


def shard_from_row(row: StateRow) -> BackfillShard:
    """Return the shard in a row of `backfill_shard`."""
    item = Item(row["item_id"], row["market_hash_name"], row["phase"])
    planned = SeriesShard(
        currency=row["currency"],
        start=datetime.fromisoformat(row["start_at"]),
        end=datetime.fromisoformat(row["end_at"]),
        item=None if row["market_hash_name"] is None else item,
        provider=row["provider"],
        interval=row["interval"],
        lookback=bool(row["lookback"]),
    )
    same = ("backfill_id", "number", "state", "cursor", "page", "rows", "requests", "reason")
    return BackfillShard(
        **{name: row[name] for name in same},
        ask=planned,
        walk=replace(planned, end=datetime.fromisoformat(row["walk_end"])),
        oldest=parse_timestamp(row["oldest"]),
        settled_to=parse_timestamp(row["settled_to"]),
    )


def shard_to_row(backfill_id: str, number: int, shard: SeriesShard) -> dict[str, object]:
    """Return the columns of a new row of `backfill_shard`."""
    item_id, market_hash_name, phase = shard.item or (None, None, None)
    return {
        "backfill_id": backfill_id,
        "number": number,
        "item_id": item_id,
        "market_hash_name": market_hash_name,
        "phase": phase,
        "provider": shard.provider,
        "currency": shard.currency,
        "interval": shard.interval,
        "start_at": format_timestamp(shard.start),
        "end_at": format_timestamp(shard.end),
        "walk_end": format_timestamp(shard.end),
        "lookback": int(shard.lookback),
    }
