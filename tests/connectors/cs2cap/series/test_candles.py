"""Candles: a window in one answer, in whole buckets, or so many days back where the tier has no windows."""

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
from tests.support.cs2cap_series import REDLINE, Body, item_of, told, walk
from tests.support.sandboxes import HttpGet, MakeSandbox

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
ASK = SeriesShard("USD", NOON - 6 * HOUR, NOON, REDLINE, None, "1h")


def candle(hours: float, **more: Any) -> Body:
    """A candle that began so many hours before noon."""
    usual = {"t": int((NOON - hours * HOUR).timestamp()), "o": 2508, "h": 2535, "l": 2460, "c": 2516, "v": 24}
    by = {"o": "csfloat", "h": "steam", "l": "csfloat", "c": "unknown"}
    return {**usual, "q": 179, "providers": by, **more}


def answer(*candles: object, **meta: Any) -> Body:
    usual = {
        "item_id": 156,
        "market_hash_name": REDLINE.market_hash_name,
        "provider": "All Providers",
        "currency": "USD",
        "interval": "1h",
    }
    return {"meta": {**usual, **meta}, "data": list(candles)}


def raw(http_get: HttpGet, box: Sandbox, item_id: str | None, **query: Any) -> list[dict[str, Any]]:
    """The candles as the sandbox tells them."""
    data: list[dict[str, Any]] = http_get(box, "/v1/prices/candles", item_id=item_id, **query).json()["data"]
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
def test_candles_are_those_that_the_sandbox_tells(
    make_sandbox: MakeSandbox,
    http_get: HttpGet,
    interval: Interval,
    window: tuple[timedelta, timedelta],
    currency: str,
) -> None:
    box = make_sandbox(tier="pro", items=100)
    item = item_of(box.url, 6)
    start, end = NOON - window[0], NOON - window[1]
    asked = SeriesShard(currency, start, end, item, None, interval)
    pages, outcome = walk("candles", box.url, asked)
    rows = pages.rows()
    assert rows.schema == CANDLES
    everything = raw(
        http_get, box, item.item_id, interval=interval, start=start.isoformat(), currency=currency
    )
    expected = [one for one in everything if one["t"] < end.timestamp()]
    columns = ("time", "open", "high", "low", "close", "volume")
    assert rows.select(*columns).rows() == [
        (datetime.fromtimestamp(one["t"], NOON.tzinfo), *(one[name] for name in "ohlcv")) for one in expected
    ]
    assert rows["quantity"].to_list() == [one["q"] for one in expected]
    assert rows["low_provider"].to_list() == [one["providers"]["l"] for one in expected]
    assert set(rows["interval"]) == {interval}
    assert outcome == ExtractResult(1, rows.height, 0)
    (page,) = pages.all
    assert (page.number, page.cursor, page.next_cursor, page.oldest) == (0, None, None, rows["time"].min())


def test_a_window_that_ends_inside_a_bucket_brings_that_bucket_whole(
    make_sandbox: MakeSandbox, http_get: HttpGet
) -> None:
    box = make_sandbox(tier="pro", items=100)
    item = item_of(box.url, 6)
    cut = NOON - DAY - timedelta(minutes=25)
    asked = SeriesShard("USD", NOON - 2 * DAY, NOON, item, None, "1h")
    parts = [replace(asked, end=cut), replace(asked, start=cut)]
    rows = pl.concat([walk("candles", box.url, part)[0].rows() for part in parts])
    assert rows.equals(walk("candles", box.url, asked)[0].rows())
    assert (NOON - DAY - HOUR) in rows["time"].to_list()


def test_a_small_tier_looks_back(make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(tier="free", items=100)
    item = item_of(box.url, 6)
    want = SeriesRequest("cs2cap", "candles", (item,), NOON - 30 * DAY, NOON - 3 * DAY, NOON)
    (asked,) = plan_series(want, limits_for("free")).shards
    pages, outcome = walk("candles", box.url, asked)
    rows = pages.rows()
    assert isinstance(outcome, ExtractResult)
    assert rows.height > 20
    times = rows["time"].to_list()
    assert want.start <= min(times) <= max(times) < want.end
    whole, _ = walk("candles", make_sandbox(tier="pro", items=100).url, replace(asked, lookback=False))
    assert rows.equals(whole.rows())


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
def test_a_lookback_reaches_the_start_and_no_further_than_it_may(start: timedelta, lookback: str) -> None:
    shard = replace(ASK, interval="1d", start=NOON - start, end=NOON + HOUR, lookback=True)
    _, _, asked = told("candles", lambda _: answer(interval="1d"), shard)
    assert asked == [{"item_id": "156", "lookback": lookback, "interval": "1d", "currency": "USD"}]


def test_a_window_is_asked_for_with_the_end_of_its_last_bucket() -> None:
    shard = replace(ASK, start=NOON - 90 * timedelta(minutes=1), end=NOON - timedelta(minutes=1))
    _, _, asked = told("candles", lambda _: answer(), shard)
    assert asked == [
        {
            "item_id": "156",
            "start": "2026-06-01T10:30:00Z",
            "end": "2026-06-01T12:00:00Z",
            "interval": "1h",
            "currency": "USD",
        }
    ]


def test_providers_are_kept_as_told_and_candles_beyond_the_window_left_out() -> None:
    """The contract's own example brings the bucket that begins at the window's end."""
    some = candle(1, providers={"h": "steam", "l": "csfloat"}, q=None)
    pages, _, _ = told("candles", lambda _: answer(candle(7), candle(6), some, candle(0)), ASK)
    rows = pages.rows()
    assert rows["time"].to_list() == [NOON - 6 * HOUR, NOON - HOUR]
    assert rows["open_provider"].to_list() == ["csfloat", None]
    assert rows["close_provider"].to_list() == ["unknown", None]
    assert rows["quantity"].to_list() == [179, None]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (candle(2, o=25.5), "Expected `int`, got `float` - at `$.o`"),
        (candle(2, t=1_768_867_200_000), "Expected `int` <= 253402214400 - at `$.t`"),
        (candle(2, v=None), "Expected `int`, got `null` - at `$.v`"),
        (candle(2, providers=None), "Expected `object`, got `null` - at `$.providers`"),
    ],
)
def test_a_candle_that_does_not_fit_is_put_aside(row: Body, reason: str) -> None:
    pages, outcome, _ = told("candles", lambda _: answer(candle(3), row, candle(1, new=1)), ASK)
    assert [reject.startswith(reason) for reject in pages.rejects] == [True]
    assert outcome.rows == 2
    assert pages.all[0].unknown_fields == {"new": 1}


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (answer(candle(1), currency="EUR"), "asked for USD, got EUR"),
        (answer(candle(1), interval="1d"), "asked for candles of 1h, got 1d"),
        (answer(candle(1), item_id=9, market_hash_name="M4A4"), r"asked for AK-47 .*, got other items"),
        ({"items": []}, "/v1/prices/candles: Object missing required field `meta`"),
    ],
)
def test_an_answer_to_another_question_is_refused(said: Body, reason: str) -> None:
    with pytest.raises(errors.UnexpectedResponse, match=reason):
        told("candles", lambda _: said, ASK)


def test_every_interval_divides_a_day() -> None:
    assert all(DAY % step == timedelta(0) for step in INTERVALS.values())
