"""Raw streams load as if each row had been parsed first, whatever they hold."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.cs2cap.contract import ASKS, BIDS, BookSide
from pipelines.loading import parse_raw_rows
from tests.support.decimals import SPELLINGS, spellings
from tests.support.raw_landings import (
    append_chunks,
    land,
    load,
    shard_header,
    was_converted,
)
from tests.support.stream_rows import UNUSUAL_FIELDS, stream_line
from tests.support.warehouse import (
    DAY,
    create_warehouse,
    minute,
    open_empty_database,
    query_rows,
    run_header,
)
from warehouse.database import open_published
from warehouse.landing.conversion import convert_raw_shards
from warehouse.landing.inventory import pending_landings
from warehouse.landing.ndjson import LandedRawShard
from warehouse.landing.reader import read_run
from warehouse.landing.writer import LandingWriter, ShardWriter
from warehouse.loading.pipeline import load_pending
from warehouse.loading.quotes import load_run
from warehouse.loading.run import LoadReport
from warehouse.paths import WarehousePaths

Dump = dict[str, list[tuple[Any, ...]]]
END_MARK = 8  # bytes of the empty frame after each chunk; the chunk is complete without it, too


def convert_pending(paths: WarehousePaths) -> None:
    """Convert pending raw shards row by row, as if DuckDB could not load them."""
    for landing in pending_landings(paths.landing):
        assert convert_raw_shards(read_run(landing.folder), parse_raw_rows).raw_shards == ()


def land_twice(
    folder: Path, land_in: Callable[[WarehousePaths], object]
) -> tuple[WarehousePaths, WarehousePaths]:
    """Return two warehouses with the same landing: one to be loaded directly, one with converted shards."""
    warehouses = create_warehouse(folder / "direct"), create_warehouse(folder / "converted")
    for paths in warehouses:
        land_in(paths)
    convert_pending(warehouses[1])
    return warehouses


def dump_views(paths: WarehousePaths) -> Dump:
    """Return the rows of all views of the published database."""
    with open_published(paths) as db:
        return dump_views_of(db)


def dump_views_of(db: duckdb.DuckDBPyConnection) -> Dump:
    """Return the rows of all views; keys are left out, because their order may differ."""
    quotes = ("quotes", "bids", "quote_history", "bid_history")
    views = (*quotes, "observations", "rejects", "items", "providers")
    queries = {view: f"FROM {view} ORDER BY ALL" for view in views}
    queries["runs"] = "SELECT * EXCLUDE (loaded_at) FROM runs ORDER BY ALL"
    return {view: db.execute(query).fetchall() for view, query in queries.items()}


def load_unpublished(*folders: Path) -> tuple[list[LoadReport | None], Dump]:
    """Load landings into a database that nobody publishes; return the reports, and the rows of all views."""
    with open_empty_database() as db:
        runs = [read_run(folder) for folder in folders]
        reports = [load_run(db, run, minute(600), row_parser=parse_raw_rows) for run in runs]
        return reports, dump_views_of(db)


@pytest.mark.parametrize("book_side", [ASKS, BIDS], ids=lambda book_side: book_side.delivery)
def test_expected_rows_load_without_a_conversion(tmp_path: Path, book_side: BookSide) -> None:
    rows = (stream_line(book_side, item_id=number, lowest_ask=2500 + number) for number in range(1, 50))
    rows_without_price = [row.replace(b'"25.50"', b"null") for row in rows]
    chunks = b"".join(rows_without_price[:20]), b"".join(rows_without_price[20:])
    direct, converted = land_twice(tmp_path, lambda paths: land(paths, *chunks, book_side=book_side))
    assert load(direct) == load(converted)
    assert dump_views(direct) == dump_views(converted)
    assert (was_converted(direct), was_converted(converted)) == (False, True)
    assert len(query_rows(direct, "FROM store.current")) == 49


def test_price_is_stored_only_where_the_minor_units_differ(tmp_path: Path) -> None:
    largest = 10**14 - 1
    prices = [(2550, "25.50"), (2550, "25.5"), (2550, None), (largest, "999999999999.99"), (0, "0.00000001"),
              (2550, "25.505"), (largest, "999999999999.98999999")]  # fmt: skip
    lines = [
        stream_line(item_id=number, lowest_ask=minor, lowest_ask_decimal=price)
        for number, (minor, price) in enumerate(prices)
    ]
    direct, converted = land_twice(tmp_path, lambda paths: land(paths, *lines))
    for paths in (direct, converted):
        load(paths)
        rows = query_rows(
            paths, "SELECT other_price FROM store.current JOIN store.item USING (item_key) ORDER BY item_id"
        )
        stored = [Decimal(price) for _, price in prices[4:] if price]
        assert [price for (price,) in rows] == [None] * 4 + stored
        rows = query_rows(paths, "SELECT price FROM quotes ORDER BY item_id")
        assert [price for (price,) in rows] == [Decimal(price or "25.5") for _, price in prices]
    assert (was_converted(direct), was_converted(converted)) == (False, True)


def check_prices(folder: Path, amounts: Sequence[tuple[str, Decimal | None]], book_side: BookSide) -> None:
    """Load rows with these amounts, each with its price (None: a reject), and compare all of their rows."""
    lines = [
        stream_line(book_side, item_id=number, lowest_ask_decimal="?").replace(b'"?"', text.encode())
        for number, (text, _) in enumerate(amounts)
    ]
    direct, converted = land_twice(folder, lambda paths: land(paths, *lines, book_side=book_side))
    assert load(direct) == load(converted)
    assert dump_views(direct) == dump_views(converted)
    prices = query_rows(
        direct,
        """SELECT item_id::INTEGER, store.price_by(other_price, lowest_ask)
        FROM store.current JOIN store.item USING (item_key) ORDER BY 1""",
    )
    assert prices == [(number, price) for number, (_, price) in enumerate(amounts) if price is not None]
    rejects = {raw for (raw,) in query_rows(direct, "SELECT raw FROM rejects")}
    expected = zip(lines, amounts, strict=True)
    assert rejects == {line.decode().strip() for line, (_, price) in expected if price is None}


@pytest.mark.slow
@pytest.mark.parametrize("book_side", [ASKS, BIDS], ids=lambda book_side: book_side.delivery)
def test_amount_in_any_notation_is_loaded_exactly(tmp_path: Path, book_side: BookSide) -> None:
    check_prices(tmp_path, list(SPELLINGS.items()), book_side)


@pytest.mark.slow
@settings(max_examples=8)
@given(amounts=st.lists(spellings(), min_size=20, max_size=60))
def test_drawn_amounts_are_loaded_exactly(
    tmp_path_factory: pytest.TempPathFactory, amounts: list[tuple[str, Decimal | None]]
) -> None:
    folder = tmp_path_factory.mktemp("amounts")
    check_prices(folder, amounts, ASKS)
    shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "unusual"),
    list(enumerate(UNUSUAL_FIELDS)),
    ids=[",".join(f"{k}={v!r}"[:40] for k, v in unusual.items()) for unusual in UNUSUAL_FIELDS],
)
def test_unusual_row_loads_as_if_it_had_been_converted_first(
    tmp_path: Path, number: int, unusual: dict[str, Any]
) -> None:
    """Every second one comes after a landing with the same names."""
    usual = stream_line() + stream_line(item_id=2) + stream_line(item_id=3, provider="buff163")
    text = stream_line() + stream_line(**{"item_id": 2, **unusual}) + stream_line(item_id=3)

    direct, converted = land_twice(tmp_path, lambda paths: land(paths, text))
    earlier = [land(direct, usual, run="earlier", at=-10)] if number % 2 else []
    assert load_unpublished(*earlier, direct.landing / "one") == load_unpublished(
        *earlier, converted.landing / "one"
    )


def cut_at_share(ends: list[int], share: float) -> int:
    return int(ends[-1] * share)


def cut_near_end(ends: list[int], chunk: int, shift: int) -> int:
    return ends[chunk] + shift


def land_truncated(paths: WarehousePaths, number: int, choose_cut: Callable[[list[int]], int]) -> int:
    """Land a stream of three chunks, cut where the ends of its chunks say; return how many are complete."""
    with LandingWriter(paths.landing, run_header(f"cut-{number:03}", minute(number))) as landing:
        writer, ends = landing.open_shard(shard_header()), []
        for item in range(1, 4):
            line = stream_line(item_id=item, lowest_ask=number, lowest_ask_decimal=f"{number / 100:.2f}")
            append_chunks(writer, line, at=number)
            (path,) = landing.folder.glob("*.lines.zst")
            ends.append(path.stat().st_size - END_MARK)
        cut = choose_cut(ends)
        path.write_bytes(path.read_bytes()[:cut])
        return sum(end <= cut for end in ends)


@pytest.mark.slow
def test_truncated_stream_keeps_its_complete_chunks_and_closes_nothing(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    land(paths, b"".join(stream_line(item_id=item) for item in range(1, 4)), run="earlier", at=-10)
    load(paths)
    cuts = [
        *(partial(cut_at_share, share=number / 30) for number in range(1, 31)),
        *(
            partial(cut_near_end, chunk=chunk, shift=shift)
            for chunk in range(3)
            for shift in (-1, 0, 1, END_MARK - 1, END_MARK)
        ),
    ]
    complete = [land_truncated(paths, number, cut) for number, cut in enumerate(cuts, 1)]
    reports = load_pending(paths, now=lambda: minute(600), keep=365 * DAY, wait=0, row_parser=parse_raw_rows)
    assert [report.rows_changed for report in reports] == complete
    assert {(report.rows_closed, report.rows_rejected) for report in reports} == {(0, 0)}
    assert query_rows(paths, "SELECT count(*) FROM quotes") == [(3,)]


def test_new_field_is_counted_by_the_load(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    land(paths, stream_line() + stream_line(item_id=2, float_value=0.5))
    assert load(paths).unknown_fields == {"float_value": 1}
    ((unknown_fields,),) = query_rows(paths, "SELECT unknown_fields FROM runs")
    assert json.loads(unknown_fields) == {"float_value": 1}


def test_killed_conversion_starts_again(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    folder = land(paths, stream_line() + stream_line(item_id="2"))
    (raw_shard,) = read_run(folder).raw_shards
    assert isinstance(raw_shard, LandedRawShard)
    writer = ShardWriter(folder, raw_shard.header)
    for meta, page, _ in parse_raw_rows(raw_shard):
        writer.append(meta, page)  # and is never finished
    assert read_run(folder).raw_shards == (raw_shard,)
    assert read_run(folder).shards == ()
    report = load(paths)
    assert (report.rows_changed, report.rows_rejected) == (1, 1)


def test_duplicate_rows_count_once(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    newer = stream_line(timestamp="2026-03-19T12:00:00Z", lowest_ask=7, lowest_ask_decimal="0.07")
    land(paths, stream_line() + newer)
    assert load(paths).rows_fetched == 1
    assert query_rows(paths, "SELECT lowest_ask FROM quotes") == [(7,)]


def test_raw_shard_without_a_parser_is_quarantined(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    land(paths, stream_line(lowest_ask="1"))
    (report,) = load_pending(paths, now=lambda: minute(600), keep=365 * DAY, wait=0)
    assert report.state == "unreadable"
    assert "row by row" in (report.reason or "")
