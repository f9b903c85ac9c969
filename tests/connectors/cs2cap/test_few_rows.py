"""Rows that are parsed one by one, as few rows are, equal the rows that Arrow parses at once."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.cs2cap.contract import ASKS, BIDS, MAX_MINOR_UNITS, BookSide
from connectors.cs2cap.parser import parse_ndjson, parse_rows_individually
from connectors.schemas import QUOTES, quote_keys

INT64 = 2**63 - 1
AMOUNTS = st.decimals(0, Decimal("999999999999.99999999"), allow_nan=False, places=8)
TIMES = st.datetimes().map(lambda time: time.isoformat() + "Z") | st.none()
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5)
FIELDS = {
    "item_id": st.integers(-INT64, INT64),
    "market_hash_name": NAMES,
    "provider": NAMES,
    "lowest_ask": st.integers(0, MAX_MINOR_UNITS),
    "quantity": st.integers(0, INT64),
}
OPTIONAL = {
    "phase": NAMES | st.none(),
    "lowest_ask_decimal": AMOUNTS.map(lambda amount: f"{amount:f}") | st.none(),
    "timestamp": TIMES,
    "last_updated": TIMES,
    "url": NAMES | st.none(),
}
ROWS = st.lists(st.fixed_dictionaries(FIELDS, optional=OPTIONAL), min_size=1, max_size=5)


@pytest.mark.parametrize("side", [ASKS, BIDS], ids=lambda side: side.delivery)
@given(rows=ROWS)
def test_few_rows_equal_the_rows_that_arrow_parses(side: BookSide, rows: list[dict[str, Any]]) -> None:
    renamed = [{side.wire_names[name]: value for name, value in row.items()} for row in rows]
    raws = list({(row["item_id"], row.get("phase"), row["provider"]): json.dumps(wire).encode()
                 for row, wire in zip(rows, renamed, strict=True)}.values())  # fmt: skip
    few, many = parse_rows_individually(raws, side, "cs2cap"), parse_ndjson(b"\n".join(raws), side, "cs2cap")
    assert many.keys == (), "Arrow has parsed them"
    assert few.rows.schema == QUOTES
    assert few.rows.equals(many.rows)
    assert few.keys == quote_keys(many.rows)
    assert (few.rejects, few.unknown_fields, few.repeats) == ((), {}, 0)
