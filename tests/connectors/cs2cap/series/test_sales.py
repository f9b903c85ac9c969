"""Sales: read back from now to the start, each as it was told, of an item or of everything."""

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
from tests.support.cs2cap_series import REDLINE, Body, item_of, paged, told, walk
from tests.support.sandboxes import HttpGet, MakeSandbox

DAY = timedelta(days=1)
EVERYTHING = SeriesShard("USD", NOON - 3 * DAY, NOON)
ONE = replace(EVERYTHING, item=REDLINE)
PATH = "/v1/sales"
TOLD = ("provider", "item_id", "market_hash_name", "phase", "time", "price", "float_value", "paint_seed")


def sale(minutes: float, **more: Any) -> Body:
    """A sale so many minutes before noon."""
    usual = {
        "date": (NOON - timedelta(minutes=minutes)).isoformat(),
        "provider": "skinport",
        "price": 2500,
        "currency": "USD",
        "item_id": 156,
        "market_hash_name": REDLINE.market_hash_name,
    }
    return {**usual, **more}


def ledger(sandbox: Sandbox, shard: SeriesShard) -> list[tuple[Any, ...]]:
    ids = None if shard.item is None else [int(shard.item.item_id or 0)]
    known = sandbox.sales(currency=shard.currency, item_ids=ids)
    inside = known.filter(pl.col("time").is_between(shard.start, shard.end, closed="left"))
    mine = inside if shard.provider is None else inside.filter(pl.col("provider") == shard.provider)
    return sorted(mine.with_columns(pl.col("item_id").cast(pl.String)).select(*TOLD).rows(), key=str)


@pytest.mark.parametrize(("tier", "rows", "provider"), [("pro", 100, None), ("quant", 1_000, "youpin")])
def test_all_sales_back_to_the_start(
    make_sandbox: MakeSandbox, tier: str, rows: int, provider: str | None
) -> None:
    box = make_sandbox(tier=tier, items=100)
    shard = replace(EVERYTHING, provider=provider)
    pages, outcome = walk("sales", box.url, shard)
    frame = pages.rows()
    assert frame.schema == SALES
    assert sorted(frame.select(*TOLD).rows(), key=str) == ledger(box, shard) != []
    assert isinstance(outcome, ExtractResult)
    older = [page.oldest for page in pages.all[:-1]]
    assert all(oldest is not None and oldest >= shard.start for oldest in older)
    assert pages.all[-1].next_cursor is None
    assert len(pages.all) <= frame.height // rows + 1, "it stops at the start: the API would go on for weeks"


