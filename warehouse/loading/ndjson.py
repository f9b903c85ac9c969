"""Lines into the load's tables as the source wrote them, where they hold nothing but what was expected."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import duckdb

from warehouse.landing.ndjson import PAGE, LandedRawShard

# The fields that are numbers; the others are texts.
NUMBERS = {"item_id": "BIGINT", "lowest_ask": "BIGINT", "quantity": "BIGINT"}
# No row is as long. What DuckDB sets aside to read with, some 100 MB, does not depend on it.
MAX_LINE_BYTES = 2**20
# A name that is unknown gets its key, and the rows are read once more.
INSERT_ROWS = """
INSERT INTO arrived
SELECT (n.item_key::BIGINT << 20) | b.book_key, l.lowest_ask, other_price(l.lowest_ask_decimal, l.lowest_ask),
    l.quantity, moment(l.timestamp), moment(l.last_updated), l.url, l.page
FROM {lines} l
LEFT JOIN name_key n ON n.number = l.item_id AND n.phase = coalesce(l.phase, '')
    AND n.market_hash_name = l.market_hash_name
LEFT JOIN (
    FROM store.provider JOIN store.book USING (provider_key) SELECT provider, book_key
    WHERE source = getvariable('source') AND currency = $currency AND delivery = $delivery
) b ON b.provider = l.provider
"""
INSERT_NAMES = """
INSERT INTO named
SELECT item_id::VARCHAR, phase, market_hash_name, provider FROM {lines}
GROUP BY GROUPING SETS ((item_id, phase, market_hash_name), (provider))
"""
COUNT_ROWS_BY_SHARD = "SELECT p.shard, count(*) FROM arrived JOIN page p USING (page) GROUP BY p.shard"


class UnexpectedContent(Exception):
    """Lines that hold something else than expected: they are to be typed row by row."""


def insert_ndjson_rows(db: duckdb.DuckDBPyConnection, shards: Sequence[LandedRawShard]) -> None:
    """Add the rows of shards to arrived. Raises Unlike; what it has added then is not to be used."""
    if not shards:
        return
    for alike in _group_by_layout(shards):
        header = alike[0].header
        given = {"currency": header.currency, "delivery": header.deliveries[0], "paths": _paths(alike)}
        _read(db, INSERT_ROWS.format(lines=_ndjson_table(alike)), given)
    found = dict(db.execute(COUNT_ROWS_BY_SHARD).fetchall())
    for shard in shards:
        if (rows := found.get(shard.header.number, 0)) != shard.count:
            raise UnexpectedContent(f"{rows} rows of {shard.count}")


def insert_ndjson_names(db: duckdb.DuckDBPyConnection, shards: Sequence[LandedRawShard]) -> None:
    """Add to named each (item_id, phase, market_hash_name) and each provider of these shards' rows.

    Raises Unlike.
    """
    for alike in _group_by_layout(shards):
        _read(db, INSERT_NAMES.format(lines=_ndjson_table(alike)), {"paths": _paths(alike)})


def _group_by_layout(shards: Sequence[LandedRawShard]) -> list[list[LandedRawShard]]:
    """The shards that one query can read: a page tells its number, a stream has none."""
    groups: dict[object, list[LandedRawShard]] = {}
    for shard in shards:
        header, head = shard.header, shard.head
        kind = (header.currency, header.deliveries, tuple(head.written.items())) if head.paged else shard
        groups.setdefault(str(kind), []).append(shard)
    return list(groups.values())


def _paths(shards: Sequence[LandedRawShard]) -> list[str]:
    return [str(shard.path) for shard in shards]


def _read(db: duckdb.DuckDBPyConnection, query: str, given: Mapping[str, Any]) -> None:
    try:
        with preserve_join_order(db):
            db.execute(query, dict(given))
    except (duckdb.DataError, duckdb.InvalidInputException) as error:
        raise UnexpectedContent(str(error)) from None


@contextlib.contextmanager
def preserve_join_order(db: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Have each row on the left of a join looked up in the table on its right.

    DuckDB cannot tell how much a compressed file or a stream of batches holds: it takes the names for the
    larger side, and keeps every row in a hash table, which doubles the time.
    """
    db.execute("SET disabled_optimizers = 'build_side_probe_side'")
    try:
        yield
    finally:
        db.execute("RESET disabled_optimizers")


def _ndjson_table(shards: Sequence[LandedRawShard]) -> str:
    """The files as a table with our names of the fields, and the page of each row."""
    head = shards[0].head
    columns = {there: NUMBERS.get(here, "VARCHAR") for here, there in head.written.items()}
    ours = ", ".join(f"{_name(there)} AS {_name(here)}" for here, there in head.written.items())
    if head.paged:
        columns[PAGE] = "INTEGER"
        ours += f", {PAGE} AS page"
    else:
        ours += f", {shards[0].pages[0][0]} AS page"
    options = (
        f"columns = {{{', '.join(f'{_text(name)}: {_text(kind)}' for name, kind in columns.items())}}},"
        f" compression = 'zstd', maximum_object_size = {MAX_LINE_BYTES}"
    )
    # the line with a page's mark has no number; of a page that was walked again, the last time is in `page`
    which = f"{PAGE} IN (SELECT page FROM page)" if head.paged else "true"  # noqa: S608 - our own name
    read = f"read_json($paths, format = 'newline_delimited', {options})"
    return f"(SELECT {ours} FROM {read} WHERE {which})"  # noqa: S608 - quoted


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
