"""The rows of backfills in `state.db`: their tables, their types, and how one becomes the other."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from common.shards import Item, SeriesShard
from common.time_ranges import TimeRange
from warehouse.state.coverage import unread_end

BACKFILLS: Final = """
SELECT backfill.*, count(number) AS shards, count(number) FILTER (WHERE s.state = 'done') AS done,
    count(number) FILTER (WHERE s.state = 'broken') AS broken,
    coalesce(sum(rows), 0) AS rows, coalesce(sum(requests), 0) AS requests
FROM backfill LEFT JOIN backfill_shard s USING (backfill_id)
WHERE (?1 IS NULL OR backfill_id = ?1) AND (?2 IS NULL OR digest = ?2)
GROUP BY backfill_id ORDER BY created_at DESC, backfill.rowid DESC
"""
SHARDS: Final = "SELECT * FROM backfill_shard WHERE backfill_id = ? ORDER BY number"
# A shard that names an item without an id is of no use to whoever asks by id.
HELD: Final = """
SELECT s.* FROM backfill_shard s JOIN backfill USING (backfill_id)
WHERE series = ? AND source = ? AND currency = ? AND interval IS ? AND settled_to IS NOT NULL
    AND (item_id IS NOT NULL OR market_hash_name IS NULL)
"""


@dataclass(frozen=True, slots=True)
class BackfillShard:
    """One shard and how far it is: `waiting` before its first page, `running`, `done` or `broken`.

    `page` is the number of the next page and `cursor` what it is asked for with: None at the beginning of a
    walk, which asks for `walk`. `rows` and `requests` are of the pages that landed, `oldest` is the time of
    their oldest row, and what lies before `settled_to` could change no more when the first was read.
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
        """Which shard of which backfill."""
        return self.backfill_id, self.number

    def unread_end(self, series: str) -> datetime:
        """The end of what has not been read yet (exclusive, UTC). Candles come in the order of time."""
        return self.ask.end if series == "candles" else unread_end(self.ask.end, self.oldest)

    def covered_span(self, series: str) -> TimeRange | None:
        """The span of which the database holds all there is, once what landed is loaded."""
        if self.settled_to is None:
            return None
        start = self.ask.start if self.state == "done" else self.unread_end(series)
        return start, min(self.ask.end, self.settled_to)


@dataclass(frozen=True, slots=True)
class BackfillRecord:
    """One backfill: `running`, `done`, `stopped`, `incomplete` (shards are broken) or `cancelled`.

    `holder` is the process that ran it last. `at_least` and `at_most` (None: unknown) are the requests that
    the plan told. `shards`, of which so many are `done` and `broken`, `rows` and `requests` are sums. UTC.
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


def format_timestamp(moment: datetime) -> str:
    """A moment as it is stored: texts sort as the moments do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def parse_timestamp(text: str | None) -> datetime | None:
    """A stored moment."""
    return None if text is None else datetime.fromisoformat(text)


def backfill_from_row(row: sqlite3.Row) -> BackfillRecord:
    """From a row of BACKFILLS."""
    moments = {name: datetime.fromisoformat(row[name]) for name in ("created_at", "updated_at")}
    return BackfillRecord(**{**dict(row), **moments, "request": json.loads(row["request"])})


def shard_from_row(row: sqlite3.Row) -> BackfillShard:
    """From a row of `backfill_shard`."""
    item = Item(row["item_id"], row["market_hash_name"], row["phase"])
    ask = SeriesShard(
        currency=row["currency"],
        start=datetime.fromisoformat(row["start_at"]),
        end=datetime.fromisoformat(row["end_at"]),
        item=None if row["market_hash_name"] is None else item,
        provider=row["provider"],
        interval=row["interval"],
        lookback=bool(row["lookback"]),
    )
    plain = ("backfill_id", "number", "state", "cursor", "page", "rows", "requests", "reason")
    return BackfillShard(
        **{name: row[name] for name in plain},
        ask=ask,
        walk=replace(ask, end=datetime.fromisoformat(row["walk_end"])),
        oldest=parse_timestamp(row["oldest"]),
        settled_to=parse_timestamp(row["settled_to"]),
    )


def shard_to_row(backfill_id: str, number: int, ask: SeriesShard) -> dict[str, object]:
    """A new shard, as `backfill_shard` takes it."""
    item_id, name, phase = ask.item or (None, None, None)
    return {
        "backfill_id": backfill_id,
        "number": number,
        "item_id": item_id,
        "market_hash_name": name,
        "phase": phase,
        "provider": ask.provider,
        "currency": ask.currency,
        "interval": ask.interval,
        "start_at": format_timestamp(ask.start),
        "end_at": format_timestamp(ask.end),
        "walk_end": format_timestamp(ask.end),
        "lookback": ask.lookback,
    }
