"""Sales are extracted from the newest back to the start, of one item or of all items."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from common import errors
from common.shards import SeriesShard
from connectors.base import ExtractResult
from connectors.schemas import SALES
from sandbox.core import Sandbox
from tests.support.clocks import NOON
from tests.support.cs2cap_series import (
    REDLINE,
    Body,
    cursor_page,
    extract_from_stub,
    extract_series,
    find_item,
)
from tests.support.sandboxes import HttpGet, MakeSandbox

DAY = timedelta(days=1)
EVERYTHING = SeriesShard("USD", NOON - 3 * DAY, NOON)
ONE = replace(EVERYTHING, item=REDLINE)
PATH = "/v1/sales"
COLUMNS = ("provider", "item_id", "market_hash_name", "phase", "time", "price", "float_value", "paint_seed")


def sale(minutes: float, **fields: Any) -> Body:
    """Return a sale this many minutes before noon."""
    default = {
        "date": (NOON - timedelta(minutes=minutes)).isoformat(),
        "provider": "skinport",
        "price": 2500,
        "currency": "USD",
        "item_id": 156,
        "market_hash_name": REDLINE.market_hash_name,
    }
    return {**default, **fields}


def expected_rows(sandbox: Sandbox, shard: SeriesShard) -> list[tuple[Any, ...]]:
    ids = None if shard.item is None else [int(shard.item.item_id or 0)]
    sales = sandbox.sales(currency=shard.currency, item_ids=ids)
    inside = sales.filter(pl.col("time").is_between(shard.start, shard.end, closed="left"))
    expected = inside if shard.provider is None else inside.filter(pl.col("provider") == shard.provider)
    return sorted(expected.with_columns(pl.col("item_id").cast(pl.String)).select(*COLUMNS).rows(), key=str)


@pytest.mark.slow
@pytest.mark.parametrize(("tier", "page_size", "provider"), [("pro", 100, None), ("quant", 1_000, "youpin")])
def test_sales_are_complete_back_to_the_start(
    make_sandbox: MakeSandbox, tier: str, page_size: int, provider: str | None
) -> None:
    sandbox = make_sandbox(tier=tier, items=100)
    shard = replace(EVERYTHING, provider=provider)
    collector, result = extract_series("sales", sandbox.url, shard)
    rows = collector.rows
    assert rows.schema == SALES
    assert sorted(rows.select(*COLUMNS).rows(), key=str) == expected_rows(sandbox, shard) != []
    assert isinstance(result, ExtractResult)
    oldest_times = [page.oldest for page in collector.pages[:-1]]
    assert all(oldest is not None and oldest >= shard.start for oldest in oldest_times)
    assert collector.pages[-1].next_cursor is None
    assert len(collector.pages) <= rows.height // page_size + 1, (
        "the extraction stops at the start, where the API has older pages"
    )


def test_sales_of_one_item(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(tier="pro", items=100)
    shard = replace(
        EVERYTHING, item=find_item(sandbox.url, 6), currency="EUR", start=NOON - 9 * DAY, end=NOON - 2 * DAY
    )
    collector, _ = extract_series("sales", sandbox.url, shard)
    assert sorted(collector.rows.select(*COLUMNS).rows(), key=str) == expected_rows(sandbox, shard) != []


def test_attachments_are_stored_as_json(make_sandbox: MakeSandbox, http_get: HttpGet) -> None:
    sandbox = make_sandbox(tier="quant", items=100)
    raw = http_get(sandbox, PATH, limit=500).json()["items"]
    rows = extract_series("sales", sandbox.url, EVERYTHING)[0].rows.head(500)
    for name in ("stickers", "charms", "inspect"):
        column = rows[name].to_list()
        values = [None if text is None else json.loads(text) for text in column]
        assert values == [row.get(name) for row in raw[: rows.height]]
        assert any(values)
        assert all(text is None or text == text.strip() for text in column)


def test_equal_attachments_have_equal_text() -> None:
    first = sale(
        1, stickers=[{"name": "Crown é", "slot": 0, "wear": 0.1}], charms=[], inspect={"b": 1, "a": 2}
    )
    second = sale(2, stickers=[{"wear": 0.1, "slot": 0, "name": "Crown é"}], inspect={"a": 2, "b": 1})
    collector, _, _ = extract_from_stub("sales", lambda _: cursor_page([first, second]), ONE)
    rows = collector.rows
    assert rows["stickers"].to_list() == ['[{"name":"Crown é","slot":0,"wear":0.1}]'] * 2
    assert rows["inspect"].to_list() == ['{"a":2,"b":1}'] * 2
    assert rows["charms"].to_list() == ["[]", None]


def test_identical_sales_are_all_landed() -> None:
    collector, result, _ = extract_from_stub("sales", lambda _: cursor_page([sale(1), sale(1), sale(2)]), ONE)
    assert (result.rows, collector.rows.unique().height) == (3, 2)


def test_extraction_stops_at_the_first_page_before_the_start() -> None:
    pages_by_cursor = {None: ([sale(1)], "a"), "a": ([sale(2), sale(5_000)], "b")}
    collector, result, queries = extract_from_stub(
        "sales", lambda query: cursor_page(*pages_by_cursor[query.get("cursor")]), ONE
    )
    assert [query.get("cursor") for query in queries] == [None, "a"]
    assert "limit" not in queries[0], "the API defaults to the tier's maximum"
    assert "start" not in queries[0]
    assert [page.next_cursor for page in collector.pages] == ["a", None]
    assert result == ExtractResult(2, 2, 0)


def test_pages_after_the_window_have_no_rows() -> None:
    """The first pages are newer than a window that ended long ago."""
    shard = replace(ONE, start=NOON - 2 * DAY, end=NOON - DAY)
    pages_by_cursor = {None: ([sale(1)], "a"), "a": ([sale(1_441), sale(1_440)], None)}
    collector, _, _ = extract_from_stub(
        "sales", lambda query: cursor_page(*pages_by_cursor[query.get("cursor")]), shard
    )
    assert [(page.rows.height, page.oldest) for page in collector.pages] == [
        (0, None),
        (1, NOON - timedelta(minutes=1_441)),
    ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (sale(1, provider="bazaar"), "unknown provider bazaar"),
        (sale(-6), "its time, 2026-06-01 12:06 UTC, lies ahead"),
        (sale(1, price="25"), "Expected `int`, got `str` - at `$.price`"),
        (sale(1, float="x"), "Expected `float | null`, got `str` - at `$.float`"),
        (sale(1, date="yesterday"), "Invalid RFC3339 encoded datetime - at `$.date`"),
        (sale(1, paint_seed=2**63), "Expected `int` <= 9223372036854775807 - at `$.paint_seed`"),
    ],
)
def test_sale_that_does_not_fit_is_rejected(row: Body, reason: str) -> None:
    collector, _, _ = extract_from_stub(
        "sales", lambda _: cursor_page([sale(0.5, float=1, paint_seed=7), row]), ONE
    )
    assert [reject[: len(reason)] for reject in collector.reject_reasons] == [reason]
    assert collector.rows.select("float_value", "paint_seed").rows() == [(1.0, 7)]


@pytest.mark.parametrize(
    ("shard", "response", "message"),
    [
        (ONE, cursor_page([sale(1, item_id=9, market_hash_name="M4A4")] * 2), "item not requested: M4A4"),
        (replace(ONE, provider="steam"), cursor_page([sale(1)] * 2), "not requested: skinport"),
        (ONE, cursor_page([sale(1)], currency="EUR"), "requested prices in USD, received EUR"),
    ],
)
def test_response_to_another_request_is_unexpected(shard: SeriesShard, response: Body, message: str) -> None:
    with pytest.raises(errors.UnexpectedResponse, match=message):
        extract_from_stub("sales", lambda _: response, shard)


def test_unknown_item_is_a_rejected_request(make_sandbox: MakeSandbox) -> None:
    collector, error = extract_series(
        "sales",
        make_sandbox(tier="pro", items=100).url,
        replace(ONE, item=REDLINE._replace(item_id="999999")),
    )
    assert isinstance(error, errors.RequestRejected)
    assert error.status == 404
    assert collector.pages == []


def test_cursor_that_goes_back_in_time_is_a_pagination_error(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(tier="pro", items=100)
    sandbox.fault("cursor_goes_round", path=PATH, times=None)
    collector, error = extract_series("sales", sandbox.url, EVERYTHING)
    assert isinstance(error, errors.PaginationError)
    assert "had reached" in error.detail
    assert len(collector.pages) == 2
