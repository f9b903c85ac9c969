"""Verify a warehouse: whole files, checksums of sealed months, counts, and keys that name what exists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import duckdb

from common.warehouse_errors import DatabaseUnreadable, PublishedUnreadable, SealedMonthUnreadable
from warehouse.database import open_published, writer_lock
from warehouse.integrity import verify_database
from warehouse.loading.pipeline import LOCK_WAIT
from warehouse.paths import WarehousePaths
from warehouse.sealing.months import find_damaged_files
from warehouse.sealing.observed_items import view_items
from warehouse.views.quote_states import OPEN_STATES, QuoteStates, find_quote_states

# What the keys of each table's rows name.
KEYS: Final = {
    "quote_state": ("item", "provider", "run"),
    "store.current": ("item", "provider", "run"),
    "store.filled_state": ("item", "provider", "run"),
    "store.point": ("item", "provider", "run"),
    "store.candle": ("item", "run"),
    "store.daily_point": ("item", "provider", "run"),
    "store.market_stat": ("item", "run"),
    "store.removal": ("run",),
    "store.listing": ("item",),
    "store.listing_walk": ("item", "run"),
    "store.sold": ("item", "provider", "run"),
    "store.observation": ("scope", "provider", "run"),
    "known_items": ("scope", "book", "run"),
    "store.last_observation": ("scope", "provider"),
}
UNIQUE: Final = {
    "store.run": "run_id",
    "store.current": "quote_key",
    "store.item": "item_key",
    "store.provider": "provider_key",
}
COUNT_DOUBLES: Final = "SELECT count(*) - count(DISTINCT {key}) FROM {table}"
NAMES: Final = {"quote_state": "history", "known_items": "observed_items"}
COUNT_ORPHANS: Final = "SELECT count(*) FROM {table} ANTI JOIN store.{named} USING ({named}_key)"
# The states of a quote follow each other without a break: each end is the start of the next one. Sums say
# whether that holds, without an order. The last state has no end.
COUNT_BROKEN: Final = """
SELECT coalesce(sum(states), 0)::BIGINT, count(*),
    count(*) FILTER (states - ended <> 1 OR ends + first_start <> starts OR reversed)
FROM (
    SELECT count(*) AS states, count(valid_to) AS ended,
        coalesce(sum(epoch_us(valid_to)::HUGEINT), 0) AS ends,
        sum(epoch_us(valid_from)::HUGEINT) AS starts, epoch_us(min(valid_from)) AS first_start,
        coalesce(bool_or(valid_to <= valid_from), false) AS reversed
    FROM quote_state GROUP BY item_key, provider_key, currency, delivery
)
"""
# Where store.last_observation is not what the observations say.
COUNT_WRONG_LAST: Final = """
WITH newest AS (
    SELECT o.scope_key, o.provider_key, max(o.observed_to) AS observed_to,
        max(o.observed_to) FILTER (o.complete) AS complete_to,
        max(o.observed_to + to_seconds(3::BIGINT * r.interval_seconds)) FILTER (o.complete) AS fresh_until
    FROM store.observation o JOIN store.run r USING (run_key)
    GROUP BY o.scope_key, o.provider_key
)
SELECT count(DISTINCT (scope_key, provider_key)) FROM (
    (FROM newest EXCEPT FROM store.last_observation)
    UNION ALL
    (FROM store.last_observation EXCEPT FROM newest)
)
"""
# The states of one sealed month, those of them that end in it, and those that began before it.
COUNT_ROWS: Final = """
SELECT count(*), count(valid_to), count(*) FILTER (valid_from < $start) FROM ({states})
"""
COUNT_OPEN: Final = f"SELECT count(*) FROM ({OPEN_STATES}) WHERE valid_from < ?"  # noqa: S608 - our own query
SELECT_RECORDED: Final = "SELECT rows, ended FROM store.sealed_month ORDER BY month"
ADVICE: Final = "restore a backup, or run `floorline maintain rebuild`, which loads what the landings hold"


@dataclass(frozen=True, slots=True)
class Verification:
    """What a verification counted, and a line for each problem that it found, with what to do.

    The counts are 0 where a file is damaged or missing.
    """

    states: int
    quotes: int
    sealed_months: int
    problems: tuple[str, ...]


def verify(paths: WarehousePaths, wait: float = LOCK_WAIT) -> Verification:
    """Verify the loader's database, the published copy and the files of the sealed months.

    Of a lake, its rows. Raises NotPublished where there is no database, WarehouseLocked after `wait` seconds,
    and WarehouseError for a database that another version wrote.
    """
    with writer_lock(paths, wait):
        if paths.shared is not None:
            with open_published(paths) as db:
                return verify_content(db, None, _find_doubles(db))
        damaged = [*_find_damaged_databases(paths)]
        if damaged:
            return Verification(0, 0, 0, tuple(damaged))
        with open_published(paths) as db:
            damaged = [problem for _, problem in find_damaged_files(db, paths.sealed)]
            if damaged:
                advice = SealedMonthUnreadable.guidance
                return Verification(0, 0, 0, tuple(f"{problem}; {advice}" for problem in damaged))
            return verify_content(db, paths.sealed)


def _find_damaged_databases(paths: WarehousePaths) -> Iterator[str]:
    """Yield a line for the loader's database and the published copy, where they are damaged."""
    for database, kind in ((paths.writer, DatabaseUnreadable), (paths.published, PublishedUnreadable)):
        try:
            verify_database(database, paths.checksum)
        except DatabaseUnreadable as error:
            yield str(kind(error.detail, database))


