"""Raw history: on its grid, of the same market as the quotes, also before the start."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from sandbox.market.archive import MAX_CACHED
from sandbox.market.money import RATES, convert
from tests.support import patient
from tests.support.clocks import NOON
from tests.support.sandbox_series import (
    DOPPLER,
    HISTORY,
    ITEM,
    as_points,
    asks_at,
    asks_in_points,
    get_json,
    history_order,
    parse_time,
    read_rows,
    small_sandbox,
)
from tests.support.sandboxes import MakeSandbox

SLOT = timedelta(minutes=5)
DAY = timedelta(days=1)


def test_pages_equal_the_ground_truth_newest_first() -> None:
    sandbox = small_sandbox(refresh=300, moving=0.2)
    sandbox.advance(1000)
    rows = read_rows(sandbox, HISTORY, item_id=ITEM, limit=200)
    assert len(rows) > 1000
    assert rows == sorted(rows, key=history_order)
    start = sandbox.clock.now() - timedelta(days=14)
    assert as_points(rows) == sandbox.history([ITEM], start=start).rows()
    assert all(parse_time(row["time"]).timestamp() % 300 == 0 for row in rows)
    assert len({(row["provider"], row["time"]) for row in rows}) == len(rows)


CHANGES: list[Any] = [
    lambda sandbox: sandbox.move(30, item_ids=[ITEM]),
    lambda sandbox: sandbox.restock(5, item_ids=[ITEM]),
    lambda sandbox: sandbox.appear(1, item_ids=[ITEM]),
    lambda sandbox: sandbox.vanish(1, item_ids=[ITEM]),
    lambda sandbox: sandbox.restore(),
    lambda sandbox: sandbox.set_provider_dark("buff163"),
    lambda sandbox: sandbox.set_provider_dark("buff163", dark=False),
    lambda sandbox: sandbox.refresh(),
]


@given(
    changes=st.lists(st.tuples(st.sampled_from(range(len(CHANGES))), st.integers(1, 900)), max_size=8),
    refresh=st.sampled_from([0.0, 300.0]),
    dense=st.booleans(),
    minutes_ago=st.integers(0, 120) | st.integers(0, 40 * 24 * 60),
)
@settings(max_examples=20)
def test_point_is_the_quote_served_at_its_time(
    changes: list[tuple[int, int]], refresh: float, dense: bool, minutes_ago: int
) -> None:
    sandbox = small_sandbox(refresh=refresh, history="dense" if dense else "changes")
    for change, seconds in changes:
        sandbox.advance(seconds)
        try:
            CHANGES[change](sandbox)
        except ValueError as error:
            assert "can be changed" in str(error)  # noqa: PT017 - fewer quotes than the change needs
    first_slot = floor_to_slot(sandbox.clock.now() - timedelta(minutes=minutes_ago))
    points = sandbox.history([ITEM], start=first_slot, end=first_slot + 4 * SLOT)
    for slot in (first_slot + n * SLOT for n in range(4) if first_slot + n * SLOT <= sandbox.clock.now()):
        reported = {row[0]: row[5:] for row in points.rows() if row[4] == slot}
        served = asks_at(sandbox, ITEM, slot)
        assert all(served[provider] == point for provider, point in reported.items())
        if dense:
            assert reported == served
        before = asks_at(sandbox, ITEM, slot - SLOT)
        assert {key for key in served if served[key] != before.get(key)} <= set(reported)


def floor_to_slot(at: datetime) -> datetime:
    return datetime.fromtimestamp(at.timestamp() // 300 * 300, at.tzinfo)


def test_past_ends_in_the_first_quotes() -> None:
    sandbox = small_sandbox(history_every=100_000.0)
    first = sandbox.ledger()
    reported = sandbox.history(range(1, 21), end=NOON + SLOT).group_by("provider", "item_id").first()
    joined = first.join(reported, on=["provider", "item_id"], validate="1:1")
    assert joined.height == first.height == reported.height - count_aggregates(sandbox, reported)
    assert (joined["lowest_ask"] == joined["price"]).all()
    assert (joined["quantity"] == joined["quantity_right"]).all()
    assert (joined["time"] <= NOON).all()


def count_aggregates(sandbox: Sandbox, reported: Any) -> int:
    catalog = sandbox.market.board.catalog
    return sum(catalog.by_id[item_id].aggregate for item_id in reported["item_id"])


def test_past_is_longer_than_the_retention_and_moves_plausibly() -> None:
    sandbox = small_sandbox()
    points = sandbox.history([ITEM], start=NOON - 40 * DAY)
    counts = points.group_by("provider").len()["len"]
    assert 200 < counts.min() < counts.max() < 600  # type: ignore[operator]
    assert points["time"].min() < NOON - 39 * DAY  # type: ignore[operator]
    assert points["price"].min() > 0  # type: ignore[operator]
    assert points["quantity"].min() > 0  # type: ignore[operator]
    for _, points_of_provider in points.sort("time").group_by("provider"):
        steps = points_of_provider.select("price", "quantity").rows()
        assert all(first != different for first, different in pairwise(steps))
        assert points_of_provider["price"].max() < 2.5 * points_of_provider["price"].min()  # type: ignore[operator]


def test_same_seed_generates_the_same_past() -> None:
    first, second, different = (
        small_sandbox(seed=seed).history([ITEM], start=NOON - DAY) for seed in (1, 1, 2)
    )
    assert_frame_equal(first, second)
    assert not first.equals(different)


def test_ledger_of_the_past_equals_the_points() -> None:
    sandbox = small_sandbox()
    points = sandbox.history([ITEM])
    for hours in (1, 50, 700, 930):
        at = NOON - timedelta(hours=hours, seconds=17)
        slot = floor_to_slot(at)
        assert asks_at(sandbox, ITEM, slot) == asks_in_points(points, slot)
    assert asks_at(sandbox, ITEM, NOON) == asks_at(sandbox, ITEM, sandbox.clock.now())


def test_change_has_a_point_at_the_next_slot() -> None:
    sandbox = small_sandbox()
    sandbox.advance(1)
    change = sandbox.move(1, provider="steam", item_ids=[ITEM])[0]
    query = {"item_id": ITEM, "provider": "steam", "start": NOON.isoformat()}
    assert [row["price"] for row in read_rows(sandbox, HISTORY, **query)] != [change.after]
    sandbox.advance(299)
    newest = read_rows(sandbox, HISTORY, **query)[0]
    assert (newest["time"], newest["price"]) == ("2026-06-01T12:05:00Z", change.after)


def test_window_is_half_open() -> None:
    sandbox = small_sandbox()
    rows = read_rows(sandbox, HISTORY, item_id=ITEM)
    low, high = rows[-50]["time"], rows[40]["time"]
    rows_in_window = read_rows(sandbox, HISTORY, item_id=ITEM, start=low, end=high)
    assert rows_in_window == [row for row in rows if low <= row["time"] < high]
    assert low in {row["time"] for row in rows_in_window}


def test_rows_have_provider_names_and_queries_have_keys() -> None:
    sandbox = small_sandbox()
    rows = read_rows(sandbox, HISTORY, item_id=ITEM)
    steam = read_rows(sandbox, HISTORY, item_id=ITEM, provider="steam", limit=7)
    assert {row["provider"] for row in steam} == {"Steam Community Market"}
    assert steam == [row for row in rows if row["provider"] == "Steam Community Market"]
    assert len({row["provider"] for row in rows}) > 5


def test_page_repeats_the_query_and_has_no_total() -> None:
    sandbox = small_sandbox()
    first = get_json(sandbox, HISTORY, item_id=ITEM, limit=10)[1]
    assert first["meta"] == {
        "currency": "USD",
        "filters": {"item_id": ITEM, "start": "2026-05-18T12:00:00Z"},
        "result_count": 10,
    }
    cursor = first["pagination"].pop("next_cursor")
    assert first["pagination"] == {"limit": 10, "has_next": True, "has_prev": False}
    second = get_json(sandbox, HISTORY, item_id=ITEM, limit=10, cursor=cursor)[1]
    assert second["pagination"]["has_prev"] is True


def test_prices_are_converted_like_quotes() -> None:
    sandbox = small_sandbox()
    dollars = get_json(sandbox, HISTORY, item_id=ITEM, limit=100)[1]["items"]
    yen = get_json(sandbox, HISTORY, item_id=ITEM, limit=100, currency="JPY")[1]["items"]
    assert {row["currency"] for row in yen} == {"JPY"}
    assert [row["price"] for row in yen] == [convert(row["price"], RATES["JPY"]).minor for row in dollars]


def test_aggregate_has_the_best_price_of_its_phases() -> None:
    sandbox = small_sandbox()
    aggregate, *phases = sandbox.market.board.catalog.by_name[DOPPLER]
    points = sandbox.history([aggregate.item_id], start=NOON - 2 * DAY)
    rows = read_rows(sandbox, HISTORY, market_hash_name=DOPPLER, start=(NOON - 2 * DAY).isoformat())
    assert as_points(rows) == points.rows()
    assert {row["item_id"] for row in rows} == {aggregate.item_id}
    for slot in points["time"].sample(20, seed=1):
        reported = {row[0]: row[5:] for row in points.rows() if row[4] == slot}
        served = asks_at(sandbox, aggregate.item_id, slot)
        assert reported.items() <= served.items()
    ruby = read_rows(sandbox, HISTORY, market_hash_name=DOPPLER, phase="Ruby")
    assert {(row["item_id"], row["phase"]) for row in ruby} == {
        (item.item_id, "Ruby") for item in phases if item.phase == "Ruby"
    }


def test_unlisted_item_has_no_points() -> None:
    sandbox = small_sandbox()
    for query in ({"item_id": 10**6}, {"market_hash_name": "nothing"}):
        page = get_json(sandbox, HISTORY, **query)[1]
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
def test_wrong_window_is_a_400_without_a_code(query: dict[str, str], detail: str) -> None:
    sandbox = small_sandbox()
    assert get_json(sandbox, HISTORY, item_id=ITEM, **query) == (400, {"detail": detail})


def test_whole_retention_can_be_requested() -> None:
    sandbox = small_sandbox()
    rows = read_rows(sandbox, HISTORY, item_id=ITEM, provider="steam", start="2026-04-27T12:00:00Z")
    assert parse_time(rows[-1]["time"]) < NOON - 34 * DAY


@pytest.mark.parametrize(
    ("query", "status", "reported"),
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
def test_wrong_query_is_refused(query: dict[str, Any], status: int, reported: Any) -> None:
    status_code, body = get_json(small_sandbox(), HISTORY, **query)
    detail = body["detail"]
    assert status_code == status
    assert (detail if status == 400 else detail[0]["loc"]) == reported


@pytest.mark.parametrize("tier", ["free", "starter"])
def test_smaller_plans_have_no_history(tier: str) -> None:
    sandbox = small_sandbox(tier=tier)
    detail = "Access to /v1/prices/history is not enabled for this tier."
    assert get_json(sandbox, HISTORY, item_id=ITEM) == (403, {"code": "FORBIDDEN", "detail": detail})
    sandbox.key(VALID_KEY, tier="quant")
    assert get_json(sandbox, HISTORY, item_id=ITEM)[0] == 200


def test_page_costs_a_request_of_the_month() -> None:
    sandbox = small_sandbox(limits=True)
    cursor = get_json(sandbox, HISTORY, item_id=ITEM, limit=3)[1]["pagination"]["next_cursor"]
    get_json(sandbox, HISTORY, item_id=ITEM, limit=3, cursor=cursor)
    assert sandbox.key(VALID_KEY).used == 2


def test_tracks_of_few_items_are_cached() -> None:
    sandbox = small_sandbox(items=2 * MAX_CACHED, history_every=10 * DAY.total_seconds())
    sandbox.history(range(1, 2 * MAX_CACHED + 1), start=NOON - DAY)
    assert len(sandbox.archive._cache) == MAX_CACHED


def test_dense_past_is_paged_on_demand() -> None:
    sandbox = small_sandbox(history="dense")
    page = get_json(sandbox, HISTORY, item_id=ITEM, provider="steam")[1]
    times = [parse_time(row["time"]) for row in page["items"]]
    assert times == [NOON - n * SLOT for n in range(1000)]
    assert page["pagination"]["has_next"] is True


@pytest.mark.slow
def test_a_hundred_thousand_points_are_served_in_full_pages(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(items=35_000, quotes=600_000)
    items = [item.item_id for item in sandbox.market.board.catalog.items if not item.aggregate][::580][:60]
    rows = 0
    with patient.Client(base_url=sandbox.url, headers={"Authorization": f"Bearer {VALID_KEY}"}) as client:
        for item_id in items:
            query = {"item_id": str(item_id)}
            while query:
                page = client.get(HISTORY, params=query).json()
                rows += len(page["items"])
                next_cursor = page["pagination"]["next_cursor"]
                query = {**query, "cursor": next_cursor} if next_cursor else {}
    assert rows == sandbox.history(items, start=NOON - 14 * DAY).height > 120_000
    assert len(sandbox.requests) < 210
