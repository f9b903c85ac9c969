"""Raw history of the sandbox: on its grid, of the same market as its quotes, before its start as well."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from sandbox.market.archive import MAX_CACHED
from sandbox.market.money import RATES, convert
from tests.support.clocks import NOON
from tests.support.sandbox_series import (
    DOPPLER,
    HISTORY,
    ITEM,
    as_points,
    ask,
    ledger,
    moment,
    order,
    small,
    state,
    walk,
)

SLOT = timedelta(minutes=5)
DAY = timedelta(days=1)


def test_a_walk_is_the_truth_newest_first() -> None:
    box = small(refresh=300, moving=0.2)
    box.advance(1000)
    rows = walk(box, HISTORY, item_id=ITEM, limit=200)
    assert len(rows) > 1000
    assert rows == sorted(rows, key=order)
    start = box.clock.now() - timedelta(days=14)
    assert as_points(rows) == box.history([ITEM], start=start).rows()
    assert all(moment(row["time"]).timestamp() % 300 == 0 for row in rows)
    assert len({(row["provider"], row["time"]) for row in rows}) == len(rows)


VERBS: list[Any] = [
    lambda box: box.move(30, item_ids=[ITEM]),
    lambda box: box.restock(5, item_ids=[ITEM]),
    lambda box: box.appear(1, item_ids=[ITEM]),
    lambda box: box.vanish(1, item_ids=[ITEM]),
    lambda box: box.restore(),
    lambda box: box.set_provider_dark("buff163"),
    lambda box: box.set_provider_dark("buff163", dark=False),
    lambda box: box.refresh(),
]


@given(
    verbs=st.lists(st.tuples(st.sampled_from(range(len(VERBS))), st.integers(1, 900)), max_size=8),
    refresh=st.sampled_from([0.0, 300.0]),
    dense=st.booleans(),
    ago=st.integers(0, 120) | st.integers(0, 40 * 24 * 60),
)
@settings(max_examples=20)
def test_a_point_is_what_was_served_at_its_moment(
    verbs: list[tuple[int, int]], refresh: float, dense: bool, ago: int
) -> None:
    box = small(refresh=refresh, history="dense" if dense else "changes")
    for verb, seconds in verbs:
        box.advance(seconds)
        try:
            VERBS[verb](box)
        except ValueError as few:
            assert "can be changed" in str(few)  # noqa: PT017 - fewer are listed than a verb wants
    since = on_grid(box.clock.now() - timedelta(minutes=ago))
    points = box.history([ITEM], start=since, end=since + 4 * SLOT)
    for slot in (since + n * SLOT for n in range(4) if since + n * SLOT <= box.clock.now()):
        told = {row[0]: row[5:] for row in points.rows() if row[4] == slot}
        served = ledger(box, ITEM, slot)
        assert all(served[provider] == point for provider, point in told.items())
        if dense:
            assert told == served
        before = ledger(box, ITEM, slot - SLOT)
        assert {key for key in served if served[key] != before.get(key)} <= set(told)


def on_grid(at: datetime) -> datetime:
    return datetime.fromtimestamp(at.timestamp() // 300 * 300, at.tzinfo)


def test_the_past_ends_in_the_first_quotes() -> None:
    box = small(history_every=100_000.0)
    first = box.ledger()
    told = box.history(range(1, 21), end=NOON + SLOT).group_by("provider", "item_id").first()
    both = first.join(told, on=["provider", "item_id"], validate="1:1")
    assert both.height == first.height == told.height - aggregated(box, told)
    assert (both["lowest_ask"] == both["price"]).all()
    assert (both["quantity"] == both["quantity_right"]).all()
    assert (both["time"] <= NOON).all()


def aggregated(box: Sandbox, told: Any) -> int:
    catalog = box.market.board.catalog
    return sum(catalog.by_id[item_id].aggregate for item_id in told["item_id"])


def test_the_past_reaches_beyond_what_is_kept_and_moves_plausibly() -> None:
    box = small()
    points = box.history([ITEM], start=NOON - 40 * DAY)
    each = points.group_by("provider").len()["len"]
    assert 200 < each.min() < each.max() < 600  # type: ignore[operator]
    assert points["time"].min() < NOON - 39 * DAY  # type: ignore[operator]
    assert points["price"].min() > 0  # type: ignore[operator]
    assert points["quantity"].min() > 0  # type: ignore[operator]
    for _, of_one in points.sort("time").group_by("provider"):
        steps = of_one.select("price", "quantity").rows()
        assert all(one != other for one, other in pairwise(steps))
        assert of_one["price"].max() < 2.5 * of_one["price"].min()  # type: ignore[operator]


def test_the_same_seed_has_the_same_past() -> None:
    one, same, other = (small(seed=seed).history([ITEM], start=NOON - DAY) for seed in (1, 1, 2))
    assert_frame_equal(one, same)
    assert not one.equals(other)


def test_the_ledger_of_the_past_is_what_the_points_say() -> None:
    box = small()
    points = box.history([ITEM])
    for hours in (1, 50, 700, 930):
        at = NOON - timedelta(hours=hours, seconds=17)
        on_the_grid = on_grid(at)
        assert ledger(box, ITEM, on_the_grid) == state(points, on_the_grid)
    assert ledger(box, ITEM, NOON) == ledger(box, ITEM, box.clock.now())


def test_a_change_is_told_at_the_next_place_of_the_grid() -> None:
    box = small()
    box.advance(1)
    touched = box.move(1, provider="steam", item_ids=[ITEM])[0]
    query = {"item_id": ITEM, "provider": "steam", "start": NOON.isoformat()}
    assert [row["price"] for row in walk(box, HISTORY, **query)] != [touched.after]
    box.advance(299)
    newest = walk(box, HISTORY, **query)[0]
    assert (newest["time"], newest["price"]) == ("2026-06-01T12:05:00Z", touched.after)


def test_a_window_is_half_open() -> None:
    box = small()
    rows = walk(box, HISTORY, item_id=ITEM)
    low, high = rows[-50]["time"], rows[40]["time"]
    inside = walk(box, HISTORY, item_id=ITEM, start=low, end=high)
    assert inside == [row for row in rows if low <= row["time"] < high]
    assert low in {row["time"] for row in inside}


def test_providers_are_told_by_name_and_asked_by_key() -> None:
    box = small()
    rows = walk(box, HISTORY, item_id=ITEM)
    steam = walk(box, HISTORY, item_id=ITEM, provider="steam", limit=7)
    assert {row["provider"] for row in steam} == {"Steam Community Market"}
    assert steam == [row for row in rows if row["provider"] == "Steam Community Market"]
    assert len({row["provider"] for row in rows}) > 5


def test_a_page_repeats_the_question_and_counts_no_total() -> None:
    box = small()
    first = ask(box, HISTORY, item_id=ITEM, limit=10)[1]
    assert first["meta"] == {
        "currency": "USD",
        "filters": {"item_id": ITEM, "start": "2026-05-18T12:00:00Z"},
        "result_count": 10,
    }
    cursor = first["pagination"].pop("next_cursor")
    assert first["pagination"] == {"limit": 10, "has_next": True, "has_prev": False}
    second = ask(box, HISTORY, item_id=ITEM, limit=10, cursor=cursor)[1]
    assert second["pagination"]["has_prev"] is True


def test_prices_are_converted_as_quotes_are() -> None:
    box = small()
    dollars = ask(box, HISTORY, item_id=ITEM, limit=100)[1]["items"]
    yen = ask(box, HISTORY, item_id=ITEM, limit=100, currency="JPY")[1]["items"]
    assert {row["currency"] for row in yen} == {"JPY"}
    assert [row["price"] for row in yen] == [convert(row["price"], RATES["JPY"]).minor for row in dollars]


def test_a_phaseless_name_has_the_best_of_its_phases() -> None:
    box = small()
    whole, *phases = box.market.board.catalog.by_name[DOPPLER]
    points = box.history([whole.item_id], start=NOON - 2 * DAY)
    rows = walk(box, HISTORY, market_hash_name=DOPPLER, start=(NOON - 2 * DAY).isoformat())
    assert as_points(rows) == points.rows()
    assert {row["item_id"] for row in rows} == {whole.item_id}
    for slot in points["time"].sample(20, seed=1):
        told = {row[0]: row[5:] for row in points.rows() if row[4] == slot}
        served = ledger(box, whole.item_id, slot)
        assert told.items() <= served.items()
    ruby = walk(box, HISTORY, market_hash_name=DOPPLER, phase="Ruby")
    assert {(row["item_id"], row["phase"]) for row in ruby} == {
        (item.item_id, "Ruby") for item in phases if item.phase == "Ruby"
    }


def test_what_nobody_lists_has_no_points() -> None:
    box = small()
    for query in ({"item_id": 10**6}, {"market_hash_name": "nothing"}):
        page = ask(box, HISTORY, **query)[1]
        assert page["items"] == []
        assert page["pagination"] == {
            "limit": 1000,
            "has_next": False,
            "has_prev": False,
            "next_cursor": None,
        }


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ({"start": "yesterday"}, "start must be a valid ISO 8601 timestamp"),
        ({"end": "0001-01-01T00:00:00+10:00"}, "end must be a valid ISO 8601 timestamp"),
        ({"start": "2026-04-27T11:59:59Z"}, "start must be within the last 35 days"),
        ({"end": "2026-04-27T11:59:59Z"}, "end must be within the last 35 days"),
        ({"start": "2026-05-30T00:00:00Z", "end": "2026-05-29T00:00:00Z"}, "end must be after start"),
        ({"start": "2026-05-30T00:00:00Z", "end": "2026-05-30T00:00:00Z"}, "end must be after start"),
        ({"start": "2026-06-01T12:00:01Z"}, "end must be after start"),
        ({"end": "2026-05-01T00:00:00Z"}, "end must be after start"),
    ],
    ids=str,
)
def test_a_wrong_window_is_a_400_without_a_code(query: dict[str, str], detail: str) -> None:
    box = small()
    assert ask(box, HISTORY, item_id=ITEM, **query) == (400, {"detail": detail})


def test_all_that_is_kept_can_be_asked_for() -> None:
    box = small()
    rows = walk(box, HISTORY, item_id=ITEM, provider="steam", start="2026-04-27T12:00:00Z")
    assert moment(rows[-1]["time"]) < NOON - 34 * DAY


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ({}, 400, "item_id or market_hash_name required"),
        ({"item_id": ITEM, "provider": "nobody"}, 422, ["query", "provider"]),
        ({"item_id": ITEM, "provider": "BUFF163"}, 422, ["query", "provider"]),
        ({"item_id": ITEM, "currency": "ZZZ"}, 422, ["query", "currency"]),
        ({"item_id": ITEM, "limit": 1001}, 422, ["query", "limit"]),
        ({"item_id": "AK"}, 422, ["query", "item_id"]),
        ({"market_hash_name": DOPPLER, "phase": "Phase 9"}, 422, ["query", "phase"]),
        ({"item_id": ITEM, "cursor": "page two"}, 400, "invalid cursor format"),
    ],
    ids=str,
)
def test_a_wrong_question_is_refused(query: dict[str, Any], status: int, told: Any) -> None:
    answered, body = ask(small(), HISTORY, **query)
    detail = body["detail"]
    assert answered == status
    assert (detail if status == 400 else detail[0]["loc"]) == told


@pytest.mark.parametrize("tier", ["free", "starter"])
def test_the_smaller_plans_have_no_history(tier: str) -> None:
    box = small(tier=tier)
    detail = "Access to /v1/prices/history is not enabled for this tier."
    assert ask(box, HISTORY, item_id=ITEM) == (403, {"code": "FORBIDDEN", "detail": detail})
    box.key(VALID_KEY, tier="quant")
    assert ask(box, HISTORY, item_id=ITEM)[0] == 200


def test_a_page_counts_in_the_month() -> None:
    box = small(limits=True)
    cursor = ask(box, HISTORY, item_id=ITEM, limit=3)[1]["pagination"]["next_cursor"]
    ask(box, HISTORY, item_id=ITEM, limit=3, cursor=cursor)
    assert box.key(VALID_KEY).used == 2


def test_few_items_are_kept() -> None:
    box = small(items=2 * MAX_CACHED, history_every=10 * DAY.total_seconds())
    box.history(range(1, 2 * MAX_CACHED + 1), start=NOON - DAY)
    assert len(box.archive._cache) == MAX_CACHED


def test_a_dense_past_of_an_old_market_is_paged_on_demand() -> None:
    box = small(history="dense")
    page = ask(box, HISTORY, item_id=ITEM, provider="steam")[1]
    times = [moment(row["time"]) for row in page["items"]]
    assert times == [NOON - n * SLOT for n in range(1000)]
    assert page["pagination"]["has_next"] is True


@pytest.mark.slow
def test_half_a_million_points_are_served_in_less_than_a_minute(make_sandbox: Callable[..., Sandbox]) -> None:
    box = make_sandbox(items=35_000, quotes=600_000)
    items = [item.item_id for item in box.market.board.catalog.items if not item.aggregate][::174][:200]
    begin, rows = time.monotonic(), 0
    with httpx.Client(base_url=box.url, headers={"Authorization": f"Bearer {VALID_KEY}"}) as client:
        for item_id in items:
            query = {"item_id": str(item_id)}
            while query:
                page = client.get(HISTORY, params=query).json()
                rows += len(page["items"])
                following = page["pagination"]["next_cursor"]
                query = {**query, "cursor": following} if following else {}
    assert time.monotonic() - begin < 60
    assert rows == box.history(items, start=NOON - 14 * DAY).height > 400_000
    assert len(box.requests) < 700