def verify_content(
    db: duckdb.DuckDBPyConnection, folder: Path | None, found: Iterable[str] = ()
) -> Verification:
    """Verify the rows of an open database; `folder` has the files of its sealed months, a lake none.

    `found` are the problems that are known already.
    """
    states = find_quote_states(db, folder)
    db.execute(f"CREATE TEMP VIEW quote_state AS {states.everything}")
    view_items(db, folder=folder)
    ((count, quotes, broken),) = db.execute(COUNT_BROKEN).fetchall()
    problems = [*found, *_find_orphans(db), *_find_wrong_counts(db, states)]
    if broken:
        problems.append(f"the states of {broken:,} quotes overlap, or do not follow each other")
    ((wrong,),) = db.execute(COUNT_WRONG_LAST).fetchall()
    if wrong:
        problems.append(f"the last observations of {wrong:,} marketplaces are not those that are stored")
    return Verification(
        count, quotes, len(states.months), tuple(f"{problem}; {ADVICE}" for problem in problems)
    )


def _find_doubles(db: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Yield a line for each table of a lake with a key twice: a lake has no constraint that refuses this."""
    for table, key in UNIQUE.items():
        ((doubled,),) = db.execute(COUNT_DOUBLES.format(table=table, key=key)).fetchall()
        if doubled:
            yield f"{doubled:,} rows of {table.removeprefix('store.')} are there more than once"


def _find_orphans(db: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Yield a line for each kind of row whose keys name what does not exist."""
    for table, keys in KEYS.items():
        for named in keys:
            ((orphans,),) = db.execute(COUNT_ORPHANS.format(table=table, named=named)).fetchall()
            if orphans:
                name = NAMES.get(table, table.removeprefix("store."))
                yield f"{orphans:,} rows of {name} name no {named} that exists"


def _find_wrong_counts(db: duckdb.DuckDBPyConnection, states: QuoteStates) -> Iterator[str]:
    """Yield a line for each sealed month without the rows that it had, or that the next one takes on."""
    recorded = db.execute(SELECT_RECORDED).fetchall() if states.files else []
    counts = []
    for file in states.files:
        query = COUNT_ROWS.format(states=QuoteStates((file,)).sealed)
        counts += db.execute(query, {"start": file.month}).fetchall()
    ((taken_on,),) = db.execute(COUNT_OPEN, [states.open_from]).fetchall()
    begun = [*(before for _, _, before in counts), taken_on]
    for file, (rows, ended, _), (_, after), expected in zip(
        states.files, counts, pairwise(begun), recorded, strict=True
    ):
        if (rows, ended) != expected:
            right = f"{expected[0]:,} and {expected[1]:,} are right"
            yield f"{file.path} has {rows:,} rows, of which {ended:,} ended: {right}"
        elif rows - ended != after:
            yield f"{rows - ended:,} states outlast {file.month:%Y-%m}, and {after:,} go on after it"
