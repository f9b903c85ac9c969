"""Rows are parsed with exact money and timestamps in UTC; rejects keep their raw text."""

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


def page_body(*rows: object, **pagination: object) -> bytes:
    """Return the body of a page; a row given as text is used verbatim."""
    footer = {"limit": 1000, "offset": 0, "total": len(rows), "has_next": False, "has_prev": False}
    texts = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    rest = json.dumps({"meta": {"currency": "USD"}, "pagination": {**footer, **pagination}})
    return f'{{"items": [{", ".join(texts)}], {rest[1:]}'.encode()


def parse(*rows: object) -> ParsedRows:
    return parse_rows(decode_listing(page_body(*rows), ASKS, "cs2cap").items, ASKS, "cs2cap")


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in ROW.items() if name not in names}


def test_row_of_the_contract() -> None:
    parsed = parse(ROW)
    assert parsed.rows.schema == QUOTES
    assert parsed.rows.row(0, named=True) == {
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
    assert (parsed.rejects, parsed.unknown_fields, parsed.repeats) == ((), {}, 0)
    listing = decode_listing(page_body(ROW), ASKS, "cs2cap")
    footer = listing.pagination
    assert (listing.meta.currency, footer.limit, footer.offset, footer.total) == ("USD", 1000, 0, 1)


@pytest.mark.parametrize("rows", [(), (without("phase", "url", "timestamp", "last_updated"),)])
def test_schema_does_not_depend_on_the_rows(rows: tuple[object, ...]) -> None:
    assert parse(*rows).rows.schema == QUOTES


def test_optional_fields_may_be_missing_or_null() -> None:
    names = ("phase", "lowest_ask_decimal", "link", "url", "timestamp", "last_updated")
    missing, null = parse(without(*names)), parse({**ROW, **dict.fromkeys(names)})
    assert missing.rows.equals(null.rows)
    assert missing.rows["price"].to_list() == [Decimal("24.64")]


@given(st.integers(0, 10**14 - 1))
def test_amount_in_minor_units_is_exact(minor: int) -> None:
    parsed = parse({**without("lowest_ask_decimal"), "lowest_ask": minor})
    assert parsed.rows["price"].to_list() == [Decimal(minor) / 100]
    assert parsed.rows["lowest_ask"].to_list() == [minor]


@given(st.decimals(0, Decimal("999999999999.99999999"), places=8))
def test_decimal_string_is_exact(price: Decimal) -> None:
    assert parse({**ROW, "lowest_ask_decimal": f"{price:f}"}).rows["price"].to_list() == [price]


@given(st.text(alphabet="0123456789.,-+eE NaInf\n_٣"))
def test_string_is_taken_exactly_or_rejected(text: str) -> None:
    parsed = parse({**ROW, "lowest_ask_decimal": text})
    assert len(parsed.rows) + len(parsed.rejects) == 1
    for price in parsed.rows["price"]:
        assert text.isascii()
        assert "_" not in text
        assert price == Decimal(text)


@pytest.mark.parametrize(
    ("value", "price"), [("+1.50", "1.5"), ("1e3", "1000"), ("1.50\n", "1.5"), (1.5, "1.5")]
)
def test_decimal_in_another_notation_is_exact(value: object, price: str) -> None:
    assert parse({**ROW, "lowest_ask_decimal": value}).rows["price"].to_list() == [Decimal(price)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lowest_ask_decimal", "1,5"),
        ("lowest_ask_decimal", "-1.50"),
        ("lowest_ask_decimal", "1.123456789"),
        ("lowest_ask_decimal", "NaN"),
        ("lowest_ask_decimal", ""),
        ("lowest_ask_decimal", "1000000000000"),
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
def test_invalid_row_is_rejected_with_its_raw_text(name: str, value: object) -> None:
    broken = json.dumps({**ROW, name: value}, indent=1)
    parsed = parse({**ROW, "item_id": 1}, broken, {**ROW, "item_id": 2})
    assert parsed.rows["item_id"].to_list() == ["1", "2"]
    assert [reject.raw for reject in parsed.rejects] == [broken]
    assert name in parsed.rejects[0].reason


@pytest.mark.parametrize("name", ["provider", "item_id", "market_hash_name", "lowest_ask", "quantity"])
def test_row_without_a_required_field_is_rejected(name: str) -> None:
    parsed = parse(without(name), ROW)
    assert len(parsed.rows) == 1
    assert name in parsed.rejects[0].reason


@pytest.mark.parametrize("row", ["null", "7", '"row"', "[]", "{}"])
def test_value_that_is_not_a_row_is_rejected(row: str) -> None:
    parsed = parse(row, ROW)
    assert len(parsed.rows) == 1
    assert parsed.rejects[0].raw == row


def test_reject_can_be_parsed_again_after_a_fix() -> None:
    broken = json.dumps({**ROW, "lowest_ask": "abc"})
    assert reparse_reject(broken) is None
    assert reparse_reject("no row") is None
    again = reparse_reject(broken.replace('"abc"', "2464"))
    assert again is not None
    assert again.equals(parse(ROW).rows)


def test_raw_text_of_a_reject_is_verbatim() -> None:
    broken = '{"provider":"steam",  "lowest_ask" : "x",\t"market_hash_name":"\\u2605 Ü", "a":1.10}'
    assert parse(broken).rejects[0].raw == broken


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
def test_timestamp_formats(text: str, micros: int) -> None:
    rows = parse({**ROW, "timestamp": text}).rows
    assert rows["timestamp"].to_list() == [NOON.replace(microsecond=micros)]


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1)))  # noqa: DTZ001 - the time zone follows below
def test_timestamps_are_exact(timestamp: datetime) -> None:
    text = timestamp.isoformat() + "Z"
    assert parse({**ROW, "timestamp": text}).rows["timestamp"].to_list() == [timestamp.replace(tzinfo=UTC)]


