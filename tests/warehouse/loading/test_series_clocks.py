"""Series of a source whose clock is ahead: no row of the future is stored, no observation wins for ever."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from common.clock import MAX_CLOCK_SKEW
from tests.support.backfill_state import begin_backfill, page_meta, series_shard
from tests.support.clocks import NOON
from tests.support.series_landings import (
    Candle,
    Point,
    Row,
    Sale,
    SeriesPage,
    database_with,
    land_series,
    load_landing,
)
from tests.support.warehouse import create_warehouse, minute
from warehouse.state.backfills import BackfillStore

YEAR = timedelta(days=365)
VIEWS: dict[type[Row], str] = {Point: "price_points", Candle: "candles", Sale: "sales"}


@pytest.mark.parametrize("kind", VIEWS, ids=VIEWS.values())
def test_row_of_a_time_ahead_is_a_reject(tmp_path: Path, kind: type[Row]) -> None:
    now, bound = minute(60), minute(60) + MAX_CLOCK_SKEW
    times = (minute(0), bound, bound + timedelta(minutes=1), now + YEAR)
    page = SeriesPage(now + YEAR, [kind(at) for at in times], landed_at=now)
    db = database_with()
    report = load_landing(db, land_series(create_warehouse(tmp_path), "a", page, kind=kind))
    assert (report.rows_fetched, report.rows_changed, report.rows_rejected) == (4, 2, 2)
    assert db.execute(f"SELECT time FROM {VIEWS[kind]} ORDER BY time").fetchall() == [
        (times[0],),
        (times[1],),
    ]
    rejects = db.execute("SELECT reason, raw, observed_at FROM rejects ORDER BY raw").fetchall()
    assert [reason for reason, _, _ in rejects] == [
        "its time, 2026-06-01 13:06 UTC, lies ahead",
        "its time, 2027-06-01 13:00 UTC, lies ahead",
    ]
    assert {observed_at for _, _, observed_at in rejects} == {bound}
    raw = json.loads(rejects[0][1])
    assert raw["item_id"] == "1"
    assert not raw.keys() & {"observed_at", "latest", "part"}


@pytest.mark.parametrize("kind", [Point, Candle], ids=["price_points", "candles"])
def test_observation_from_next_year_does_not_win_for_ever(tmp_path: Path, kind: type[Row]) -> None:
    paths = create_warehouse(tmp_path)
    ahead = SeriesPage(minute(60) + YEAR, [kind(minute(0), 100)], landed_at=minute(60))
    later = SeriesPage(minute(70), [kind(minute(0), 120)])
    db = database_with(
        [land_series(paths, name, page, kind=kind) for name, page in (("a", ahead), ("b", later))]
    )
    amount = "lowest_ask" if kind is Point else "close"
    assert db.execute(f"SELECT {amount}, run_id FROM {VIEWS[kind]}").fetchall() == [(120, "b")]


@pytest.mark.parametrize("kind", [Point, Candle], ids=["price_points", "candles"])
def test_stored_observation_from_next_year_does_not_win_for_ever(tmp_path: Path, kind: type[Row]) -> None:
    paths = create_warehouse(tmp_path)
    db = database_with([land_series(paths, "a", SeriesPage(minute(60), [kind(minute(0), 100)]), kind=kind)])
    table, amount = ("point", "lowest_ask") if kind is Point else ("candle", "close")
    # As an older version stored it, which loaded the landing in minute 600.
    db.execute(f"UPDATE store.{table} SET observed_at = ?", [minute(60) + YEAR])
    later = SeriesPage(minute(700), [kind(minute(0), 120)])
    load_landing(db, land_series(paths, "b", later, kind=kind))
    assert db.execute(f"SELECT {amount}, run_id FROM {VIEWS[kind]}").fetchall() == [(120, "b")]


def test_read_by_a_clock_that_is_ahead_does_not_cover_the_future(tmp_path: Path) -> None:
    backfills = BackfillStore(create_warehouse(tmp_path))
    shard = series_shard(end=NOON + YEAR)
    record = begin_backfill(backfills, shard)
    page = page_meta(0, last=True, observed_at=NOON + YEAR, landed_at=NOON)
    backfills.record_pages(record.backfill_id, 0, page)
    coverage = backfills.load_coverage("cs2cap", "points", "USD")
    assert coverage.spans_of("1", None) == [(shard.start, NOON + MAX_CLOCK_SKEW)]
