"""The figures of the market are parsed row by row; what cannot be read of a row costs that field only."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from common.errors import UnexpectedResponse
from connectors.cs2cap.market_stats import parse_market_stats
from connectors.schemas import MARKET_STATS
from tests.support.clocks import NOON

GENERATED_AT = datetime(2026, 6, 1, 11, 55, tzinfo=UTC)
SUMMARY = {
    "provider_count": 3,
    "best_ask_usd": "24.90",
    "sales_1d": 107,
    "sales_7d": 687,
    "sales_30d": 2096,
    "steam_sales_7d": 34,
    "steam_sales_30d": None,
    "supply": 9060,
    "liquidity": 78,
    "rank": 1292,
}


def row(item_id: object = 156, **fields: Any) -> dict[str, Any]:
    return {"item_id": item_id, "market_hash_name": "AK-47", "summary": {**SUMMARY, **fields}}


def response(*rows: object, meta: object = None) -> bytes:
    meta = {"generated_at": "2026-06-01T11:55:00Z"} if meta is None else meta
    return json.dumps({"meta": meta, "data": {"items": list(rows)}}).encode()


def test_rows_are_parsed_with_the_time_of_the_api() -> None:
    stats = parse_market_stats(response({**row(), "phase": "Ruby"}, row(7)), NOON)
    assert stats.schema == MARKET_STATS
    figures = (3, 107, 687, 2096, 34, None, 9060, 78, 1292)
    assert stats.rows() == [
        ("156", "AK-47", "Ruby", GENERATED_AT, *figures),
        ("7", "AK-47", None, GENERATED_AT, *figures),
    ]


@pytest.mark.parametrize("meta", [{}, {"generated_at": "soon"}, {"generated_at": None}, [], 7])
def test_time_that_cannot_be_read_is_that_of_the_response(meta: object) -> None:
    assert parse_market_stats(response(row(), meta=meta), NOON)["observed_at"].to_list() == [NOON]


def test_time_ahead_of_the_clock_is_that_of_the_response() -> None:
    body = response(row(), meta={"generated_at": "2030-01-01T00:00:00Z"})
    stats = parse_market_stats(body, NOON, is_ahead=lambda moment: moment > NOON + timedelta(minutes=5))
    assert stats["observed_at"].to_list() == [NOON]


def test_field_that_cannot_be_read_is_null_and_told() -> None:
    odd: list[str] = []
    stats = parse_market_stats(response(row(supply="many", sales_1d=-1), row(7)), NOON, on_odd=odd.append)
    assert stats.select("supply", "sales_1d", "sales_7d").rows() == [(None, None, 687), (9060, 107, 687)]
    assert len(odd) == 1
    assert "AK-47: supply: Expected `int | null`, got `str`" in odd[0] or "sales_1d" in odd[0]


def test_row_without_an_id_is_left_out_and_told() -> None:
    odd: list[str] = []
    stats = parse_market_stats(response(row(None), row(7), {"item_id": 8}), NOON, on_odd=odd.append)
    assert stats["item_id"].to_list() == ["7"]
    assert ["left out: " in each for each in odd] == [True, True]


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"data": []}', b'{"data": {"items": 3}}', response(3)])
def test_other_responses_are_errors(body: bytes) -> None:
    with pytest.raises(UnexpectedResponse, match="/v1/market/items"):
        parse_market_stats(body, NOON)
