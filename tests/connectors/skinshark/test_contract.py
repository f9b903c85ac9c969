"""SkinShark's prices become exact cents and decimals, never by way of a float; the rest stays aside."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UnexpectedResponse
from connectors.schemas import ITEMS, QUOTES
from connectors.skinshark.contract import parse_listing, reparse_reject, to_quotes_frame
from connectors.skinshark.listing import list_items

CENTS = st.integers(0, 10**14 - 1)


def body(*rows: str, **place: int) -> bytes:
    """A listing of rows as text."""
    told = {"total": len(rows), "page": 1, "limit": -1, "totalPages": 1, **place}
    return f'{{"items":[{",".join(rows)}],{json.dumps(told)[1:]}'.encode()


def row(standard: str, **fields: Any) -> str:
    """A row whose standard price is this text."""
    rest = {"itemId": "7", "marketHashName": "AWP | Asiimov (Field-Tested)", "instant": None, **fields}
    return f'{json.dumps(rest)[:-1]},"standard":{standard}}}'


@given(CENTS, st.sampled_from(["two places", "as javascript does", "exponent"]))
def test_every_amount_of_cents_arrives_as_it_is(cents: int, form: str) -> None:
    exact = Decimal(cents).scaleb(-2)
    texts = {
        "two places": f"{exact:.2f}",
        "as javascript does": f"{exact:.2f}".rstrip("0").rstrip("."),
        "exponent": f"{cents}E-2",
    }
    listing = parse_listing(body(row(texts[form])))
    (quote,) = to_quotes_frame(listing.rows, "c5").iter_rows(named=True)
    assert (quote["lowest_ask"], quote["price"]) == (cents, exact)


@given(CENTS, st.integers(1, 9))
def test_a_third_place_is_no_price(cents: int, third: int) -> None:
    listing = parse_listing(body(row(f"{cents // 100}.{cents % 100:02}{third}"), row("1.25")))
    assert [quote.standard for quote in listing.rows] == [Decimal("1.25")]
    assert "whole cents" in listing.rejects[0].reason
    assert f'"standard":{cents // 100}.{cents % 100:02}{third}' in listing.rejects[0].raw


@pytest.mark.parametrize(
    "text", ["-0.01", "1e14", "1e999999", "1e-400", '"NaN"', '"much"', "true", "[]", '"Infinity"']
)
def test_what_is_no_price_is_kept_aside_and_can_be_read_again(text: str) -> None:
    listing = parse_listing(body(row("3.5"), row(text)))
    assert len(listing.rows) == len(listing.rejects) == 1
    assert reparse_reject(listing.rejects[0].raw, "c5") is None
    mended = reparse_reject(listing.rejects[0].raw.replace(text, "2.50"), "c5")
    assert mended is not None
    assert mended["price"].to_list() == [Decimal("2.50")]


def test_a_row_becomes_a_quote_for_each_thing_that_is_for_sale() -> None:
    phases = {"Ruby": 900.5, "Phase 1": 310}
    rows = parse_listing(body(row("305.1", instant=320.02, phases=phases), row("null"))).rows
    quotes = to_quotes_frame(rows, "skinshark")
    assert quotes.schema == QUOTES
    assert quotes.select("phase", "delivery", "lowest_ask").rows() == [
        (None, "standard", 30510),
        (None, "instant", 32002),
        ("Ruby", "standard", 90050),
        ("Phase 1", "standard", 31000),
    ]
    assert set(quotes["provider"]) == {"skinshark"}
    for unknown in ("quantity", "timestamp", "last_updated", "url"):
        assert quotes[unknown].null_count() == len(quotes)


def test_nothing_for_sale_is_an_empty_frame() -> None:
    assert to_quotes_frame(parse_listing(body(row("null"))).rows, "c5").schema == QUOTES


def test_new_fields_are_counted() -> None:
    listing = parse_listing(body(row("1", volume=3), row("2", volume=3), row("3")))
    assert (listing.unknown_fields, listing.rejects) == ({"volume": 2}, ())


@pytest.mark.parametrize(
    "text",
    [b"[]", b"{}", b'{"items":[],"total":0,"page":1}', b'{"items":{},"total":0,"page":1,"limit":1}', b"\xff"],
)
def test_what_is_no_listing(text: bytes) -> None:
    with pytest.raises(UnexpectedResponse):
        parse_listing(text)


def test_a_missing_price_is_not_taken_for_none() -> None:
    listing = parse_listing(body('{"itemId":"7","marketHashName":"AWP","instant":1.0}'))
    assert (listing.rows, len(listing.rejects)) == ((), 1)


def test_items_have_the_phases_of_their_finish_whatever_is_for_sale_now() -> None:
    name = "★ Karambit | Gamma Doppler (Factory New)"
    rows = parse_listing(
        body(row("1"), row("2", itemId="8", marketHashName=name, phases={"Emerald": 9}))
    ).rows
    items = list_items(rows, phased=True)
    assert items.schema == ITEMS
    assert items.filter(items["item_id"] == "8")["phase"].to_list() == [
        *("Phase 1", "Phase 2", "Phase 3", "Phase 4", "Emerald"),
        None,
    ]
    assert list_items(rows, phased=False)["phase"].to_list() == [None, None]