def test_unknown_fields_are_counted_and_reject_no_row() -> None:
    rows = [{**ROW, "item_id": number} for number in range(5)]
    rows[3] |= {"new": 1}
    rows[4] |= {"new": None, "newer\n": {"a": [1]}}
    parsed = parse(*rows)
    assert parsed.unknown_fields == {"new": 2, "newer": 1}
    assert len(parsed.rows) == 5


EARLY, LATE = "2026-06-01T11:00:00Z", "2026-06-01T12:00:00Z"


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((EARLY, LATE), (LATE, EARLY), 2),
        ((LATE, EARLY), (EARLY, LATE), 1),
        ((LATE, EARLY), (LATE, LATE), 2),
        ((None, LATE), (EARLY, EARLY), 2),
        ((EARLY, None), (EARLY, EARLY), 2),
        ((LATE, LATE), (LATE, LATE), 1),
    ],
)
def test_latest_row_of_a_key_is_returned(
    first: tuple[str | None, str | None], second: tuple[str | None, str | None], expected: int
) -> None:
    rows = [
        {**ROW, "quantity": number, "timestamp": timestamp, "last_updated": updated}
        for number, (timestamp, updated) in enumerate((first, second), 1)
    ]
    parsed = parse({**ROW, "item_id": 1}, *rows, {**ROW, "item_id": 9})
    assert parsed.rows["item_id"].to_list() == ["1", "7", "9"]
    assert parsed.rows["quantity"].to_list()[1] == expected
    assert parsed.repeats == 1


def test_key_without_a_phase() -> None:
    row = without("phase")
    parsed = parse(row, row, ROW)
    assert sorted(parsed.keys) == ["7\t\0\tsteam", "7\tPhase 2\tsteam"]


def test_fingerprint_depends_on_keys_and_not_on_prices() -> None:
    same = parse({**ROW, "lowest_ask": 1, "lowest_ask_decimal": "0.01", "timestamp": None})
    assert fingerprint_keys(same.keys) == fingerprint_keys(parse(ROW).keys)
    for name, value in (("item_id", 8), ("phase", None), ("provider", "buff163")):
        assert fingerprint_keys(parse({**ROW, name: value}).keys) != fingerprint_keys(parse(ROW).keys)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"<html>",
        b"\xff",
        page_body(ROW)[:-1],
        page_body(ROW, total="many"),
        page_body(ROW, limit=0),
        page_body(ROW, total=-2),
        page_body(ROW, has_next=None),
        page_body(ROW).replace(b'"USD"', b"null"),
    ],
)
def test_body_that_is_not_a_page_raises(body: bytes) -> None:
    with pytest.raises(UnexpectedResponse, match=r"cs2cap: .*/v1/prices"):
        decode_listing(body, ASKS, "cs2cap")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.lists(
        st.dictionaries(st.sampled_from(sorted(ROW)), JSON).map(lambda changed: ROW | changed), max_size=4
    )
)
def test_every_row_is_parsed_or_rejected_once(rows: list[dict[str, object]]) -> None:
    parsed = parse(*rows)
    assert len(parsed.rows) + parsed.repeats + len(set(parsed.rejects)) == parsed.received == len(rows)
    assert parsed.rows.schema == QUOTES
    assert all(json.loads(reject.raw) in rows for reject in parsed.rejects)


def test_no_column_is_a_float() -> None:
    assert not [name for name, kind in QUOTES.items() if kind in {pl.Float32, pl.Float64}]
