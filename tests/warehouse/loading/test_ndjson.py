"""A stream that was landed as it came: loaded as if each row had been typed first, whatever is in it."""

from __future__ import annotations

import json
from collections.abc import Callable
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
from tests.support.stream_rows import UNUSUAL_FIELDS, stream_line
from tests.support.warehouse import DAY, create_warehouse, minute, query_rows, run_header
from warehouse.landing.conversion import convert_raw_shards
from warehouse.landing.model import PageMeta, ShardHeader
from warehouse.landing.ndjson import LandedRawShard
from warehouse.landing.reader import pending_landings, read_run
from warehouse.landing.resume import find_interrupted_run, reusable_pages
from warehouse.landing.writer import LandingWriter, ShardWriter
from warehouse.loading.pipeline import load_pending
from warehouse.loading.run import LoadReport
from warehouse.paths import WarehousePaths

KEYS = ("steam", "buff163")


def shard(offers: BookSide = ASKS) -> ShardHeader:
    return ShardHeader(0, "USD", (offers.delivery,), KEYS, None)


def count_of(text: bytes, offers: BookSide) -> int | None:
    lines = decode_exact_rows(text, offers)
    return None if lines is None else len(lines)


def append(writer: ShardWriter, *pieces: bytes, offers: BookSide = ASKS) -> None:
    for piece in pieces:
        count = count_of(piece, offers)
        writer.ndjson_writer.append(
            [piece], count, written=offers.wire_names, observed_at=NOON, landed_at=NOON
        )


def land(
    home: WarehousePaths, *pieces: bytes, run: str = "one", offers: BookSide = ASKS, at: int = 0
) -> Path:
    """Land a whole stream as it came, and beside nothing; its folder."""
    with LandingWriter(home.landing, run_header(run, minute(at))) as landing:
        writer = landing.open_shard(shard(offers))
        append(writer, *pieces, offers=offers)
        writer.finish(complete=True, reason=None)
        landing.finish("done")
    return landing.folder


def load(home: WarehousePaths) -> LoadReport:
    (report,) = load_pending(home, now=lambda: minute(600), keep=365 * DAY, wait=0, row_parser=parse_raw_rows)
    return report


def typed_first(home: WarehousePaths) -> None:
    """Have what waits typed row by row, as if the load could not take it."""
    for run in pending_landings(home.landing):
        assert convert_raw_shards(run, parse_raw_rows).raw_shards == ()


def both_ways(
    folder: Path, land_in: Callable[[WarehousePaths], object]
) -> tuple[WarehousePaths, WarehousePaths]:
    """The same landing in two warehouses: taken as it is where it can be, and typed first."""
    homes = create_warehouse(folder / "as it came"), create_warehouse(folder / "typed")
    for home in homes:
        land_in(home)
    typed_first(homes[1])
    return homes


