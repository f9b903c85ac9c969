"""Daily points: one response for all providers and the whole window, each point checked by itself."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

from common import errors
from common.shards import SeriesShard
from connectors.base import ExtractResult
from connectors.schemas import DAILY
from tests.support.clocks import NOON
from tests.support.cs2cap_series import REDLINE, Body, extract_from_stub, extract_series, find_item
from tests.support.sandboxes import MakeSandbox

DAY = timedelta(days=1)
MIDNIGHT = NOON.replace(hour=0)
SHARD = SeriesShard("USD", MIDNIGHT - 9 * DAY, NOON, item=REDLINE)


def point(days: float, **fields: Any) -> Body:
    """Return the point of the day that began this many days before today."""
    return {"t": int((MIDNIGHT - days * DAY).timestamp()), "price": 2508, "qty": 12, **fields}


def chart(series: object, **meta: Any) -> Body:
    default = {"item_id": 156, "market_hash_name": REDLINE.market_hash_name, "currency": "USD"}
    window = {"start": "2026-05-23T00:00:00Z", "end": "2026-06-01T12:00:00Z"}
    return {"meta": {**default, **window, **meta}, "series": series}


def row(at: datetime, amount: int, quantity: int | None, provider: str = "steam") -> tuple[Any, ...]:
    return ("156", REDLINE.market_hash_name, None, provider, at, amount, quantity)


@pytest.mark.parametrize("currency", ["USD", "EUR"])
def test_points_equal_those_of_the_sandbox(make_sandbox: MakeSandbox, currency: str) -> None:
    sandbox = make_sandbox(tier="quant", items=20)
    item = find_item(sandbox.url, pl.col("phase") == "Ruby")
    start = MIDNIGHT - 900 * DAY
    shard = SeriesShard(currency, start, NOON, item=item)
    collector, result = extract_series("daily", sandbox.url, shard)
    expected = sandbox.daily([int(item.item_id or 0)], start=start, end=NOON, currency=currency)
    columns = {"amount": "price", "provider": "provider", "quantity": "quantity"}
    assert result == ExtractResult(1, expected.height, rounds=0)
    days = collector.rows["time"].dt.date()
    assert days.to_list() == expected["day"].to_list()
    for ours, theirs in columns.items():
        assert collector.rows[ours].to_list() == expected[theirs].to_list()
    assert set(collector.rows["phase"]) == {"Ruby"}
    assert collector.rows.schema == DAILY


def test_request_names_window_item_and_provider() -> None:
    _, _, (query,) = extract_from_stub("daily", lambda _: chart([]), replace(SHARD, provider="steam"))
    assert query == {
        "item_id": "156",
        "providers": "steam",
        "start": "2026-05-23T00:00:00Z",
        "end": "2026-06-01T12:00:00Z",
        "currency": "USD",
    }


def test_names_of_providers_become_keys_and_days_outside_of_the_window_are_dropped() -> None:
    series = [
        {"provider": "Steam Community Market", "data": [point(10), point(9), point(0, qty=None)]},
        {"provider": "skinport", "data": [point(1, price=0)]},
        {"provider": "steam"},
    ]
    collector, result, _ = extract_from_stub("daily", lambda _: chart(series), SHARD)
    assert collector.rows.rows() == [
        row(MIDNIGHT - 9 * DAY, 2508, 12),
        row(MIDNIGHT, 2508, None),
        row(MIDNIGHT - DAY, 0, 12, "skinport"),
    ]
    assert (result.pages, result.rows, collector.reject_reasons) == (1, 3, [])


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"price": None}, "Expected `int`, got `null` - at `$.price`"),
        ({"price": -1}, "Expected `int` >= 0 - at `$.price`"),
        ({"qty": 1.5}, "Expected `int | null`, got `float` - at `$.qty`"),
        ({"t": int(NOON.timestamp())}, "is not the midnight that begins a day"),
        ({"t": int((MIDNIGHT + DAY).timestamp())}, "its time, 2026-06-02 00:00 UTC, lies ahead"),
        ({"t": 10**12}, "Expected `int` <= 253402214400 - at `$.t`"),
    ],
)
def test_point_that_does_not_fit_is_a_reject_that_names_its_provider(wrong: Body, reason: str) -> None:
    series = [{"provider": "skinport", "data": [point(1), point(2, **wrong)]}]
    collector, _, _ = extract_from_stub("daily", lambda _: chart(series), replace(SHARD, end=NOON + 9 * DAY))
    assert collector.rows.rows() == [row(MIDNIGHT - DAY, 2508, 12, "skinport")]
    ((reject,),) = [page.rejects for page in collector.pages]
    assert reason in reject.reason
    assert reject.raw.startswith('{"provider":"skinport","point":{"t"')


def test_series_of_an_unknown_or_another_provider_is_a_reject() -> None:
    series = [{"provider": "steam", "data": [point(1)]}, {"provider": "skinport", "data": [point(1)]}]
    series.append({"provider": "nobody", "data": [point(1)]})
    collector, _, _ = extract_from_stub("daily", lambda _: chart(series), replace(SHARD, provider="steam"))
    assert collector.rows.height == 1
    assert collector.reject_reasons == ["marketplace not requested: skinport", "unknown provider nobody"]


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (chart([], currency="EUR"), "requested prices in USD, received EUR"),
        (chart([], item_id=7, market_hash_name="another"), "item not requested: another"),
        (chart({}), "Expected `array`, got `object` - at `$.series`"),
        ({"series": []}, "Object missing required field `meta`"),
    ],
)
def test_response_to_another_request_is_an_error(response: Body, message: str) -> None:
    with pytest.raises(errors.UnexpectedResponse, match=re.escape(message)):
        extract_from_stub("daily", lambda _: response, SHARD)


def test_item_without_a_series_has_no_rows() -> None:
    collector, result, _ = extract_from_stub("daily", lambda _: {"meta": chart([])["meta"]}, SHARD)
    assert (collector.rows.height, result.pages) == (0, 1)
