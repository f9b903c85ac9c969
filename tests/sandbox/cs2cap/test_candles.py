"""Candles: computed from the asks of all providers, within the API's retention."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.core import Sandbox
from sandbox.market.money import RATES, convert
from tests.support.clocks import NOON
from tests.support.sandbox_series import CANDLES, DOPPLER, ITEM, asks_at, get_json, small_sandbox

SLOT, HOUR, DAY = timedelta(minutes=5), timedelta(hours=1), timedelta(days=1)
STEPS = {"5m": SLOT, "1h": HOUR, "1d": DAY}
Asks = Mapping[str, tuple[int, int]]


def get_candles(sandbox: Sandbox, **query: Any) -> list[dict[str, Any]]:
    status, body = get_json(sandbox, CANDLES, **{"item_id": ITEM, **query})
    assert status == 200, body
    rows: list[dict[str, Any]] = body["data"]
    return rows


def best(asks_then: Asks) -> tuple[int, str]:
    return min((price, provider) for provider, (price, _) in asks_then.items())


def expected_candle(sandbox: Sandbox, start: datetime, step: timedelta) -> dict[str, Any]:
    """Return a candle from the ledger at every slot of its bucket, and at the slot before."""
    slots = [start + n * SLOT for n in range(-1, step // SLOT) if start + n * SLOT <= sandbox.clock.now()]
    before, *states = [asks_at(sandbox, ITEM, slot) for slot in slots]
    asks = {(price, provider) for asks_then in states for provider, (price, _) in asks_then.items()}
    low = min(asks)
    highest = max(price for price, _ in asks if price <= 2 * low[0])
    decrease = sum(
        max(0, quantity - now.get(provider, (0, 0))[1])
        for earlier, now in zip([before, *states], states, strict=False)
        for provider, (_, quantity) in earlier.items()
    )
    opened, close = best(states[0]), best(states[-1])
    return {
        "t": start.timestamp(),
        "o": opened[0],
        "h": highest,
        "l": low[0],
        "c": close[0],
        "v": decrease,
        "q": sum(quantity for _, quantity in states[-1].values()),
        "providers": {"o": opened[1], "l": low[1], "c": close[1]},
    }


CHANGES: list[Any] = [
    lambda sandbox: sandbox.move(10, item_ids=[ITEM]),
    lambda sandbox: sandbox.move(1, item_ids=[ITEM], factor=0.4),
    lambda sandbox: sandbox.move(1, item_ids=[ITEM], factor=5.0),
    lambda sandbox: sandbox.restock(3, item_ids=[ITEM]),
    lambda sandbox: sandbox.vanish(2, item_ids=[ITEM]),
    lambda sandbox: sandbox.restore(),
    lambda sandbox: sandbox.set_provider_dark("buff163"),
]


@given(
    changes=st.lists(st.tuples(st.sampled_from(CHANGES), st.integers(1, 3000)), max_size=6),
    interval=st.sampled_from(["5m", "1h"]),
    dense=st.booleans(),
    buckets=st.integers(1, 6),
)
@settings(max_examples=15)
def test_candle_equals_the_ledger_of_its_bucket(
    changes: list[tuple[Any, int]], interval: str, dense: bool, buckets: int
) -> None:
    sandbox = small_sandbox(history="dense" if dense else "changes")
    for change, seconds in changes:
        sandbox.advance(seconds)
        change(sandbox)
    step = STEPS[interval]
    start = sandbox.clock.now() - buckets * step
    rows = get_candles(sandbox, interval=interval, start=start.isoformat())
    assert len(rows) >= buckets * dense
    for row in rows:
        bucket = datetime.fromtimestamp(row["t"], NOON.tzinfo)
        assert start <= bucket <= sandbox.clock.now()
        row["providers"].pop("h")
        assert row == expected_candle(sandbox, bucket, step)


def test_high_is_an_ask_of_its_provider() -> None:
    sandbox = small_sandbox()
    start = NOON - DAY
    row = get_candles(sandbox, interval="1d", start=start.replace(hour=0).isoformat())[0]
    slots = [start.replace(hour=0) + n * SLOT for n in range(288)]
    query = {asks_at(sandbox, ITEM, slot).get(row["providers"]["h"], (0, 0))[0] for slot in slots}
    assert row["h"] in query
    assert row["l"] <= min(row["o"], row["c"]) <= max(row["o"], row["c"]) <= row["h"] <= 2 * row["l"]


def test_year_of_daily_candles_has_no_quantity_in_old_windows() -> None:
    sandbox = small_sandbox()
    year = get_candles(sandbox, lookback="365d")
    days = [row["t"] for row in year]
    assert days == list(range(days[0], days[0] + 365 * 86_400, 86_400))
    assert days[-1] == (NOON.replace(hour=0) - DAY).timestamp()
    assert {row["q"] for row in year} == {None}
    month = get_candles(sandbox, lookback="29")
    assert all(row["q"] > 0 for row in month)
    prices = ("t", "o", "h", "l", "c", "providers")
    assert [{name: row[name] for name in prices} for row in year[-29:]] == [
        {name: row[name] for name in prices} for row in month
    ]


def test_window_includes_the_current_bucket_and_lookback_does_not() -> None:
    sandbox = small_sandbox(history="dense")
    sandbox.advance(10 * 60)
    today = NOON.replace(hour=0).timestamp()
    assert get_candles(sandbox, start=(NOON - 2 * DAY).isoformat())[-1]["t"] == today
    assert get_candles(sandbox, lookback="2")[-1]["t"] == today - 86_400
    assert get_candles(sandbox)[-1]["t"] == today - 86_400
    hours = [get_candles(sandbox, interval="1h", lookback="1")[-1]["t"]]
    sandbox.advance(5 * 60)
    hours.append(get_candles(sandbox, interval="1h", lookback="1")[-1]["t"])
    assert hours == [(NOON - 2 * HOUR).timestamp(), (NOON - HOUR).timestamp()]
    before = get_candles(sandbox, interval="1h", start=NOON.isoformat())
    sandbox.advance(600)
    sandbox.move(1, provider="steam", item_ids=[ITEM], factor=0.1)
    sandbox.advance(300)
    after = get_candles(sandbox, interval="1h", start=NOON.isoformat())
    assert [row["t"] for row in before] == [row["t"] for row in after] == [NOON.timestamp()]
    assert after[0]["l"] < before[0]["l"]


def test_window_has_the_whole_buckets_that_begin_in_it() -> None:
    sandbox = small_sandbox(history="dense")
    start, end = NOON - timedelta(hours=5, minutes=30), NOON - timedelta(hours=1, minutes=30)
    rows = get_candles(sandbox, interval="1h", start=start.isoformat(), end=end.isoformat())
    assert [row["t"] for row in rows] == [(NOON - n * HOUR).timestamp() for n in (5, 4, 3, 2)]
    rows[-1]["providers"].pop("h")
    assert rows[-1] == expected_candle(sandbox, NOON - 2 * HOUR, HOUR)
    lookback = get_candles(sandbox, interval="1h", start=start.isoformat(), lookback="1d")
    assert len(lookback) == 24


def test_candles_are_sparse_unless_filled() -> None:
    sandbox = small_sandbox(history_every=100_000.0)
    sparse = get_candles(sandbox, interval="5m", lookback="1")
    filled = get_candles(sandbox, interval="5m", lookback="1", fill="true")
    assert 0 < len(sparse) < 280
    assert len(filled) == 288
    times = {row["t"] for row in sparse}
    assert [row for row in filled if row["t"] in times] == sparse
    for row, last in zip(filled[1:], filled, strict=False):
        if row["t"] not in times:
            assert {row[name] for name in "ohlc"} == {last["c"]}
            assert (row["v"], row["q"]) == (0, last["q"])


def test_candles_are_composite_converted_and_of_one_item() -> None:
    sandbox = small_sandbox()
    aggregate = sandbox.market.board.catalog.by_name[DOPPLER][0]
    status, body = get_json(
        sandbox, CANDLES, market_hash_name=DOPPLER, currency="JPY", interval="1h", lookback="1"
    )
    assert status == 200
    assert body["meta"] == {
        "item_id": aggregate.item_id,
        "market_hash_name": DOPPLER,
        "provider": "All Providers",
        "currency": "JPY",
        "interval": "1h",
        "start": "2026-05-31T11:00:00Z",
        "end": "2026-06-01T11:00:00Z",
    }
    at = datetime.fromtimestamp(body["data"][-1]["t"], NOON.tzinfo)
    cents, provider = best(asks_at(sandbox, aggregate.item_id, at))
    last = body["data"][-1]
    assert (last["o"], last["providers"]["o"]) == (convert(cents, RATES["JPY"]).minor, provider)
    ruby = get_json(sandbox, CANDLES, market_hash_name=DOPPLER, phase="Ruby", lookback="1")[1]
    assert ruby["meta"]["phase"] == "Ruby"


@pytest.mark.parametrize(
    ("query", "status", "detail"),
    [
        ({"item_id": None}, 400, "item_id or market_hash_name required"),
        ({"item_id": 10**6}, 404, "Item not found: 1000000"),
        ({"interval": "4h"}, 400, "interval must be one of: 1d, 1h, 5m"),
        ({"start": "now"}, 400, "start must be a valid ISO 8601 timestamp"),
        ({"end": "now"}, 400, "end must be a valid ISO 8601 timestamp"),
        ({"lookback": "a week"}, 400, "lookback must be a duration (e.g. '7d', '30d')"),
        ({"lookback": "0"}, 400, "lookback must be a duration (e.g. '7d', '30d')"),
        ({"lookback": "366d"}, 400, "lookback must be within last 365 days for 1d interval"),
        ({"lookback": "8", "interval": "5m"}, 400, "lookback must be within last 7 days for 5m interval"),
        (
            {"start": "2026-05-02T11:59:59Z", "interval": "1h"},
            400,
            "start must be within last 30 days for 1h interval",
        ),
        (
            {"start": "2026-05-25T11:59:59Z", "interval": "5m"},
            400,
            "start must be within last 7 days for 5m interval",
        ),
        ({"start": "2026-05-25", "end": "2026-05-25"}, 400, "end must be after start"),
        (
            {"cursor": "x"},
            400,
            "cursor parameter has been removed; /v1/prices/candles no longer supports pagination",
        ),
        (
            {"limit": 5},
            400,
            "limit parameter has been removed; /v1/prices/candles no longer supports pagination",
        ),
        (
            {"provider": "steam"},
            400,
            "provider parameter has been removed; /v1/prices/candles now returns composite candles across"
            " all providers",
        ),
    ],
    ids=str,
)
def test_wrong_query_gets_the_error_of_the_contract(query: dict[str, Any], status: int, detail: str) -> None:
    query = {name: value for name, value in {"item_id": ITEM, **query}.items() if value is not None}
    assert get_json(small_sandbox(), CANDLES, **query) == (status, {"detail": detail})


@pytest.mark.parametrize("query", [{"fill": "perhaps"}, {"currency": "ZZZ"}, {"item_id": "AK"}], ids=str)
def test_wrong_value_is_a_422(query: dict[str, Any]) -> None:
    status, body = get_json(small_sandbox(), CANDLES, **{"item_id": ITEM, **query})
    assert (status, body["code"], body["detail"][0]["loc"]) == (422, "VALIDATION_ERROR", ["query", *query])


@pytest.mark.parametrize("tier", ["free", "starter"])
def test_smaller_plans_have_lookbacks_of_daily_candles(tier: str) -> None:
    sandbox = small_sandbox(tier=tier)
    assert len(get_candles(sandbox)) == len(get_candles(sandbox, lookback="30")) == 30
    detail = "lookback must be within last 30 days for 1d interval"
    assert get_json(sandbox, CANDLES, item_id=ITEM, lookback="31") == (400, {"detail": detail})


@pytest.mark.parametrize(
    ("query", "refused_feature"),
    [
        ({"start": "2026-05-30"}, "start"),
        ({"end": "2026-05-30"}, "end"),
        ({"fill": "true"}, "fill"),
        ({"interval": "1h", "lookback": "1"}, "interval 1h"),
        ({"interval": "5m"}, "interval 5m"),
    ],
)
def test_smaller_plans_have_no_other_candles(query: dict[str, str], refused_feature: str) -> None:
    response = get_json(small_sandbox(tier="starter"), CANDLES, item_id=ITEM, **query)
    assert response == (
        403,
        {"code": "FORBIDDEN", "detail": f"{refused_feature} is not enabled for this tier."},
    )
