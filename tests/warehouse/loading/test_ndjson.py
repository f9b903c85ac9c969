"""Raw shards load as if each row had been parsed first, whatever they hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.cs2cap.contract import ASKS, BIDS, BookSide
from connectors.cs2cap.raw_page import decode_exact_rows
from pipelines.loading import parse_raw_rows
from tests.support.clocks import NOON
from tests.support.decimals import SPELLINGS, spellings
from tests.support.stream_rows import UNUSUAL_FIELDS, stream_line
from tests.support.warehouse import DAY, create_warehouse, minute, query_rows, run_header
from warehouse.landing.conversion import convert_raw_shards
from warehouse.landing.inventory import pending_landings
from warehouse.landing.model import PageMeta, ShardHeader
from warehouse.landing.ndjson import LandedRawShard
from warehouse.landing.reader import read_run
from warehouse.landing.resume import find_interrupted_run, reusable_pages
from warehouse.landing.writer import LandingWriter, ShardWriter
from warehouse.loading.pipeline import load_pending
from warehouse.loading.run import LoadReport
from warehouse.paths import WarehousePaths

PROVIDERS = ("steam", "buff163")


def shard_header(book_side: BookSide = ASKS) -> ShardHeader:
    return ShardHeader(
        number=0, currency="USD", deliveries=(book_side.delivery,), providers=PROVIDERS, items=None
    )


def count_exact_rows(text: bytes, book_side: BookSide) -> int | None:
    rows = decode_exact_rows(text, book_side)
    return None if rows is None else len(rows)


def append_chunks(writer: ShardWriter, *chunks: bytes, book_side: BookSide = ASKS) -> None:
    for chunk in chunks:
        count = count_exact_rows(chunk, book_side)
        writer.ndjson_writer.append(
            [chunk], count, written=book_side.wire_names, observed_at=NOON, landed_at=NOON
        )


def land(
    paths: WarehousePaths, *chunks: bytes, run: str = "one", book_side: BookSide = ASKS, at: int = 0
) -> Path:
    """Land the chunks of a complete stream; return the folder."""
    with LandingWriter(paths.landing, run_header(run, minute(at))) as landing:
        writer = landing.open_shard(shard_header(book_side))
        append_chunks(writer, *chunks, book_side=book_side)
        writer.finish(complete=True, reason=None)
        landing.finish("done")
    return landing.folder


def load(paths: WarehousePaths) -> LoadReport:
    (report,) = load_pending(
        paths, now=lambda: minute(600), keep=365 * DAY, wait=0, row_parser=parse_raw_rows
    )
    return report


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


def dump_views(paths: WarehousePaths) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of all views; keys are left out, because their order may differ."""
    quotes = ("quotes", "bids", "quote_history", "bid_history")
    views = (*quotes, "observations", "rejects", "items", "providers")
    rows = {view: query_rows(paths, f"FROM {view} ORDER BY ALL") for view in views}
    return {**rows, "runs": query_rows(paths, "SELECT * EXCLUDE (loaded_at) FROM runs ORDER BY ALL")}


def was_converted(paths: WarehousePaths) -> bool:
    return bool(list(paths.landing.glob("*/0000.arrow.zst")))


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


@pytest.mark.parametrize("book_side", [ASKS, BIDS], ids=lambda book_side: book_side.delivery)
def test_amount_in_any_notation_is_loaded_exactly(tmp_path: Path, book_side: BookSide) -> None:
    check_prices(tmp_path, list(SPELLINGS.items()), book_side)


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(amounts=st.lists(spellings(), min_size=1, max_size=3))
def test_drawn_amounts_are_loaded_exactly(
    tmp_path_factory: pytest.TempPathFactory, amounts: list[tuple[str, Decimal | None]]
) -> None:
    check_prices(tmp_path_factory.mktemp("amounts"), amounts, ASKS)


@pytest.mark.slow
@pytest.mark.parametrize("known", [False, True], ids=["new names", "known names"])
@pytest.mark.parametrize(
    "unusual", UNUSUAL_FIELDS, ids=lambda unusual: ",".join(f"{k}={v!r}"[:40] for k, v in unusual.items())
)
def test_unusual_row_loads_as_if_it_had_been_converted_first(
    tmp_path: Path, unusual: dict[str, Any], known: bool
) -> None:
    usual = stream_line() + stream_line(item_id=2) + stream_line(item_id=3, provider="buff163")
    text = stream_line() + stream_line(**{"item_id": 2, **unusual}) + stream_line(item_id=3)

    def land_in(paths: WarehousePaths) -> None:
        if known:
            land(paths, usual, run="earlier", at=-10)
            load(paths)
        land(paths, text)

    direct, converted = land_twice(tmp_path, land_in)
    assert load(direct) == load(converted)
    assert dump_views(direct) == dump_views(converted)


@pytest.mark.slow
@settings(deadline=None, max_examples=25)
@given(cut=st.integers(0, 700))
def test_truncated_stream_keeps_its_complete_chunks_and_closes_nothing(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    paths = create_warehouse(tmp_path_factory.mktemp("truncated"))
    land(paths, b"".join(stream_line(item_id=number) for number in range(1, 4)), run="earlier", at=-10)
    load(paths)
    with LandingWriter(paths.landing, run_header("truncated", NOON)) as landing:
        writer, ends = landing.open_shard(shard_header()), []
        for number in range(1, 4):
            append_chunks(writer, stream_line(item_id=number, lowest_ask=1, lowest_ask_decimal="0.01"))
            (path,) = landing.folder.glob("*.lines.zst")
            ends.append(path.stat().st_size)
        path.write_bytes(path.read_bytes()[:cut])
    report = load(paths)
    assert report.rows_closed == 0
    assert report.rows_rejected == 0
    assert report.rows_changed == sum(end <= cut for end in ends)
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


@pytest.mark.parametrize(
    ("unusual", "exact"),
    [
        (stream_line(item_id="5"), False),
        (b"null\n", False),
        (b"{}\n", False),
        (stream_line(lowest_ask_decimal="0.123456789"), True),
    ],
    ids=["text", "null", "empty", "a ninth place"],
)
def test_unusual_page_converts_the_shard_and_keeps_its_text(
    tmp_path: Path, unusual: bytes, exact: bool
) -> None:
    paths = create_warehouse(tmp_path)
    land_pages(paths, (0, priced_line(1, 100), True), (1, unusual, exact))
    report = load(paths)
    assert (report.rows_fetched, report.rows_rejected) == (1, 1)
    assert query_rows(paths, "SELECT raw FROM rejects") == [(unusual.decode().strip(),)]
    assert query_rows(paths, "SELECT observed_at FROM rejects") == [(minute(1),)]
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
