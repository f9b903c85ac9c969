"""A generation: one published file in a session of its own, locked, with a time limit for its queries."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from common.warehouse_errors import NotPublished, PublishedUnreadable, QueryRejected, QueryTimedOut
from tests.support.clocks import NOON
from tests.support.warehouse import Quote, create_warehouse, land, load, observe
from warehouse.paths import WarehousePaths
from warehouse.queries.generation import Generation

ENDLESS = "SELECT sum(a.range * b.range) FROM range(1_000_000) a, range(1_000_000) b"


@pytest.fixture
def paths(tmp_path: Path) -> WarehousePaths:
    paths = create_warehouse(tmp_path)
    land(paths, "run-0", observe(NOON, Quote("1", 100)), interval_seconds=60)
    load(paths)
    return paths


@pytest.fixture
def generation(paths: WarehousePaths) -> Iterator[Generation]:
    generation = Generation(paths.published_database)
    yield generation
    generation.close()


def rows(generation: Generation, sql: str, *values: object, seconds: float | None = None) -> list[Any]:
    return generation.fetch(sql, values, lambda cursor: cursor.fetchall(), seconds=seconds)


@pytest.mark.lake
def test_newer_file_is_another_generation(paths: WarehousePaths, generation: Generation) -> None:
    assert generation.is_current
    land(paths, "run-1", observe(NOON + timedelta(hours=1), Quote("1", 101)), interval_seconds=60)
    load(paths)
    assert not generation.is_current
    assert rows(generation, "SELECT max(lowest_ask) FROM quotes") == [(100,)]
    newer = Generation(paths.published_database)
    assert rows(newer, "SELECT max(lowest_ask) FROM quotes") == [(101,)]
    newer.close()


def test_query_is_interrupted_after_its_time(generation: Generation) -> None:
    with pytest.raises(QueryTimedOut, match=r"more than 0\.05 s"):
        rows(generation, ENDLESS, seconds=0.05)
    assert rows(generation, "SELECT 1", seconds=60) == [(1,)]
    with pytest.raises(QueryRejected, match="nowhere") as caught:
        rows(generation, "FROM nowhere", seconds=60)
    assert not isinstance(caught.value, QueryTimedOut)


def test_session_shows_utc_and_the_views(generation: Generation) -> None:
    assert rows(generation, "SELECT current_setting('TimeZone'), current_database()") == [("UTC", "market")]
    assert rows(generation, "SELECT $1::VARCHAR", "x' OR 1=1--") == [("x' OR 1=1--",)]
    rows(generation, "CREATE TABLE memory.main.kept AS SELECT 1 AS one")
    assert rows(generation, "FROM memory.main.kept") == [(1,)]


@pytest.mark.parametrize(
    "sql",
    [
        "ATTACH 'other.duckdb'",
        "COPY (SELECT 1) TO 'out.csv'",
        "EXPORT DATABASE 'out'",
        "FROM read_csv('/etc/passwd')",
        "FROM glob('/*')",
        "SET enable_external_access = true",
        "INSTALL httpfs",
        "DROP VIEW market.quotes",
        "DELETE FROM market.store.history",
        "SELECT 1; COPY (SELECT 1) TO 'out.csv'",
    ],
)
def test_session_reaches_nothing_else(
    generation: Generation, sql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(QueryRejected):
        rows(generation, sql)
    assert sorted(tmp_path.rglob("*")) == before


def test_first_look_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(NotPublished):
        Generation(tmp_path / "market.duckdb")
    (tmp_path / "market.duckdb").write_bytes(b"no database" * 1000)
    with pytest.raises(PublishedUnreadable):
        Generation(tmp_path / "market.duckdb")
