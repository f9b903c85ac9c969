"""Candles of the sandbox: drawn from what all providers asked, kept as long as the API says."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.core import Sandbox
from sandbox.market.money import RATES, convert
from tests.support.clocks import NOON
from tests.support.sandbox_series import CANDLES, DOPPLER, ITEM, ask, ledger, small

SLOT, HOUR, DAY = timedelta(minutes=5), timedelta(hours=1), timedelta(days=1)
STEPS = {"5m": SLOT, "1h": HOUR, "1d": DAY}
Asks = Mapping[str, tuple[int, int]]


def candles(box: Sandbox, **query: Any) -> list[dict[str, Any]]:
    status, body = ask(box, CANDLES, **{"item_id": ITEM, **query})
    assert status == 200, body
    found: list[dict[str, Any]] = body["data"]
    return found


def best(asks: Asks) -> tuple[int, str]:
    return min((price, provider) for provider, (price, _) in asks.items())


def drawn(box: Sandbox, begin: datetime, step: timedelta) -> dict[str, Any]:
    """Draw one bucket from the ledger at every moment of the grid, and from the one before it."""
    slots = [begin + n * SLOT for n in range(-1, step // SLOT) if begin + n * SLOT <= box.clock.now()]
    before, *states = [ledger(box, ITEM, slot) for slot in slots]
    seen = {(price, provider) for asks in states for provider, (price, _) in asks.items()}
    low = min(seen)
    highest = max(price for price, _ in seen if price <= 2 * low[0])
    left = sum(
        max(0, pieces - now.get(provider, (0, 0))[1])
        for then, now in zip([before, *states], states, strict=False)
        for provider, (_, pieces) in then.items()
    )
    opened, close = best(states[0]), best(states[-1])
    return {
        "t": begin.timestamp(),
        "o": opened[0],
        "h": highest,
        "l": low[0],
        "c": close[0],
        "v": left,
        "q": sum(pieces for _, pieces in states[-1].values()),
        "providers": {"o": opened[1], "l": low[1], "c": close[1]},
    }


VERBS: list[Any] = [
    lambda box: box.move(10, item_ids=[ITEM]),
    lambda box: box.move(1, item_ids=[ITEM], factor=0.4),
    lambda box: box.move(1, item_ids=[ITEM], factor=5.0),
    lambda box: box.restock(3, item_ids=[ITEM]),
    lambda box: box.vanish(2, item_ids=[ITEM]),
    lambda box: box.restore(),
    lambda box: box.set_provider_dark("buff163"),
]


@given(
    verbs=st.lists(st.tuples(st.sampled_from(VERBS), st.integers(1, 3000)), max_size=6),
    interval=st.sampled_from(["5m", "1h"]),
    dense=st.booleans(),
    buckets=st.integers(1, 6),
)
@settings(max_examples=15)
def test_a_candle_is_what_the_ledger_says(
    verbs: list[tuple[Any, int]], interval: str, dense: bool, buckets: int
) -> None:
    box = small(history="dense" if dense else "changes")
    for verb, seconds in verbs:
        box.advance(seconds)
        verb(box)
    step = STEPS[interval]
    start = box.clock.now() - buckets * step
    rows = candles(box, interval=interval, start=start.isoformat())
    assert len(rows) >= buckets * dense
    for row in rows:
        begin = datetime.fromtimestamp(row["t"], NOON.tzinfo)
        assert start <= begin <= box.clock.now()
        row["providers"].pop("h")
        assert row == drawn(box, begin, step)


def test_the_highest_ask_is_that_of_its_provider() -> None:
    box = small()
    start = NOON - DAY
    row = candles(box, interval="1d", start=start.replace(hour=0).isoformat())[0]
    slots = [start.replace(hour=0) + n * SLOT for n in range(288)]
    asked = {ledger(box, ITEM, slot).get(row["providers"]["h"], (0, 0))[0] for slot in slots}
    assert row["h"] in asked
    assert row["l"] <= min(row["o"], row["c"]) <= max(row["o"], row["c"]) <= row["h"] <= 2 * row["l"]


def test_a_year_of_days_is_told_and_old_ones_have_no_quantity() -> None:
    box = small()
    year = candles(box, lookback="365d")
    days = [row["t"] for row in year]
    assert days == list(range(days[0], days[0] + 365 * 86_400, 86_400))
    assert days[-1] == (NOON.replace(hour=0) - DAY).timestamp()
    assert {row["q"] for row in year} == {None}
    month = candles(box, lookback="29")
    assert all(row["q"] > 0 for row in month)
    prices = ("t", "o", "h", "l", "c", "providers")
    assert [{name: row[name] for name in prices} for row in year[-29:]] == [
        {name: row[name] for name in prices} for row in month
    ]


def test_the_open_bucket_is_told_for_a_window_and_not_for_a_lookback() -> None:
    box = small(history="dense")
    box.advance(10 * 60)
    today = NOON.replace(hour=0).timestamp()
    assert candles(box, start=(NOON - 2 * DAY).isoformat())[-1]["t"] == today
    assert candles(box, lookback="2")[-1]["t"] == today - 86_400
    assert candles(box)[-1]["t"] == today - 86_400
    hours = [candles(box, interval="1h", lookback="1")[-1]["t"]]
    box.advance(5 * 60)
    hours.append(candles(box, interval="1h", lookback="1")[-1]["t"])
    assert hours == [(NOON - 2 * HOUR).timestamp(), (NOON - HOUR).timestamp()]
    before = candles(box, interval="1h", start=NOON.isoformat())
    box.advance(600)
    box.move(1, provider="steam", item_ids=[ITEM], factor=0.1)
    box.advance(300)
    after = candles(box, interval="1h", start=NOON.isoformat())
    assert [row["t"] for row in before] == [row["t"] for row in after] == [NOON.timestamp()]
    assert after[0]["l"] < before[0]["l"]


def test_a_window_holds_whole_buckets_that_begin_in_it() -> None:
    box = small(history="dense")
    start, end = NOON - timedelta(hours=5, minutes=30), NOON - timedelta(hours=1, minutes=30)
    rows = candles(box, interval="1h", start=start.isoformat(), end=end.isoformat())
    assert [row["t"] for row in rows] == [(NOON - n * HOUR).timestamp() for n in (5, 4, 3, 2)]
    rows[-1]["providers"].pop("h")
    assert rows[-1] == drawn(box, NOON - 2 * HOUR, HOUR)
    lookback = candles(box, interval="1h", start=start.isoformat(), lookback="1d")
    assert len(lookback) == 24


def test_candles_are_sparse_unless_they_are_filled() -> None:
    box = small(history_every=100_000.0)
    sparse = candles(box, interval="5m", lookback="1")
    filled = candles(box, interval="5m", lookback="1", fill="true")
    assert 0 < len(sparse) < 280
    assert len(filled) == 288
    told = {row["t"] for row in sparse}
    assert [row for row in filled if row["t"] in told] == sparse
    for row, last in zip(filled[1:], filled, strict=False):
        if row["t"] not in told:
            assert {row[name] for name in "ohlc"} == {last["c"]}
            assert (row["v"], row["q"]) == (0, last["q"])


def test_candles_are_composite_converted_and_of_one_item() -> None:
    box = small()
    whole = box.market.board.catalog.by_name[DOPPLER][0]
    status, body = ask(box, CANDLES, market_hash_name=DOPPLER, currency="JPY", interval="1h", lookback="1")
    assert status == 200
    assert body["meta"] == {
        "item_id": whole.item_id,
        "market_hash_name": DOPPLER,
        "provider": "All Providers",
        "currency": "JPY",
        "interval": "1h",
        "start": "2026-05-31T11:00:00Z",
        "end": "2026-06-01T11:00:00Z",
    }
    at = datetime.fromtimestamp(body["data"][-1]["t"], NOON.tzinfo)
    cents, provider = best(ledger(box, whole.item_id, at))
    last = body["data"][-1]
    assert (last["o"], last["providers"]["o"]) == (convert(cents, RATES["JPY"]).minor, provider)
    ruby = ask(box, CANDLES, market_hash_name=DOPPLER, phase="Ruby", lookback="1")[1]
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
def test_a_wrong_question_is_refused_in_the_words_of_the_contract(
    query: dict[str, Any], status: int, detail: str
) -> None:
    asked = {name: value for name, value in {"item_id": ITEM, **query}.items() if value is not None}
    assert ask(small(), CANDLES, **asked) == (status, {"detail": detail})


@pytest.mark.parametrize("query", [{"fill": "perhaps"}, {"currency": "ZZZ"}, {"item_id": "AK"}], ids=str)
def test_a_wrong_value_is_a_422(query: dict[str, Any]) -> None:
    status, body = ask(small(), CANDLES, **{"item_id": ITEM, **query})
    assert (status, body["code"], body["detail"][0]["loc"]) == (422, "VALIDATION_ERROR", ["query", *query])


@pytest.mark.parametrize("tier", ["free", "starter"])
def test_the_smaller_plans_may_look_back_for_days(tier: str) -> None:
    box = small(tier=tier)
    assert len(candles(box)) == len(candles(box, lookback="30")) == 30
    detail = "lookback must be within last 30 days for 1d interval"
    assert ask(box, CANDLES, item_id=ITEM, lookback="31") == (400, {"detail": detail})


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ({"start": "2026-05-30"}, "start"),
        ({"end": "2026-05-30"}, "end"),
        ({"fill": "true"}, "fill"),
        ({"interval": "1h", "lookback": "1"}, "interval 1h"),
        ({"interval": "5m"}, "interval 5m"),
    ],
)
def test_the_smaller_plans_may_do_nothing_else(query: dict[str, str], what: str) -> None:
    refused = ask(small(tier="starter"), CANDLES, item_id=ITEM, **query)
    assert refused == (403, {"code": "FORBIDDEN", "detail": f"{what} is not enabled for this tier."})
