"""From bytes to typed rows: exact money, moments in UTC, rejects with their raw text."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UnexpectedResponse
from connectors.cs2cap.contract import ASKS, decode_listing
from connectors.cs2cap.parser import ParsedRows, parse_rows, reparse_reject
from connectors.pages import fingerprint_keys
from connectors.schemas import QUOTES
from tests.support.clocks import NOON

ROW: dict[str, Any] = {
    "provider": "steam",
    "item_id": 7,
    "market_hash_name": "★ Karambit | Doppler (Factory New)",
    "phase": "Phase 2",
    "lowest_ask": 2464,
    "lowest_ask_decimal": "24.64",
    "quantity": 3,
    "link": "https://cs2c.app/r/steam/7",
    "url": "https://steam.example/7",
    "timestamp": "2026-03-04T22:19:37.184309Z",
    "last_updated": "2026-03-05T05:33:52Z",
}


def page(*rows: object, **pagination: object) -> bytes:
    """Put a page together; a row given as text goes in as it is."""
    told = {"limit": 1000, "offset": 0, "total": len(rows), "has_next": False, "has_prev": False}
    texts = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    rest = json.dumps({"meta": {"currency": "USD"}, "pagination": {**told, **pagination}})
    return f'{{"items": [{", ".join(texts)}], {rest[1:]}'.encode()


def read(*rows: object) -> ParsedRows:
    return parse_rows(decode_listing(page(*rows), ASKS, "cs2cap").items, ASKS, "cs2cap")


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in ROW.items() if name not in names}


def test_a_row_as_the_contract_has_it() -> None:
    prices = read(ROW)
    assert prices.rows.schema == QUOTES
    assert prices.rows.row(0, named=True) == {
        "item_id": "7",
        "market_hash_name": "★ Karambit | Doppler (Factory New)",
        "phase": "Phase 2",
        "provider": "steam",
        "delivery": "standard",
        "lowest_ask": 2464,
        "price": Decimal("24.64"),
        "quantity": 3,
        "timestamp": datetime(2026, 3, 4, 22, 19, 37, 184309, tzinfo=UTC),
        "last_updated": datetime(2026, 3, 5, 5, 33, 52, tzinfo=UTC),
        "url": "https://steam.example/7",
    }
    assert (prices.rejects, prices.unknown_fields, prices.surplus) == ((), {}, 0)
    listing = decode_listing(page(ROW), ASKS, "cs2cap")
    footer = listing.pagination
    assert (listing.meta.currency, footer.limit, footer.offset, footer.total) == ("USD", 1000, 0, 1)


@pytest.mark.parametrize("rows", [(), (without("phase", "url", "timestamp", "last_updated"),)])
def test_the_schema_does_not_depend_on_the_rows(rows: tuple[object, ...]) -> None:
    assert read(*rows).rows.schema == QUOTES


def test_optional_fields_may_be_missing_or_null() -> None:
    names = ("phase", "lowest_ask_decimal", "link", "url", "timestamp", "last_updated")
    missing, null = read(without(*names)), read({**ROW, **dict.fromkeys(names)})
    assert missing.rows.equals(null.rows)
    assert missing.rows["price"].to_list() == [Decimal("24.64")]


@given(st.integers(0, 10**14 - 1))
def test_an_amount_in_minor_units_is_exact(minor: int) -> None:
    prices = read({**without("lowest_ask_decimal"), "lowest_ask": minor})
    assert prices.rows["price"].to_list() == [Decimal(minor) / 100]
    assert prices.rows["lowest_ask"].to_list() == [minor]


@given(st.decimals(0, Decimal("999999999999.99999999"), places=8))
def test_a_decimal_string_is_exact(price: Decimal) -> None:
    assert read({**ROW, "lowest_ask_decimal": f"{price:f}"}).rows["price"].to_list() == [price]


@given(st.text(alphabet="0123456789.,-+eE NaInf\n_٣"))
def test_any_other_string_is_no_amount(text: str) -> None:
    prices = read({**ROW, "lowest_ask_decimal": text})
    whole, point, places = text.partition(".")
    exact = (
        text.isascii()
        and whole.isdecimal()
        and len(whole) <= 12
        and (places.isdecimal() if point else not places)
        and len(places) <= 8
    )
    assert len(prices.rows) == exact
    assert len(prices.rejects) == (not exact)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lowest_ask_decimal", "1,5"),
        ("lowest_ask_decimal", "-1.50"),
        ("lowest_ask_decimal", "+1.50"),
        ("lowest_ask_decimal", "1.123456789"),
        ("lowest_ask_decimal", "NaN"),
        ("lowest_ask_decimal", "1e3"),
        ("lowest_ask_decimal", ""),
        ("lowest_ask_decimal", "1.50\n"),
        ("lowest_ask_decimal", "1000000000000"),
        ("lowest_ask_decimal", 1.5),
        ("lowest_ask", "abc"),
        ("lowest_ask", "2464"),
        ("lowest_ask", -1),
        ("lowest_ask", 24.64),
        ("lowest_ask", None),
        ("lowest_ask", True),
        ("lowest_ask", 10**30),
        ("quantity", None),
        ("quantity", -1),
        ("quantity", 1.5),
        ("quantity", 2**63),
        ("item_id", None),
        ("item_id", "7"),
        ("provider", None),
        ("provider", ""),
        ("market_hash_name", ""),
        ("market_hash_name", 7),
        ("phase", 2),
        ("timestamp", "yesterday"),
        ("timestamp", "2026-13-01T00:00:00Z"),
        ("timestamp", "2026-03-04T22:19:37"),
        ("timestamp", 1772662777),
        ("last_updated", ""),
    ],
)
def test_a_row_that_does_not_fit_is_rejected_with_its_raw_text(name: str, value: object) -> None:
    broken = json.dumps({**ROW, name: value}, indent=1)
    prices = read({**ROW, "item_id": 1}, broken, {**ROW, "item_id": 2})
    assert prices.rows["item_id"].to_list() == ["1", "2"]
    assert [reject.raw for reject in prices.rejects] == [broken]
    assert name in prices.rejects[0].reason


@pytest.mark.parametrize("name", ["provider", "item_id", "market_hash_name", "lowest_ask", "quantity"])
def test_required_fields(name: str) -> None:
    prices = read(without(name), ROW)
    assert len(prices.rows) == 1
    assert name in prices.rejects[0].reason


@pytest.mark.parametrize("row", ["null", "7", '"row"', "[]", "{}"])
def test_a_row_that_is_no_row(row: str) -> None:
    prices = read(row, ROW)
    assert len(prices.rows) == 1
    assert prices.rejects[0].raw == row


def test_a_reject_can_be_read_again_after_a_fix() -> None:
    broken = json.dumps({**ROW, "lowest_ask": "abc"})
    assert reparse_reject(broken) is None
    assert reparse_reject("no row") is None
    again = reparse_reject(broken.replace('"abc"', "2464"))
    assert again is not None
    assert again.equals(read(ROW).rows)


def test_a_raw_text_is_kept_to_the_letter() -> None:
    broken = '{"provider":"steam",  "lowest_ask" : "x",\t"market_hash_name":"\\u2605 Ü", "a":1.10}'
    assert read(broken).rejects[0].raw == broken


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("2026-06-01T12:00:00Z", 0),
        ("2026-06-01T12:00:00+00:00", 0),
        ("2026-06-01T12:00:00.5Z", 500_000),
        ("2026-06-01T12:00:00.184309+00:00", 184_309),
        ("2026-06-01T14:00:00.000001+02:00", 1),
    ],
)
def test_moments(text: str, micros: int) -> None:
    rows = read({**ROW, "timestamp": text}).rows
    assert rows["timestamp"].to_list() == [NOON.replace(microsecond=micros)]


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1)))  # noqa: DTZ001 - the zone is put on below
def test_moments_are_exact(moment: datetime) -> None:
    text = moment.isoformat() + "Z"
    assert read({**ROW, "timestamp": text}).rows["timestamp"].to_list() == [moment.replace(tzinfo=UTC)]


def test_unknown_fields_are_counted_in_every_row_and_harm_none() -> None:
    rows = [{**ROW, "item_id": number} for number in range(5)]
    rows[3] |= {"new": 1}
    rows[4] |= {"new": None, "newer\n": {"a": [1]}}
    prices = read(*rows)
    assert prices.unknown_fields == {"new": 2, "newer": 1}
    assert len(prices.rows) == 5


EARLY, LATE = "2026-06-01T11:00:00Z", "2026-06-01T12:00:00Z"


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ((EARLY, LATE), (LATE, EARLY), 2),
        ((LATE, EARLY), (EARLY, LATE), 1),
        ((LATE, EARLY), (LATE, LATE), 2),
        ((None, LATE), (EARLY, EARLY), 2),
        ((EARLY, None), (EARLY, EARLY), 2),
        ((LATE, LATE), (LATE, LATE), 1),
    ],
)
def test_the_latest_of_a_key_is_kept(
    first: tuple[str | None, str | None], second: tuple[str | None, str | None], kept: int
) -> None:
    rows = [
        {**ROW, "quantity": number, "timestamp": timestamp, "last_updated": updated}
        for number, (timestamp, updated) in enumerate((first, second), 1)
    ]
    prices = read({**ROW, "item_id": 1}, *rows, {**ROW, "item_id": 9})
    assert prices.rows["item_id"].to_list() == ["1", "7", "9"]
    assert prices.rows["quantity"].to_list()[1] == kept
    assert prices.surplus == 1


def test_keys_without_a_phase_are_keys_too() -> None:
    row = without("phase")
    prices = read(row, row, ROW)
    assert sorted(prices.keys) == ["7\t\0\tsteam", "7\tPhase 2\tsteam"]


def test_a_fingerprint_stands_for_keys_and_not_for_prices() -> None:
    same = read({**ROW, "lowest_ask": 1, "lowest_ask_decimal": "0.01", "timestamp": None})
    assert fingerprint_keys(same.keys) == fingerprint_keys(read(ROW).keys)
    for name, value in (("item_id", 8), ("phase", None), ("provider", "buff163")):
        assert fingerprint_keys(read({**ROW, name: value}).keys) != fingerprint_keys(read(ROW).keys)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"<html>",
        b"\xff",
        page(ROW)[:-1],
        page('{"provider": "\\ud800"}'),
        page('{"provider": NaN}'),
        page(ROW, total="many"),
        page(ROW, limit=0),
        page(ROW, total=-2),
        page(ROW, has_next=None),
        page(ROW).replace(b'"USD"', b"null"),
    ],
)
def test_a_page_that_is_no_page(body: bytes) -> None:
    with pytest.raises(UnexpectedResponse, match=r"cs2cap: .*/v1/prices"):
        decode_listing(body, ASKS, "cs2cap")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.lists(st.dictionaries(st.sampled_from(sorted(ROW)), JSON).map(lambda odd: ROW | odd), max_size=4))
def test_no_row_is_lost_or_made_up(rows: list[dict[str, object]]) -> None:
    prices = read(*rows)
    assert len(prices.rows) + prices.surplus + len(prices.rejects) == len(rows)
    assert prices.rows.schema == QUOTES
    assert all(json.loads(reject.raw) in rows for reject in prices.rejects)


def test_no_column_of_money_is_a_float() -> None:
    assert not [name for name, kind in QUOTES.items() if kind in {pl.Float32, pl.Float64}]
