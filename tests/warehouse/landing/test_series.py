"""Series are landed page by page beside no quotes, and read back; a torn tail costs its last page."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.series_landings import Candle, Point, Sale, Told, frame_of, land_series, series_header
from tests.support.warehouse import header, home_in, load, minute, rows
from warehouse.landing.reader import CorruptLanding, pending_landings, prune, read_run
from warehouse.landing.series import SeriesWriter, read_series
from warehouse.landing.writer import LandingWriter
from warehouse.maintenance import rebuild
from warehouse.paths import WarehousePaths

PAGES = (
    Told(minute(100), [Point(minute(90)), Point(minute(85), 110)], None, "c1", (("odd", '{"a": 1}'),)),
    Told(minute(101), [Point(minute(80))], "c1", "c2"),
    Told(minute(102), [], "c2", None),
)


@pytest.fixture
def home(tmp_path: Path) -> WarehousePaths:
    return home_in(tmp_path)


def test_what_was_landed_is_read(home: WarehousePaths) -> None:
    (series,) = read_series(land_series(home, "a", *PAGES))
    assert (series.header, series.complete, series.reason) == (series_header(), True, None)
    assert series.pages == tuple(page.mark(number) for number, page in enumerate(PAGES))
    assert [mark for mark, _ in series.batches()] == list(series.pages)
    told = [batch.to_pylist() for _, batch in series.batches()]
    assert told == [frame_of(page.rows).to_dicts() for page in PAGES]


@pytest.mark.parametrize(
    ("kind", "row"), [(Candle, Candle(minute(60))), (Sale, Sale(minute(60), 250, 0.1234, "[]"))]
)
def test_each_series_has_its_columns(
    home: WarehousePaths, kind: type[Candle] | type[Sale], row: Candle | Sale
) -> None:
    (series,) = read_series(land_series(home, "a", Told(minute(100), [row]), kind=kind))
    ((_, batch),) = series.batches()
    assert batch.to_pylist() == frame_of([row], kind).to_dicts()


def test_a_page_of_another_series_is_refused(home: WarehousePaths) -> None:
    with pytest.raises(TypeError, match=r"a page of s0001\.arrow must have the columns"):
        SeriesWriter(home.root, series_header()).append(PAGES[0].mark(0), frame_of([], Sale))


@pytest.mark.parametrize("cut", [1, 64, 400])
def test_a_torn_tail_costs_the_last_page(home: WarehousePaths, cut: int) -> None:
    folder = land_series(home, "a", *PAGES)
    path = folder / "s0001.arrow"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - cut])
    path.with_suffix(".json").unlink()
    (series,) = read_series(folder)
    assert (series.complete, series.reason) == (False, "interrupted")
    assert series.pages == tuple(page.mark(number) for number, page in enumerate(PAGES[:2]))


def test_a_shard_of_which_not_even_the_head_was_written_is_none(home: WarehousePaths) -> None:
    folder = land_series(home, "a", *PAGES)
    (folder / "s0001.arrow").write_bytes(b"\xff\xff")
    assert read_series(folder) == ()


def test_a_shard_that_ended_and_lacks_a_page_is_unreadable(home: WarehousePaths) -> None:
    folder = land_series(home, "a", *PAGES)
    path = folder / "s0001.arrow"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CorruptLanding, match=r"s0001\.arrow has 2 of its 3 pages"):
        read_series(folder)
    (report,) = load(home)
    assert (report.state, report.basket) == ("unreadable", "b1")
    assert pending_landings(home.landing) == []


def test_the_landing_is_an_ordinary_one(home: WarehousePaths) -> None:
    folder = land_series(home, "a", *PAGES)
    assert read_run(folder).shards == ()
    assert [run.header.run_id for run in pending_landings(home.landing)] == ["a"]
    (report,) = load(home)
    assert (report.state, report.rows_fetched, report.rows_changed, report.rows_rejected) == ("done", 3, 3, 1)
    assert pending_landings(home.landing) == []

    before = rows(home, "FROM price_points ORDER BY ALL")
    assert rebuild(home, now=lambda: minute(700)).runs == 1
    assert rows(home, "FROM price_points ORDER BY ALL") == before
    assert prune(home.landing, timedelta(0), now=(folder / "loaded").stat().st_mtime + 1) == 1


def test_a_run_that_died_loads_what_had_landed(home: WarehousePaths) -> None:
    with LandingWriter(home.landing, header("a", minute(0), flow="backfill", basket="b1")) as landing:
        writer = SeriesWriter(landing.folder, series_header())
        writer.append(PAGES[0].mark(0), frame_of(PAGES[0].rows))
        assert pending_landings(home.landing) == []
    (report,) = load(home)
    assert (report.state, report.rows_changed) == ("crashed", 2)


def test_rejects_are_kept_with_the_provider_that_they_name(home: WarehousePaths) -> None:
    raw = '{"provider": "New Market", "price": 1}'
    rejects = (("unknown provider New Market", raw), ("not a row", "[1"))
    land_series(home, "a", Told(minute(100), [Point(minute(90))], rejects=rejects))
    load(home)
    told = "SELECT run_id, basket, deliveries, provider, reason, raw FROM rejects ORDER BY reason"
    assert rows(home, told) == [
        ("a", "b1", [], None, "not a row", "[1"),
        ("a", "b1", [], "New Market", "unknown provider New Market", raw),
    ]