def told(home: WarehousePaths) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that the views tell of it; keys are given in any order."""
    views = (
        "quotes",
        "bids",
        "quote_history",
        "bid_history",
        "observations",
        "rejects",
        "items",
        "providers",
    )
    found = {view: query_rows(home, f"FROM {view} ORDER BY ALL") for view in views}
    return {**found, "runs": query_rows(home, "SELECT * EXCLUDE (loaded_at) FROM runs ORDER BY ALL")}


def was_typed(home: WarehousePaths) -> bool:
    return bool(list(home.landing.glob("*/0000.arrow")))


@pytest.mark.parametrize("offers", [ASKS, BIDS], ids=lambda offers: offers.delivery)
def test_what_is_as_expected_is_taken_as_it_is(tmp_path: Path, offers: BookSide) -> None:
    lines = (stream_line(offers, item_id=number, lowest_ask=2500 + number) for number in range(1, 50))
    fine = [text.replace(b'"25.50"', b"null") for text in lines]
    pieces = b"".join(fine[:20]), b"".join(fine[20:])
    one, other = both_ways(tmp_path, lambda home: land(home, *pieces, offers=offers))
    assert load(one) == load(other)
    assert told(one) == told(other)
    assert (was_typed(one), was_typed(other)) == (False, True)
    assert len(query_rows(one, "FROM store.current")) == 49


def test_a_price_is_kept_only_where_its_minor_units_do_not_say_it(tmp_path: Path) -> None:
    most = 10**14 - 1
    prices = [(2550, "25.50"), (2550, "25.5"), (2550, None), (most, "999999999999.99"), (0, "0.00000001"),
              (2550, "25.505"), (most, "999999999999.98999999")]  # fmt: skip
    lines = [
        stream_line(item_id=number, lowest_ask=minor, lowest_ask_decimal=told)
        for number, (minor, told) in enumerate(prices)
    ]
    one, other = both_ways(tmp_path, lambda home: land(home, *lines))
    for home in (one, other):
        load(home)
        held = query_rows(
            home, "SELECT other_price FROM store.current JOIN store.item USING (item_key) ORDER BY item_id"
        )
        assert [price for (price,) in held] == [None] * 4 + [Decimal(told) for _, told in prices[4:] if told]
        said = query_rows(home, "SELECT price FROM quotes ORDER BY item_id")
        assert [price for (price,) in said] == [Decimal(told or "25.5") for _, told in prices]
    assert (was_typed(one), was_typed(other)) == (False, True)


@pytest.mark.slow
@pytest.mark.parametrize("known", [False, True], ids=["new names", "known names"])
@pytest.mark.parametrize(
    "odd", UNUSUAL_FIELDS, ids=lambda odd: ",".join(f"{k}={v!r}"[:40] for k, v in odd.items())
)
def test_an_odd_row_loads_as_if_it_had_been_typed_first(
    tmp_path: Path, odd: dict[str, Any], known: bool
) -> None:
    sound = stream_line() + stream_line(item_id=2) + stream_line(item_id=3, provider="buff163")
    text = stream_line() + stream_line(**{"item_id": 2, **odd}) + stream_line(item_id=3)

    def land_in(home: WarehousePaths) -> None:
        if known:
            land(home, sound, run="earlier", at=-10)
            load(home)
        land(home, text)

    one, other = both_ways(tmp_path, land_in)
    assert load(one) == load(other)
    assert told(one) == told(other)


@pytest.mark.slow
@settings(deadline=None, max_examples=25)
@given(cut=st.integers(0, 700), told=st.booleans())
def test_a_torn_stream_keeps_its_whole_pieces_and_closes_nothing(
    tmp_path_factory: pytest.TempPathFactory, cut: int, told: bool
) -> None:
    home = create_warehouse(tmp_path_factory.mktemp("torn"))
    land(home, b"".join(stream_line(item_id=number) for number in range(1, 4)), run="earlier", at=-10)
    load(home)
    with LandingWriter(home.landing, run_header("torn", NOON)) as landing:
        writer, ends = landing.open_shard(shard()), []
        for number in range(1, 4):
            append(writer, stream_line(item_id=number, lowest_ask=1, lowest_ask_decimal="0.01"))
            (path,) = landing.folder.glob("*.lines.zst")
            ends.append(path.stat().st_size)
        path.write_bytes(path.read_bytes()[:cut])
        if told:
            writer.finish(complete=False, reason="broke off")
    report = load(home)
    assert report.rows_closed == 0
    assert report.rows_rejected == 0
    assert report.rows_changed == sum(end <= cut for end in ends)
    assert query_rows(home, "SELECT count(*) FROM quotes") == [(3,)]


def test_a_new_field_is_counted_where_only_the_load_can_see_it(tmp_path: Path) -> None:
    home = create_warehouse(tmp_path)
    land(home, stream_line() + stream_line(item_id=2, float_value=0.5))
    assert load(home).unknown_fields == {"float_value": 1}
    ((told,),) = query_rows(home, "SELECT unknown_fields FROM runs")
    assert json.loads(told) == {"float_value": 1}


def test_a_typing_that_was_killed_begins_again(tmp_path: Path) -> None:
    home = create_warehouse(tmp_path)
    folder = land(home, stream_line() + stream_line(item_id="2"))
    (lines,) = read_run(folder).raw_shards
    assert isinstance(lines, LandedRawShard)
    writer = ShardWriter(folder, lines.header)
    for mark, page, _ in parse_raw_rows(lines):
        writer.append(mark, page)  # and never finished
    assert read_run(folder).raw_shards == (lines,)
    assert read_run(folder).shards == ()
    report = load(home)
    assert (report.rows_changed, report.rows_rejected) == (1, 1)


def test_rows_that_came_twice_count_once(tmp_path: Path) -> None:
    home = create_warehouse(tmp_path)
    land(
        home,
        stream_line()
        + stream_line(timestamp="2026-03-19T12:00:00Z", lowest_ask=7, lowest_ask_decimal="0.07"),
    )
    assert load(home).rows_fetched == 1
    assert query_rows(home, "SELECT lowest_ask FROM quotes") == [(7,)]


def test_lines_that_nobody_types_are_set_aside(tmp_path: Path) -> None:
    home = create_warehouse(tmp_path)
    land(home, stream_line(lowest_ask="1"))
    (report,) = load_pending(home, now=lambda: minute(600), keep=365 * DAY, wait=0)
    assert report.state == "unreadable"
    assert "row by row" in (report.reason or "")


def land_pages(
    home: WarehousePaths, *pages: tuple[int, bytes, bool], run: str = "one", at: int = 0, ends: bool = True
) -> Path:
    """Land the pages of a walk as they came: (offset, lines, whether all are as they should be)."""
    with LandingWriter(home.landing, run_header(run, minute(at))) as landing:
        writer = landing.open_shard(shard())
        for place, (offset, lines, exact) in enumerate(pages):
            mark = PageMeta(0, offset, 9, minute(at + place), minute(at + place), f"{offset}")
            writer.ndjson_writer.append_page(mark, lines.splitlines(), exact=exact, written=ASKS.wire_names)
        if ends:
            writer.finish(complete=True, reason=None)
            landing.finish("done")
    return landing.folder


def priced(item: int, cents: int) -> bytes:
    return stream_line(item_id=item, lowest_ask=cents, lowest_ask_decimal=f"{cents / 100:.2f}")


def test_of_a_page_that_was_walked_again_the_last_time_counts(tmp_path: Path) -> None:
    home = create_warehouse(tmp_path)
    first = (0, priced(1, 100) + priced(2, 200), True)
    land_pages(home, first, (2, priced(3, 300) + priced(4, 400), True), (2, priced(4, 444), True))
    assert load(home).rows_fetched == 3
    seen = query_rows(home, "SELECT item_id, lowest_ask, valid_from FROM quote_history ORDER BY item_id")
    assert seen == [("1", 100, minute(0)), ("2", 200, minute(0)), ("4", 444, minute(2))]
    assert not was_typed(home)


@pytest.mark.parametrize(
    ("odd", "exact"),
    [
        (stream_line(item_id="5"), False),
        (b"null\n", False),
        (b"{}\n", False),
        (stream_line(lowest_ask_decimal="1e3"), True),
    ],
    ids=["text", "null", "empty", "exponent"],
)
def test_an_odd_page_has_them_all_typed_and_keeps_its_text(tmp_path: Path, odd: bytes, exact: bool) -> None:
    home = create_warehouse(tmp_path)
    land_pages(home, (0, priced(1, 100), True), (1, odd, exact))
    report = load(home)
    assert (report.rows_fetched, report.rows_rejected) == (1, 1)
    assert query_rows(home, "SELECT raw FROM rejects") == [(odd.decode().strip(),)]
    assert query_rows(home, "SELECT observed_at FROM rejects") == [(minute(1),)]
    assert was_typed(home)


@pytest.mark.slow
@settings(deadline=None, max_examples=20)
@given(cut=st.integers(0, 900))
def test_a_torn_walk_keeps_its_whole_pages(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    home = create_warehouse(tmp_path_factory.mktemp("torn"))
    folder = land_pages(
        home, (0, priced(1, 100), True), (1, priced(2, 200), True), (2, priced(3, 300), True), ends=False
    )
    (path,) = folder.glob("*.lines.zst")
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    (told,) = read_run(folder).raw_shards
    kept = [(mark.offset, lines) for mark, lines in told.chunks()]
    assert kept == [(0, priced(1, 100)), (1, priced(2, 200)), (2, priced(3, 300))][: len(kept)]
    assert len(kept) == 3 or cut < len(whole)
    assert load(home).rows_changed == len(kept)


def test_the_pages_of_an_interrupted_walk_are_fresh_for_a_while(tmp_path: Path) -> None:
    home = create_warehouse(tmp_path)
    walked_again = (1, priced(2, 222), True)
    land_pages(home, (0, priced(1, 100), True), (1, priced(2, 200), True), walked_again, ends=False)
    run = find_interrupted_run(home.landing, "cs2cap", "all")
    assert run is not None
    found = reusable_pages(
        run, shard(), now=minute(5), lifetime=timedelta(minutes=4.5), row_parser=parse_raw_rows
    )
    assert [(mark.offset, page["lowest_ask"].to_list()) for mark, page in found] == [(1, [222])]
    land(home, stream_line(), run="stream", at=20)
    (stream,) = (run for run in pending_landings(home.landing) if run.header.run_id == "stream")
    assert reusable_pages(stream, shard(), now=minute(20), lifetime=DAY, row_parser=parse_raw_rows) == []