def test_the_sales_of_one_item(make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(tier="pro", items=100)
    shard = replace(
        EVERYTHING, item=item_of(box.url, 6), currency="EUR", start=NOON - 9 * DAY, end=NOON - 2 * DAY
    )
    pages, _ = walk("sales", box.url, shard)
    assert sorted(pages.rows().select(*TOLD).rows(), key=str) == ledger(box, shard) != []


def test_what_was_attached_is_json_as_told(make_sandbox: MakeSandbox, http_get: HttpGet) -> None:
    box = make_sandbox(tier="quant", items=100)
    raw = http_get(box, PATH, limit=500).json()["items"]
    rows = walk("sales", box.url, EVERYTHING)[0].rows().head(500)
    for name in ("stickers", "charms", "inspect"):
        column = rows[name].to_list()
        told = [None if text is None else json.loads(text) for text in column]
        assert told == [row.get(name) for row in raw[: rows.height]]
        assert any(told)
        assert all(text is None or text == text.strip() for text in column)


def test_the_same_attachments_are_the_same_text() -> None:
    first = sale(
        1, stickers=[{"name": "Crown é", "slot": 0, "wear": 0.1}], charms=[], inspect={"b": 1, "a": 2}
    )
    second = sale(2, stickers=[{"wear": 0.1, "slot": 0, "name": "Crown é"}], inspect={"a": 2, "b": 1})
    pages, _, _ = told("sales", lambda _: paged([first, second]), ONE)
    rows = pages.rows()
    assert rows["stickers"].to_list() == ['[{"name":"Crown é","slot":0,"wear":0.1}]'] * 2
    assert rows["inspect"].to_list() == ['{"a":2,"b":1}'] * 2
    assert rows["charms"].to_list() == ["[]", None]


def test_identical_sales_all_come() -> None:
    pages, outcome, _ = told("sales", lambda _: paged([sale(1), sale(1), sale(2)]), ONE)
    assert (outcome.rows, pages.rows().unique().height) == (3, 2)


def test_it_stops_once_a_page_reaches_behind_the_start() -> None:
    pages_told = {None: ([sale(1)], "a"), "a": ([sale(2), sale(5_000)], "b")}
    pages, outcome, asked = told("sales", lambda query: paged(*pages_told[query.get("cursor")]), ONE)
    assert [query.get("cursor") for query in asked] == [None, "a"]
    assert "limit" not in asked[0], "a page has what the tier allows"
    assert "start" not in asked[0]
    assert [page.next_cursor for page in pages.all] == ["a", None]
    assert outcome == ExtractResult(2, 2, 0)


def test_what_came_since_is_read_over() -> None:
    """Of a window that ended long ago, the first pages bring nothing."""
    shard = replace(ONE, start=NOON - 2 * DAY, end=NOON - DAY)
    pages_told = {None: ([sale(1)], "a"), "a": ([sale(1_441), sale(1_440)], None)}
    pages, _, _ = told("sales", lambda query: paged(*pages_told[query.get("cursor")]), shard)
    assert [(page.rows.height, page.oldest) for page in pages.all] == [
        (0, None),
        (1, NOON - timedelta(minutes=1_441)),
    ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (sale(1, provider="bazaar"), "unknown provider bazaar"),
        (sale(1, price="25"), "Expected `int`, got `str` - at `$.price`"),
        (sale(1, float="x"), "Expected `float | null`, got `str` - at `$.float`"),
        (sale(1, date="yesterday"), "Invalid RFC3339 encoded datetime - at `$.date`"),
        (sale(1, paint_seed=2**63), "Expected `int` <= 9223372036854775807 - at `$.paint_seed`"),
    ],
)
def test_a_sale_that_does_not_fit_is_put_aside(row: Body, reason: str) -> None:
    pages, _, _ = told("sales", lambda _: paged([sale(0.5, float=1, paint_seed=7), row]), ONE)
    assert [reject[: len(reason)] for reject in pages.rejects] == [reason]
    assert pages.rows().select("float_value", "paint_seed").rows() == [(1.0, 7)]


@pytest.mark.parametrize(
    ("shard", "said", "reason"),
    [
        (ONE, paged([sale(1, item_id=9, market_hash_name="M4A4")]), "got other items"),
        (replace(ONE, provider="steam"), paged([sale(1)]), "not asked for skinport"),
        (ONE, paged([sale(1)], currency="EUR"), "asked for USD, got EUR"),
    ],
)
def test_an_answer_to_another_question_is_refused(shard: SeriesShard, said: Body, reason: str) -> None:
    with pytest.raises(errors.UnexpectedResponse, match=reason):
        told("sales", lambda _: said, shard)


def test_an_item_that_nobody_knows_is_our_own_mistake(make_sandbox: MakeSandbox) -> None:
    pages, error = walk(
        "sales",
        make_sandbox(tier="pro", items=100).url,
        replace(ONE, item=REDLINE._replace(item_id="999999")),
    )
    assert isinstance(error, errors.RequestRejected)
    assert error.status == 404
    assert pages.all == []


def test_a_cursor_that_goes_round_breaks_the_walk(make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(tier="pro", items=100)
    box.fault("cursor_goes_round", path=PATH, times=None)
    pages, error = walk("sales", box.url, EVERYTHING)
    assert isinstance(error, errors.PaginationError)
    assert "had reached" in error.detail
    assert len(pages.all) == 2
