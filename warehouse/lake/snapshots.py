"""The snapshots of a lake: each load is one, and the newest one is what readers see."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Final, NamedTuple

import duckdb

from common.warehouse_errors import LakeUnreachable
from warehouse.lake.location import Catalog, LakeLocation

# A lake that its first loader still creates has no views, for some seconds.
SELECT_NEWEST: Final = """
SELECT snapshot_id, snapshot_time FROM ducklake_snapshot
WHERE EXISTS (SELECT 1 FROM ducklake_view WHERE view_name = 'quotes')
ORDER BY snapshot_id DESC LIMIT 1
"""
CONNECT_TIMEOUT: Final = 5  # seconds


class Snapshot(NamedTuple):
    """The number of a snapshot, and its time (UTC) by the clock of the catalog."""

    number: int
    committed_at: datetime


def find_newest_snapshot(lake: LakeLocation) -> Snapshot | None:
    """Return the newest snapshot of a lake; None where none has views yet. Raises LakeUnreachable.

    This asks the catalog alone: to attach the lake takes half a second.
    """
    catalog = lake.read_catalog()
    row = _read_postgres(lake, catalog) if catalog.is_postgres else _read_file(catalog)
    if row is None:
        return None
    number, committed_at = row
    return Snapshot(int(number), committed_at.astimezone(UTC))


def _read_postgres(lake: LakeLocation, catalog: Catalog) -> tuple[int, datetime] | None:
    import psycopg  # only a shared warehouse needs it

    try:
        with psycopg.connect(
            catalog.address.removeprefix("postgres:"),
            password=catalog.password,
            connect_timeout=CONNECT_TIMEOUT,
        ) as db:
            return db.execute(SELECT_NEWEST).fetchone()
    except psycopg.errors.UndefinedTable:
        return None
    except psycopg.Error:
        raise LakeUnreachable(f"the catalog of {lake} does not answer") from None


def _read_file(catalog: Catalog) -> tuple[int, datetime] | None:
    with (
        contextlib.suppress(duckdb.IOException, duckdb.CatalogException),  # no lake has been made there
        duckdb.connect(catalog.address, read_only=True) as db,
    ):
        return db.execute(SELECT_NEWEST).fetchone()
    return None
