"""Lines into the load's tables as the source wrote them, where they hold nothing but what was expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from warehouse.database import SQL
from warehouse.lines import PAGE, LandedLines

NUMBERS = ("item_id", "lowest_ask", "quantity")
# The texts of a row: those that it cannot be without, those that incoming keeps, and the others.
NEEDED = ("market_hash_name", "provider")
KEPT = {"timestamp": "changed_at", "last_updated": "last_updated", "url": "url"}
OTHERS = ("lowest_ask_decimal", "phase", "link")
# Enough for any row. DuckDB sets aside many times as much for each thread, and never less than 16 MB.
LONGEST = 2**20

# A name that is unknown is looked at more closely when it gets its key; one that is known needs no look. Of a
# page that was walked again, the rows of the last time count.
ROWS = """
INSERT INTO incoming
SELECT (n.item_key::BIGINT << 20) | p.book_key, n.item_key, p.provider_key, $currency, $delivery,
    whole(l.lowest_ask),
    exact(l.lowest_ask_decimal, whole(l.lowest_ask)), whole(l.quantity),
    moment(l.timestamp), moment(l.last_updated), flat(l.url), g.observed_at, g.shard, ({others})::UTINYINT
FROM {lines} l
JOIN (SELECT unnest($pages::INTEGER[]) AS page, unnest($shards::INTEGER[]) AS shard,
    unnest($moments::TIMESTAMPTZ[]) AS observed_at) g ON g.page = l.page
LEFT JOIN name_key n ON n.number = l.item_id AND n.phase = coalesce(l.phase, '')
    AND n.market_hash_name = l.market_hash_name
LEFT JOIN (
    FROM store.provider JOIN store.book USING (provider_key)
    SELECT provider, provider_key, book_key
    WHERE source = getvariable('source') AND currency = $currency AND delivery = $delivery
) p ON p.provider = l.provider
"""
NAMED = """
INSERT INTO named
SELECT CASE WHEN of_item THEN whole(named(item_id))::VARCHAR END, flat(phase),
    CASE WHEN of_item THEN named(market_hash_name) END, CASE WHEN NOT of_item THEN named(provider) END
FROM (
    SELECT item_id, phase, market_hash_name, provider, GROUPING(provider) = 1 AS of_item FROM {lines}
    GROUP BY GROUPING SETS ((item_id, phase, market_hash_name), (provider))
)
"""
COUNTED = f"""
SELECT shard, count(*), coalesce(sum(others), 0)::BIGINT + {len(NEEDED)} * count(*)
    + {" + ".join(f"count({column})" for column in KEPT.values())},
    coalesce(least(min(lowest_ask), min(quantity)), 0) >= 0 AND coalesce(max(lowest_ask), 0) <= 99999999999999
FROM incoming WHERE others IS NOT NULL GROUP BY shard
"""  # noqa: S608 - names of our own


class Unlike(Exception):  # noqa: N818 - says what the lines are
    """Lines that hold something else than expected: they are to be typed row by row."""


def insert_lines(db: duckdb.DuckDBPyConnection, shards: Sequence[LandedLines]) -> None:
    """Add the rows of shards to incoming. Raises Unlike; what it has added then is not to be used."""
    if not shards:
        return
    others = " + ".join(f"(l.{name} IS NOT NULL)::UTINYINT" for name in OTHERS)
    db.execute((SQL / "load" / "4_exact.sql").read_text())
    for alike in _alike(shards):
        header = alike[0].header
        query = ROWS.format(lines=_lines(alike, {"item_id": "BIGINT"}), others=others)
        given = {"currency": header.currency, "delivery": header.deliveries[0]}
        _read(db, query, {**given, "paths": _paths(alike), **_pages(alike)})
    found = {shard: told for shard, *told in db.execute(COUNTED).fetchall()}
    for shard in shards:
        rows, texts, sound = found.get(shard.header.number, (0, 0, True))
        if not (sound and _adds_up(shard, rows, texts)):
            raise Unlike(f"{rows} rows with {texts} texts, in bounds: {sound}, of {shard.counts}")


def insert_names(db: duckdb.DuckDBPyConnection, shards: Sequence[LandedLines]) -> None:
    """Add to named each (item_id, phase, market_hash_name) and each provider of these shards' rows.

    Raises Unlike.
    """
    db.execute((SQL / "load" / "4_exact.sql").read_text())
    for alike in _alike(shards):
        _read(db, NAMED.format(lines=_lines(alike)), {"paths": _paths(alike)})


def _alike(shards: Sequence[LandedLines]) -> list[list[LandedLines]]:
    """The shards that one query can read: a page tells its number, a stream has none."""
    groups: dict[object, list[LandedLines]] = {}
    for shard in shards:
        header, head = shard.header, shard.head
        kind = (header.currency, header.deliveries, tuple(head.written.items())) if head.paged else shard
        groups.setdefault(str(kind), []).append(shard)
    return list(groups.values())


def _adds_up(shard: LandedLines, rows: int, texts: int) -> bool:
    """Whether the text has nothing but what was read of it.

    One thing stays unseen: a field that is new, and null in rows that leave out as many that are known.
    """
    counts = shard.counts
    if counts is None or counts.rows != rows:
        return False
    if not counts.fields:
        return True
    absent = (len(shard.head.written) - len(NUMBERS)) * rows - texts
    same = counts.texts == texts and counts.fields - counts.nulls == texts + len(NUMBERS) * rows
    return same and counts.nulls <= absent


def _paths(shards: Sequence[LandedLines]) -> list[str]:
    return [str(shard.path) for shard in shards]


def _pages(shards: Sequence[LandedLines]) -> dict[str, list[Any]]:
    """The pages that count: their numbers, whose they are, and when they were observed."""
    told = [(number, shard.header.number, mark) for shard in shards for number, mark in shard.pages]
    return {
        "pages": [number for number, _, _ in told],
        "shards": [shard for _, shard, _ in told],
        "moments": [mark.observed_at for _, _, mark in told],
    }


def _read(db: duckdb.DuckDBPyConnection, query: str, given: Mapping[str, Any]) -> None:
    try:
        db.execute(query, dict(given))
    except (duckdb.DataError, duckdb.InvalidInputException) as error:
        raise Unlike(str(error)) from None


def _lines(shards: Sequence[LandedLines], types: Mapping[str, str] | None = None) -> str:
    """The files as a table with our names of the fields, each as the text that it came in, or of its type."""
    head, types = shards[0].head, types or {}
    columns = {there: types.get(here, "VARCHAR") for here, there in head.written.items()}
    ours = ", ".join(f"{_name(there)} AS {_name(here)}" for here, there in head.written.items())
    if head.paged:
        columns[PAGE] = "INTEGER"
        ours += f", {PAGE} AS page"
    else:
        ours += f", {shards[0].pages[0][0]} AS page"
    options = (
        f"columns = {{{', '.join(f'{_text(name)}: {_text(kind)}' for name, kind in columns.items())}}},"
        f" compression = '{'gzip' if head.gzip else 'uncompressed'}', maximum_object_size = {LONGEST}"
    )
    # the line with a page's mark has no number
    return (
        f"(SELECT {ours} FROM read_json($paths, format = 'newline_delimited', {options})"  # noqa: S608 - quoted
        f"{f' WHERE {PAGE} >= 0' if head.paged else ''})"
    )


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
