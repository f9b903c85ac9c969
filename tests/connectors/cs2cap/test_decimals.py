"""An amount in any notation is taken exactly, by every route, or its row is rejected."""

from __future__ import annotations

import json
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import example, given

from common.shards import Item
from connectors.cs2cap.batch import BatchRequest, parse_batch_page
from connectors.cs2cap.contract import ASKS, BIDS, BookSide
from connectors.cs2cap.parser import parse_ndjson, reparse_reject
from connectors.cs2cap.query import PageQuery
from connectors.cs2cap.raw_page import parse_raw_page
from connectors.cs2cap.typed_page import parse_typed_page
from connectors.pages import TypedPage
from tests.support.clocks import NOON
from tests.support.decimals import SPELLINGS, spellings
from tests.support.stream_rows import ROW, stream_line

ITEM = {name: ROW[name] for name in ("item_id", "market_hash_name", "phase")}


def encode_row(side: BookSide, amount: str) -> str:
    return stream_line(side, lowest_ask_decimal="?").decode().strip().replace('"?"', amount)


def parse_as_page(side: BookSide, amount: str) -> TypedPage:
    query = PageQuery("cs2cap", side, 0, currency="USD", providers=frozenset(), item=None)
    footer = {"limit": 1, "offset": 0, "total": 1, "has_next": False}
    items = encode_row(side, amount)
    body = (
        f'{{"meta": {{"currency": "USD"}}, "items": [{items}], "pagination": {json.dumps(footer)}}}'.encode()
    )
    raw_page, raw_info = parse_raw_page(query, 0, lambda: body, observed_at=NOON)
    assert [bytes(row).decode() for row in raw_page.rows] == [items]
    page, info = parse_typed_page(query, 0, lambda: body, observed_at=NOON)
    assert raw_page.exact or raw_info == info  # the load parses what only looks exact
    return page


def parse_as_batch(side: BookSide, amount: str) -> TypedPage:
    item = Item(str(ROW["item_id"]), str(ROW["market_hash_name"]), None)
    request = BatchRequest("cs2cap", side, 0, currency="USD", providers=(), items=(item,))
    quote = encode_row(side, amount)
    for name, value in ITEM.items():  # a batch gives these fields once an item
        quote = quote.replace(f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}, ", "")
    items = f'{json.dumps(ITEM)[:-1]}, "quotes": [{quote}]}}'
    body = f'{{"meta": {{"currency": "USD"}}, "items": [{items}], "items_not_found": []}}'.encode()
    return parse_batch_page(request, lambda: body, NOON)[0]


def prices_by_route(side: BookSide, amount: str) -> dict[str, pl.DataFrame | None]:
    """Return the row by each route; None where it is a reject."""
    page, batch = parse_as_page(side, amount), parse_as_batch(side, amount)
    row = encode_row(side, amount)
    stream = parse_ndjson(f"{row}\n".encode(), side, "cs2cap")
    mixed = parse_ndjson(f"{row}\n{{}}\n".encode(), side, "cs2cap")
    return {
        "page": None if page.rejects else page.rows,
        "batch": None if batch.rejects else batch.rows,
        "stream": None if stream.rejects else stream.rows,
        "beside a reject": mixed.rows if mixed.rows.height else None,
        "replayed": reparse_reject(row, side.delivery),
    }


def check_amount(side: BookSide, amount: str, price: Decimal | None) -> None:
    rows = prices_by_route(side, amount)
    assert {
        name: None if row is None else row["price"].to_list() for name, row in rows.items()
    } == dict.fromkeys(rows, None if price is None else [price])
    assert all(row is None or row.equals(rows["page"]) for row in rows.values() if rows["page"] is not None)


@pytest.mark.parametrize("side", [ASKS, BIDS], ids=lambda side: side.delivery)
@pytest.mark.parametrize(("amount", "price"), SPELLINGS.items(), ids=SPELLINGS)
def test_amount_in_any_notation_is_taken_exactly(side: BookSide, amount: str, price: Decimal | None) -> None:
    check_amount(side, amount, price)


@given(spellings())
@example(("9" * 400, None))
def test_routes_agree_on_any_amount(spelling: tuple[str, Decimal | None]) -> None:
    check_amount(ASKS, *spelling)


@pytest.mark.parametrize("amount", ['"3.7E-9"', '"-1.00"', '"NaN"'])
def test_reject_of_an_amount_says_why(amount: str) -> None:
    (reject,) = parse_as_page(ASKS, amount).rejects
    assert "is not a price below 10^12 with at most 8 decimal places" in reject.reason
    assert reject.raw == encode_row(ASKS, amount)
