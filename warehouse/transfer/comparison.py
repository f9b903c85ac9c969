"""Compare what two warehouses answer: every public view, by the number of its rows and a hash of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import duckdb

from warehouse.database import open_reader
from warehouse.paths import Database
from warehouse.queries.json_expression import identifier

SELECT_VIEWS: Final = """
SELECT view_name FROM duckdb_views()
WHERE database_name = current_database() AND schema_name = 'main' AND NOT internal ORDER BY view_name
"""
# The sum, too: of rows that are there twice, the bits of the hashes cancel each other.
FINGERPRINT: Final = "SELECT count(*), bit_xor(hash(v)), sum(hash(v)::HUGEINT) FROM {} v"
Fingerprint = tuple[int, int | None, int | None]


def fingerprint_views(database: Database) -> dict[str, Fingerprint]:
    """Return the number of rows and the hashes of each public view of a database. Raises WarehouseError."""
    with open_reader(database) as db:
        return {view: _fingerprint(db, view) for (view,) in db.execute(SELECT_VIEWS).fetchall()}


def find_differences(one: Mapping[str, Fingerprint], other: Mapping[str, Fingerprint]) -> Sequence[str]:
    """Return the public views that two databases answer differently, or that one of them lacks."""
    return [view for view in sorted(one.keys() | other.keys()) if one.get(view) != other.get(view)]


def _fingerprint(db: duckdb.DuckDBPyConnection, view: str) -> Fingerprint:
    ((count, bits, total),) = db.execute(FINGERPRINT.format(identifier(view))).fetchall()
    return count, bits, total
