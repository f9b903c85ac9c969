"""Candles: one response per window of complete buckets, or a lookback where the tier has no windows."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

from common import errors
from common.shards import SeriesShard
from common.time_ranges import INTERVALS, Interval
from connectors.base import ExtractResult
from connectors.schemas import CANDLES
from connectors.tiers import limits_for
from pipelines.planning.series_planner import SeriesRequest, plan_series
from sandbox.core import Sandbox
from tests.support.clocks import NOON
from tests.support.cs2cap_series import REDLINE, Body, extract_from_stub, extract_series, find_item
from tests.support.sandboxes import HttpGet, MakeSandbox

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
SHARD = SeriesShard("USD", NOON - 6 * HOUR, NOON, item=REDLINE, interval="1h")


def candle(hours: float, **fields: Any) -> Body:
    """Return a candle that begins this many hours before noon."""
    default = {
        "t": int((NOON - hours * HOUR).timestamp()),
        "o": 2508,
        "h": 2535,
        "l": 2460,
        "c": 2516,
        "v": 24,
    }
    providers = {"o": "csfloat", "h": "steam", "l": "csfloat", "c": "unknown"}
    return {**default, "q": 179, "providers": providers, **fields}


def candles_response(*candles: object, **meta: Any) -> Body:
    default = {
        "item_id": 156,
        "market_hash_name": REDLINE.market_hash_name,
        "provider": "All Providers",
        "currency": "USD",
        "interval": "1h",
    }
    return {"meta": {**default, **meta}, "data": list(candles)}


def fetch_candles(
    http_get: HttpGet, sandbox: Sandbox, item_id: str | None, **query: Any
) -> list[dict[str, Any]]:
    """Return the candles as the sandbox's API sends them."""
    data: list[dict[str, Any]] = http_get(sandbox, "/v1/prices/candles", item_id=item_id, **query).json()[
        "data"
    ]
    return data


@pytest.mark.parametrize(
    ("interval", "window", "currency"),
    [
        ("5m", (3 * HOUR, HOUR), "USD"),
        ("1h", (2 * DAY, DAY), "EUR"),
        ("1d", (60 * DAY, 35 * DAY), "USD"),
        ("1d", (9 * DAY, 0 * DAY), "USD"),
    ],
)
def test_candles_equal_those_of_the_sandbox(
    make_sandbox: MakeSandbox,
    http_get: HttpGet,
    interval: Interval,
    window: tuple[timedelta, timedelta],
    currency: str,
) -> None:
    sandbox = make_sandbox(tier="pro", items=100)
    item = find_item(sandbox.url, 6)
    start, end = NOON - window[0], NOON - window[1]
    shard = SeriesShard(currency, start, end, item=item, interval=interval)
    collector, result = extract_series("candles", sandbox.url, shard)
    rows = collector.rows
    assert rows.schema == CANDLES
    candles = fetch_candles(
        http_get, sandbox, item.item_id, interval=interval, start=start.isoformat(), currency=currency
    )
    expected = [each for each in candles if each["t"] < end.timestamp()]
    columns = ("time", "open", "high", "low", "close", "volume")
    assert rows.select(*columns).rows() == [
        (datetime.fromtimestamp(each["t"], NOON.tzinfo), *(each[name] for name in "ohlcv"))
        for each in expected
    ]
    assert rows["quantity"].to_list() == [each["q"] for each in expected]
    assert rows["low_provider"].to_list() == [each["providers"]["l"] for each in expected]
    assert set(rows["interval"]) == {interval}
    assert result == ExtractResult(1, rows.height, 0)
    (page,) = collector.pages
    assert (page.number, page.cursor, page.next_cursor, page.oldest) == (0, None, None, rows["time"].min())


