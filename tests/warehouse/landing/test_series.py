"""Series are landed page by page and read back; a truncated stream loses its last page."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.series_landings import (
    Candle,
    Point,
    Sale,
    SeriesPage,
    land_series,
    series_frame,
    series_header,
)
from tests.support.warehouse import create_warehouse, load, minute, query_rows, run_header
from warehouse.landing.inventory import pending_landings, prune
from warehouse.landing.reader import CorruptLanding, read_run
from warehouse.landing.series import SeriesWriter, read_series
from warehouse.landing.writer import LandingWriter
from warehouse.paths import WarehousePaths
from warehouse.rebuild import rebuild

PAGES = (
    SeriesPage(
        minute(100),
        [Point(minute(90)), Point(minute(85), 110)],
        next_cursor="c1",
        rejects=(("no price", '{"a": 1}'),),
    ),
    SeriesPage(minute(101), [Point(minute(80))], cursor="c1", next_cursor="c2"),
    SeriesPage(minute(102), [], cursor="c2"),
)


@pytest.fixture
def paths(tmp_path: Path) -> WarehousePaths:
    return create_warehouse(tmp_path)


def test_landed_pages_are_read(paths: WarehousePaths) -> None:
    (series,) = read_series(land_series(paths, "a", *PAGES))
    assert (series.header, series.complete, series.reason) == (series_header(), True, None)
    assert series.pages == tuple(page.meta(number) for number, page in enumerate(PAGES))
    assert [meta for meta, _ in series.batches()] == list(series.pages)
    rows = [batch.to_pylist() for _, batch in series.batches()]
    assert rows == [series_frame(page.rows).to_dicts() for page in PAGES]


@pytest.mark.parametrize(
    ("kind", "row"), [(Candle, Candle(minute(60))), (Sale, Sale(minute(60), 250, 0.1234, stickers="[]"))]
)
def test_each_series_has_its_own_columns(
    paths: WarehousePaths, kind: type[Candle] | type[Sale], row: Candle | Sale
) -> None:
    (series,) = read_series(land_series(paths, "a", SeriesPage(minute(100), [row]), kind=kind))
    ((_, batch),) = series.batches()
    assert batch.to_pylist() == series_frame([row], kind).to_dicts()


def test_page_of_another_series_is_refused(paths: WarehousePaths) -> None:
    with pytest.raises(TypeError, match=r"a page of s0001\.arrow\.zst must have the columns"):
        SeriesWriter(paths.root, series_header()).append(PAGES[0].meta(0), series_frame([], Sale))


@pytest.mark.parametrize("cut", [9, 64, 400])  # the mark of a page's end has 8 bytes
def test_truncated_stream_loses_its_last_page(paths: WarehousePaths, cut: int) -> None:
    folder = land_series(paths, "a", *PAGES)
    path = folder / "s0001.arrow.zst"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - cut])
    (folder / "s0001.json").unlink()
    (series,) = read_series(folder)
    assert (series.complete, series.reason) == (False, "interrupted")
    assert series.pages == tuple(page.meta(number) for number, page in enumerate(PAGES[:2]))


def test_file_that_ends_before_its_header_is_no_shard(paths: WarehousePaths) -> None:
    folder = land_series(paths, "a", *PAGES)
    (folder / "s0001.json").unlink()
    path = folder / "s0001.arrow.zst"
    path.write_bytes(path.read_bytes()[:20])
    assert read_series(folder) == ()


def test_finished_shard_that_lacks_a_page_is_corrupt(paths: WarehousePaths) -> None:
    folder = land_series(paths, "a", *PAGES)
    path = folder / "s0001.arrow.zst"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CorruptLanding, match=r"s0001\.arrow\.zst has 2 of its 3 pages"):
        read_series(folder)
    (report,) = load(paths)
    assert (report.state, report.basket) == ("unreadable", "b1")
    assert pending_landings(paths.landing) == []


@pytest.mark.slow
def test_landing_of_series_is_loaded_rebuilt_and_pruned_like_any_other(paths: WarehousePaths) -> None:
    folder = land_series(paths, "a", *PAGES)
    assert read_run(folder).shards == ()
    assert [run.header.run_id for run in pending_landings(paths.landing)] == ["a"]
    (report,) = load(paths)
    assert (report.state, report.rows_fetched, report.rows_changed, report.rows_rejected) == ("done", 3, 3, 1)
    assert pending_landings(paths.landing) == []

    before = query_rows(paths, "FROM price_points ORDER BY ALL")
    assert rebuild(paths, now=lambda: minute(700)).runs == 1
    assert query_rows(paths, "FROM price_points ORDER BY ALL") == before
    assert prune(paths.landing, timedelta(0), now=(folder / "loaded").stat().st_mtime + 1) == 1


def test_crashed_run_loads_its_landed_pages(paths: WarehousePaths) -> None:
    with LandingWriter(paths.landing, run_header("a", minute(0), flow="backfill", basket="b1")) as landing:
        writer = SeriesWriter(landing.folder, series_header())
        writer.append(PAGES[0].meta(0), series_frame(PAGES[0].rows))
        assert pending_landings(paths.landing) == []
    (report,) = load(paths)
    assert (report.state, report.rows_changed) == ("crashed", 2)


def test_rejects_are_stored_with_the_provider_that_they_name(paths: WarehousePaths) -> None:
    raw = '{"provider": "New Market", "price": 1}'
    rejects = (("unknown provider New Market", raw), ("not a row", "[1"))
    land_series(paths, "a", SeriesPage(minute(100), [Point(minute(90))], rejects=rejects))
    load(paths)
    query = "SELECT run_id, basket, deliveries, provider, reason, raw FROM rejects ORDER BY reason"
    assert query_rows(paths, query) == [
        ("a", "b1", [], None, "not a row", "[1"),
        ("a", "b1", [], "New Market", "unknown provider New Market", raw),
    ]
