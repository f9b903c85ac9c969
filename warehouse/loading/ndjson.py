"""Load raw NDJSON rows into the staging tables with DuckDB's own reader, where all rows are as expected."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import duckdb

from common.sql_text import quote_text
from warehouse.database import duckdb_path
from warehouse.landing.ndjson import PAGE_FIELD, LandedRawShard
from warehouse.loading.landed_tables import preserve_join_order

# The fields that are numbers; every other field is text.
NUMBERS = {"item_id": "BIGINT", "lowest_ask": "BIGINT", "quantity": "BIGINT"}
# Longer than any row. The memory that DuckDB reserves for reading, about 100 MB, does not depend on it.
MAX_LINE_BYTES = 2**20
PATTERN: Final = re.compile(r"[*?\[]")
# A row of a new item or provider gets a null key; it is read once more when the name has a key.
# The times have a query of their own: past_timestamp names its value twice, and DuckDB would parse it twice.
INSERT_ROWS = """
INSERT INTO staged_row
SELECT * REPLACE (past_timestamp(changed_at) AS changed_at, past_timestamp(last_updated) AS last_updated)
FROM (
    SELECT (n.item_key::BIGINT << 20) | b.book_key AS quote_key, l.lowest_ask,
        exact_other_price(l.lowest_ask_decimal, l.lowest_ask) AS other_price, l.quantity,
        utc_timestamp(l.timestamp) AS changed_at, utc_timestamp(l.last_updated) AS last_updated, l.url, l.page
    FROM {lines} l
    LEFT JOIN name_key n ON n.number = l.item_id AND n.phase = coalesce(l.phase, '')
        AND n.market_hash_name = l.market_hash_name
    LEFT JOIN (
        FROM store.provider JOIN store.book USING (provider_key) SELECT provider, book_key
        WHERE source = getvariable('source') AND currency = $currency AND delivery = $delivery
    ) b ON b.provider = l.provider
)
"""
INSERT_NAMES = """
INSERT INTO landed_name
SELECT item_id::VARCHAR, phase, market_hash_name, provider, max(observed_at)
FROM {lines} JOIN page USING (page)
GROUP BY GROUPING SETS ((item_id, phase, market_hash_name), (provider))
"""
COUNT_ROWS_BY_SHARD = "SELECT p.shard, count(*) FROM staged_row JOIN page p USING (page) GROUP BY p.shard"


class UnexpectedContent(Exception):
    """Raw rows hold something unexpected: they must be parsed row by row."""


def insert_ndjson_rows(db: duckdb.DuckDBPyConnection, shards: Sequence[LandedRawShard]) -> None:
    """Insert the rows of raw shards into staged_row.

    Raises UnexpectedContent where a row or a path is not as expected, and DamagedFile; staged_row is then
    incomplete.
    """
    if not shards:
        return
    for group in _group_by_layout(shards):
        header = group[0].header
        parameters = {"currency": header.currency, "delivery": header.deliveries[0]}
        _insert(db, INSERT_ROWS, group, parameters=parameters)
    counts = dict(db.execute(COUNT_ROWS_BY_SHARD).fetchall())
    for shard in shards:
        if (rows := counts.get(shard.header.number, 0)) != shard.count:
            raise UnexpectedContent(f"{rows} rows of {shard.count}")


def insert_ndjson_names(db: duckdb.DuckDBPyConnection, shards: Sequence[LandedRawShard]) -> None:
    """Insert the distinct (item_id, phase, market_hash_name) and the distinct providers into landed_name.

    Raises UnexpectedContent where a row or a path is not as expected, and DamagedFile.
    """
    for group in _group_by_layout(shards):
        _insert(db, INSERT_NAMES, group)


def _group_by_layout(shards: Sequence[LandedRawShard]) -> list[list[LandedRawShard]]:
    """Group the shards that one query can read: rows of a page carry its number, rows of a stream do not."""
    groups: dict[object, list[LandedRawShard]] = {}
    for shard in shards:
        header, head = shard.header, shard.head
        layout = (header.currency, header.deliveries, tuple(head.written.items())) if head.paged else shard
        # By its text, because a shard holds mappings and has no hash.
        groups.setdefault(str(layout), []).append(shard)
    return list(groups.values())


def _insert(
    db: duckdb.DuckDBPyConnection,
    statement: str,
    shards: Sequence[LandedRawShard],
    *,
    parameters: Mapping[str, str] | None = None,
) -> None:
    paths = [_pattern(shard.path) for shard in shards]
    try:
        with preserve_join_order(db):
            db.execute(statement.format(lines=_ndjson_table(shards)), {**(parameters or {}), "paths": paths})
    except (duckdb.DataError, duckdb.InvalidInputException) as error:
        raise UnexpectedContent(str(error)) from None
    except duckdb.IOException:  # of the disk, unless one of the files does not match its checksums
        for shard in shards:
            shard.verify()
        raise


def _ndjson_table(shards: Sequence[LandedRawShard]) -> str:
    """Return a SQL subquery over the files of $paths: our names of the fields, and the page of each row."""
    head = shards[0].head
    types = {there: NUMBERS.get(here, "VARCHAR") for here, there in head.written.items()}
    names = [f"{_quote_name(there)} AS {_quote_name(here)}" for here, there in head.written.items()]
    if head.paged:
        types[PAGE_FIELD] = "INTEGER"
        names.append(f"{PAGE_FIELD} AS page")
        # A line of metadata has no page number; of a page that was fetched twice, `page` has the last one.
        condition = f"{PAGE_FIELD} IN (SELECT page FROM page)"  # noqa: S608 - our own name
    else:
        page, _ = shards[0].pages[0]
        names.append(f"{page} AS page")
        condition = "true"
    columns = ", ".join(f"{quote_text(name)}: {quote_text(kind)}" for name, kind in types.items())
    rows = (
        f"read_json($paths, format = 'newline_delimited', columns = {{{columns}}}, compression = 'zstd',"
        # Else a folder `quantity=7` on the way would be the quantity of every row.
        f" hive_partitioning = false, maximum_object_size = {MAX_LINE_BYTES})"
    )
    return f"(SELECT {', '.join(names)} FROM {rows} WHERE {condition})"  # noqa: S608 - quoted


def _pattern(path: Path) -> str:
    """Return the pattern that DuckDB matches with this path only.

    Raises UnexpectedContent where there is none: DuckDB splits a pattern at each backslash.
    """
    text = duckdb_path(path)
    if PATTERN.search(text) and "\\" in text:
        raise UnexpectedContent(f"no pattern of DuckDB means {path}")
    return PATTERN.sub(r"[\g<0>]", text)


def _quote_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