def test_candle_without_providers_is_a_candle(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(tier="pro", items=100)
    shard = SeriesShard("USD", NOON - 9 * DAY, NOON, item=find_item(sandbox.url, 6), interval="1d")
    expected = extract_series("candles", sandbox.url, shard)[0].rows
    sandbox.fault("broken_row", path="/v1/prices/candles", field="providers")
    sandbox.fault("broken_row", path="/v1/prices/candles", field="providers", value=None, row=1)
    collector, _ = extract_series("candles", sandbox.url, shard)
    names = ["open_provider", "high_provider", "low_provider", "close_provider"]
    assert [reject for page in collector.pages for reject in page.rejects] == []
    assert collector.rows.select(names).head(2).rows() == [(None,) * 4] * 2
    assert collector.rows.drop(names).equals(expected.drop(names))
    assert collector.rows.tail(-2).equals(expected.tail(-2))


def test_window_that_ends_inside_a_bucket_has_the_complete_bucket(
    make_sandbox: MakeSandbox, http_get: HttpGet
) -> None:
    sandbox = make_sandbox(tier="pro", items=100)
    item = find_item(sandbox.url, 6)
    cut = NOON - DAY - timedelta(minutes=25)
    shard = SeriesShard("USD", NOON - 2 * DAY, NOON, item=item, interval="1h")
    parts = [replace(shard, end=cut), replace(shard, start=cut)]
    rows = pl.concat([extract_series("candles", sandbox.url, part)[0].rows for part in parts])
    assert rows.equals(extract_series("candles", sandbox.url, shard)[0].rows)
    assert (NOON - DAY - HOUR) in rows["time"].to_list()


def test_tier_without_windows_uses_a_lookback(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(tier="free", items=100)
    item = find_item(sandbox.url, 6)
    request = SeriesRequest("cs2cap", "candles", (item,), start=NOON - 30 * DAY, end=NOON - 3 * DAY, now=NOON)
    (shard,) = plan_series(request, limits_for("free")).shards
    collector, result = extract_series("candles", sandbox.url, shard)
    rows = collector.rows
    assert isinstance(result, ExtractResult)
    assert rows.height > 20
    times = rows["time"].to_list()
    assert request.start <= min(times) <= max(times) < request.end
    complete, _ = extract_series(
        "candles", make_sandbox(tier="pro", items=100).url, replace(shard, lookback=False)
    )
    assert rows.equals(complete.rows)


@pytest.mark.parametrize(
    ("start", "lookback"),
    [
        (timedelta(0), "1d"),
        (DAY, "1d"),
        (2.5 * DAY, "2d"),
        (2.6 * DAY, "2d"),
        (30 * DAY, "29d"),
        (40 * DAY, "30d"),
    ],
)
def test_lookback_reaches_the_start_within_its_limit(start: timedelta, lookback: str) -> None:
    shard = replace(SHARD, interval="1d", start=NOON - start, end=NOON + HOUR, lookback=True)
    _, _, queries = extract_from_stub("candles", lambda _: candles_response(interval="1d"), shard)
    assert queries == [{"item_id": "156", "lookback": lookback, "interval": "1d", "currency": "USD"}]


def test_window_is_requested_to_the_end_of_its_last_bucket() -> None:
    shard = replace(SHARD, start=NOON - 90 * timedelta(minutes=1), end=NOON - timedelta(minutes=1))
    _, _, queries = extract_from_stub("candles", lambda _: candles_response(), shard)
    assert queries == [
        {
            "item_id": "156",
            "start": "2026-06-01T10:30:00Z",
            "end": "2026-06-01T12:00:00Z",
            "interval": "1h",
            "currency": "USD",
        }
    ]


def test_missing_providers_are_null_and_candles_outside_of_the_window_are_dropped() -> None:
    """The API documentation's own example has the bucket that begins at the window's end."""
    partial = candle(1, providers={"h": "steam", "l": "csfloat"}, q=None)
    collector, _, _ = extract_from_stub(
        "candles", lambda _: candles_response(candle(7), candle(6), partial, candle(0)), SHARD
    )
    rows = collector.rows
    assert rows["time"].to_list() == [NOON - 6 * HOUR, NOON - HOUR]
    assert rows["open_provider"].to_list() == ["csfloat", None]
    assert rows["close_provider"].to_list() == ["unknown", None]
    assert rows["quantity"].to_list() == [179, None]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (candle(2, o=25.5), "Expected `int`, got `float` - at `$.o`"),
        (candle(2, t=1_768_867_200_000), "Expected `int` <= 253402214400 - at `$.t`"),
        (candle(-24), "its time, 2026-06-02 12:00 UTC, lies ahead"),
        (candle(2, v=None), "Expected `int`, got `null` - at `$.v`"),
        (candle(2, providers="x"), "Expected `object | null`, got `str` - at `$.providers`"),
    ],
)
def test_candle_that_does_not_fit_is_rejected(row: Body, reason: str) -> None:
    collector, result, _ = extract_from_stub(
        "candles", lambda _: candles_response(candle(3), row, candle(1, new=1)), SHARD
    )
    assert [reject.startswith(reason) for reject in collector.reject_reasons] == [True]
    assert result.rows == 2
    assert collector.pages[0].unknown_fields == {"new": 1}


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (candles_response(candle(1), currency="EUR"), "requested prices in USD, received EUR"),
        (candles_response(candle(1), interval="1d"), "requested candles of 1h, received 1d"),
        (
            candles_response(candle(1), item_id=9, market_hash_name="M4A4"),
            "item not requested: M4A4",
        ),
        ({"items": []}, "/v1/prices/candles: Object missing required field `meta`"),
    ],
)
def test_response_to_another_request_is_unexpected(response: Body, message: str) -> None:
    with pytest.raises(errors.UnexpectedResponse, match=message):
        extract_from_stub("candles", lambda _: response, SHARD)


def test_every_interval_divides_a_day() -> None:
    assert all(DAY % step == timedelta(0) for step in INTERVALS.values())
