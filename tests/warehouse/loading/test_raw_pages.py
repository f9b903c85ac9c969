"""Raw pages load by their last copies, as if each row had been parsed first."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.cs2cap.contract import ASKS
from pipelines.loading import parse_raw_rows
from tests.support.raw_landings import (
    land,
    load,
    shard_header,
    was_converted,
)
from tests.support.stream_rows import stream_line
from tests.support.warehouse import DAY, create_warehouse, minute, query_rows, run_header
from warehouse.landing.model import PageMeta
from warehouse.landing.reader import read_run
from warehouse.landing.resume import find_interrupted_run, reusable_pages
from warehouse.landing.writer import LandingWriter
from warehouse.paths import WarehousePaths


def land_pages(
    paths: WarehousePaths,
    *pages: tuple[int, bytes, bool],
    run: str = "one",
    at: int = 0,
    is_finished: bool = True,
) -> Path:
    """Land raw pages: (offset, rows, whether all rows are exact)."""
    with LandingWriter(paths.landing, run_header(run, minute(at))) as landing:
        writer = landing.open_shard(shard_header())
        for index, (offset, text, exact) in enumerate(pages):
            time, rows = minute(at + index), text.splitlines()
            meta = PageMeta(0, offset, 9, observed_at=time, landed_at=time, fingerprint=f"{offset}")
            writer.ndjson_writer.append_page(meta, rows, exact=exact, written=ASKS.wire_names)
        if is_finished:
            writer.finish(complete=True, reason=None)
            landing.finish("done")
    return landing.folder


def priced_line(item: int, cents: int) -> bytes:
    return stream_line(item_id=item, lowest_ask=cents, lowest_ask_decimal=f"{cents / 100:.2f}")


def test_last_copy_of_a_repeated_page_counts(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    first = (0, priced_line(1, 100) + priced_line(2, 200), True)
    land_pages(
        paths, first, (2, priced_line(3, 300) + priced_line(4, 400), True), (2, priced_line(4, 444), True)
    )
    assert load(paths).rows_fetched == 3
    history = query_rows(paths, "SELECT item_id, lowest_ask, valid_from FROM quote_history ORDER BY item_id")
    assert history == [("1", 100, minute(0)), ("2", 200, minute(0)), ("4", 444, minute(2))]
    assert not was_converted(paths)


unusual_pages = pytest.mark.parametrize(
    ("unusual", "exact"),
    [
        (stream_line(item_id="5"), False),
        (b"null\n", False),
        (b"{}\n", False),
        (stream_line(lowest_ask_decimal="0.123456789"), True),
    ],
    ids=["text", "null", "empty", "a ninth place"],
)


@pytest.mark.lake
@unusual_pages
def test_unusual_page_keeps_its_text(tmp_path: Path, unusual: bytes, exact: bool) -> None:
    paths = create_warehouse(tmp_path)
    land_pages(paths, (0, priced_line(1, 100), True), (1, unusual, exact))
    report = load(paths)
    assert (report.rows_fetched, report.rows_rejected) == (1, 1)
    assert query_rows(paths, "SELECT raw FROM rejects") == [(unusual.decode().strip(),)]
    assert query_rows(paths, "SELECT observed_at FROM rejects") == [(minute(1),)]


@pytest.mark.file_warehouse("a queue keeps no landing of its loader")
@unusual_pages
def test_unusual_page_converts_the_shard(tmp_path: Path, unusual: bytes, exact: bool) -> None:
    paths = create_warehouse(tmp_path)
    land_pages(paths, (0, priced_line(1, 100), True), (1, unusual, exact))
    load(paths)
    assert was_converted(paths)


@pytest.mark.slow
@settings(deadline=None, max_examples=20)
@given(cut=st.integers(0, 900))
def test_truncated_extraction_keeps_its_complete_pages(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    paths = create_warehouse(tmp_path_factory.mktemp("truncated"))
    folder = land_pages(
        paths,
        (0, priced_line(1, 100), True),
        (1, priced_line(2, 200), True),
        (2, priced_line(3, 300), True),
        is_finished=False,
    )
    (path,) = folder.glob("*.lines.zst")
    content = path.read_bytes()
    path.write_bytes(content[:cut])
    (raw_shard,) = read_run(folder).raw_shards
    pages = [(meta.offset, rows) for meta, rows in raw_shard.chunks()]
    assert (
        pages == [(0, priced_line(1, 100)), (1, priced_line(2, 200)), (2, priced_line(3, 300))][: len(pages)]
    )
    assert len(pages) == 3 or cut < len(content)
    assert load(paths).rows_changed == len(pages)
    shutil.rmtree(paths.root)


def test_pages_of_an_interrupted_extraction_are_reusable_for_their_lifetime(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    repeated = (1, priced_line(2, 222), True)
    land_pages(
        paths, (0, priced_line(1, 100), True), (1, priced_line(2, 200), True), repeated, is_finished=False
    )
    run = find_interrupted_run(paths.landing, "cs2cap", "all")
    assert run is not None
    pages = reusable_pages(
        run, shard_header(), now=minute(5), lifetime=timedelta(minutes=4.5), row_parser=parse_raw_rows
    )
    assert [(meta.offset, page["lowest_ask"].to_list()) for meta, page in pages] == [(1, [222])]
    stream = read_run(land(paths, stream_line(), run="stream", at=20))
    assert (
        reusable_pages(stream, shard_header(), now=minute(20), lifetime=DAY, row_parser=parse_raw_rows) == []
    )
