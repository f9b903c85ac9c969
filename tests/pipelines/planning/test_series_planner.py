"""The series planner: its shards cover the request exactly once, its bounds hold, its notes explain it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ConfigError, PlanForbids
from common.shards import Item, SeriesShard
from common.time_ranges import GRID, INTERVALS, Interval, ceil_to, floor_to
from connectors.tiers import TierLimits, limits_for
from pipelines.planning.series_planner import SHARD_MINUTES, SeriesPlan, SeriesRequest, plan_series
from tests.support.clocks import NOON

ITEMS = tuple(Item(str(n), f"item {n}", None) for n in range(3))
DAY = timedelta(days=1)
WEEK = SeriesRequest("cs2cap", "points", ITEMS, NOON - 7 * DAY, NOON, NOON, all_providers=41)
times = st.integers(0, 60 * 60 * 24 * 40).map(lambda seconds: NOON - timedelta(seconds=seconds))
windows = st.tuples(times, times).map(lambda pair: (min(pair), max(pair)))
rates = st.sampled_from([1, 7, 100, 300])
provider_lists = st.sampled_from([(), ("steam",), ("steam", "csfloat"), ("steam", "csfloat", "skinport")])


def request_for(
    series: str, window: tuple[datetime, datetime], providers: tuple[str, ...] = (), **more: object
) -> SeriesRequest:
    start, end = window
    return replace(WEEK, series=series, start=start, end=end, providers=providers, **more)  # type: ignore[arg-type]


def assert_covers(plan: SeriesPlan, request: SeriesRequest) -> None:
    """Assert that the shards cover the whole window of each item and requested provider exactly once."""
    spans: dict[tuple[Item | None, str | None], list[tuple[datetime, datetime]]] = {}
    for shard in plan.shards:
        assert shard.start < shard.end
        spans.setdefault((shard.item, shard.provider), []).append((shard.start, shard.end))
    if request.start < request.end:
        requested = {provider for _, provider in spans}
        assert requested in ({None}, set(request.providers))
        assert len(spans) == len(request.items or (None,)) * len(requested)
    for span in spans.values():
        assert [start for start, _ in span] == [request.start, *(end for _, end in span[:-1])]
        assert span[-1][1] == request.end


def count_pages(shard: SeriesShard, providers: int, page: int, *, inclusive: bool, empty_page: bool) -> int:
    """Return the pages of a server that has a point of every provider at every time of the grid."""
    end = shard.end + timedelta(microseconds=inclusive)
    grid_times = max((ceil_to(end, GRID) - ceil_to(shard.start, GRID)) // GRID, 0)
    rows = grid_times * providers
    return max(-(-rows // page), 1) if not empty_page else rows // page + 1


@given(windows, provider_lists)
def test_daily_points_take_one_request_an_item(
    window: tuple[datetime, datetime], providers: tuple[str, ...]
) -> None:
    request = request_for("daily", window, providers)
    plan = plan_series(request, limits_for("quant"))
    assert_covers(plan, request)
    assert plan.at_least == plan.at_most == len(plan.shards) == len(ITEMS) * (window[0] < window[1])
    assert {shard.provider for shard in plan.shards} <= {providers[0] if len(providers) == 1 else None}


@given(windows, provider_lists, rates, st.booleans(), st.booleans())
def test_points_have_tight_bounds_and_short_shards(
    window: tuple[datetime, datetime],
    providers: tuple[str, ...],
    rate: int,
    inclusive: bool,
    empty_page: bool,
) -> None:
    limits = replace(limits_for("pro"), per_minute=rate)
    request = request_for("points", window, providers)
    plan = plan_series(request, limits)
    assert_covers(plan, request)
    assert plan.at_least == len(plan.shards)
    pages = [
        count_pages(shard, 1 if shard.provider else 41, 1_000, inclusive=inclusive, empty_page=empty_page)
        for shard in plan.shards
    ]
    assert plan.at_most is not None
    assert plan.at_least <= sum(pages) <= plan.at_most
    assert plan.at_most - sum(pages) <= len(pages) * 2, "the bound is tight"
    assert all(count <= SHARD_MINUTES * rate for count in pages)
    assert {floor_to(shard.start, GRID) for shard in plan.shards if shard.start != request.start} <= {
        shard.start for shard in plan.shards
    }


@given(windows, st.sampled_from([("steam",), ("steam", "csfloat")]))
def test_few_providers_are_requested_one_by_one_only_if_that_costs_no_more(
    window: tuple[datetime, datetime], providers: tuple[str, ...]
) -> None:
    limits = limits_for("quant")
    plan = plan_series(request_for("points", window, providers), limits)
    all_providers = plan_series(request_for("points", window), limits)
    assert (plan.at_most or 0) <= (all_providers.at_most or 0)


@given(windows, st.sampled_from(["5m", "1h", "1d"]))
def test_candles_take_one_request_per_window_on_the_grid(
    window: tuple[datetime, datetime], interval: Interval
) -> None:
    request = request_for("candles", window, interval=interval)
    plan = plan_series(request, limits_for("pro"))
    assert_covers(plan, request)
    assert plan.at_least == plan.at_most == len(plan.shards)
    assert {shard.interval for shard in plan.shards} <= {interval}
    assert not any(shard.lookback for shard in plan.shards)
    inner = {shard.start for shard in plan.shards} - {request.start}
    assert all(floor_to(cut, INTERVALS[interval]) == cut for cut in inner)
    if interval == "1d":
        old = [shard for shard in plan.shards if shard.start < NOON - 30 * DAY]
        assert all(shard.end <= NOON.replace(hour=0) - 28 * DAY for shard in old)


def test_daily_candles_are_split_where_older_days_would_remove_the_quantities() -> None:
    request = request_for("candles", (NOON - 60 * DAY, NOON), interval="1d")
    plan = plan_series(request, limits_for("pro"))
    cut = NOON.replace(hour=0) - 28 * DAY
    assert {shard.start for shard in plan.shards} == {NOON - 60 * DAY, cut}
    note = f"split at {cut:%Y-%m-%d}: in one request with older days, no day would have a quantity"
    assert plan.notes[1] == note


@pytest.mark.parametrize("tier", ["free", "starter"])
def test_small_tier_takes_one_lookback_per_item(tier: str) -> None:
    request = request_for("candles", (NOON - 29 * DAY, NOON))
    plan = plan_series(request, limits_for(tier))
    assert_covers(plan, request)
    assert [(shard.lookback, shard.interval) for shard in plan.shards] == [(True, "1d")] * 3


@given(windows, st.sampled_from([None, ITEMS]), provider_lists)
def test_sales_have_no_upper_bound(
    window: tuple[datetime, datetime], items: tuple[Item, ...] | None, providers: tuple[str, ...]
) -> None:
    request = request_for("sales", window, providers, items=items)
    plan = plan_series(request, limits_for("pro"))
    assert_covers(plan, request)
    assert (plan.at_least, plan.at_most) == (len(plan.shards), None)
    assert {shard.item for shard in plan.shards} <= set(items or (None,))


@pytest.mark.parametrize(
    ("limits", "series", "interval", "message"),
    [
        (limits_for("starter"), "points", None, "the starter tier does not include price history"),
        (limits_for("free"), "sales", None, "the free tier does not include sales"),
        (limits_for("free"), "candles", "1h", "the free tier does not include candles of 1h"),
        (
            limits_for("premium", kind="skinshark"),
            "candles",
            "1d",
            "the premium tier does not include candles",
        ),
    ],
)
def test_series_beyond_the_tier_is_forbidden(
    limits: TierLimits, series: str, interval: Interval | None, message: str
) -> None:
    with pytest.raises(PlanForbids, match=message):
        plan_series(request_for(series, (NOON - DAY, NOON), interval=interval), limits)


@pytest.mark.parametrize("series", ["points", "candles"])
def test_only_sales_can_be_requested_without_items(series: str) -> None:
    with pytest.raises(ConfigError, match="name the items"):
        plan_series(request_for(series, (NOON - DAY, NOON), items=None), limits_for("quant"))


def test_two_weeks_of_200_items_at_all_providers() -> None:
    items = tuple(Item(str(n), f"item {n}", None) for n in range(200))
    plan = plan_series(replace(WEEK, items=items, start=NOON - 14 * DAY), limits_for("pro"))
    assert (plan.at_least, plan.at_most) == (200, 200 * 166)
    assert plan.notes == (
        "200 items in 1 window: 200 shards, of all providers at once",
        "at most 33,200 requests: a point every 5 minutes, 1,000 a page",
    )


def test_notes_explain_the_plan() -> None:
    slow = replace(limits_for("pro"), per_minute=10)
    plan = plan_series(replace(WEEK, start=NOON - 14 * DAY, providers=("a", "b", "c")), slow)
    assert plan.notes == (
        "3 items in 4 windows: 12 shards, of all providers at once, 3 requested among them",
        "windows end where a shard would take 5 minutes at the tier's rate limit",
        "at most 504 requests: a point every 5 minutes, 1,000 a page",
    )
    assert plan_series(replace(WEEK, providers=("steam", "csfloat")), slow).notes[0] == (
        "3 items in 1 window: 6 shards, of steam and of csfloat"
    )
    free = plan_series(request_for("candles", (NOON - DAY, NOON)), limits_for("free"))
    assert free.notes == (
        "3 items in 1 window: 3 requests, each for all providers",
        "the free tier looks back in days; candles outside of the window are dropped",
    )
    everything = request_for("sales", (NOON - DAY, NOON), items=None)
    assert plan_series(everything, limits_for("quant")).notes == (
        "every item in 1 window: 1 shard, of all providers at once",
        "the number of pages is unknown: each shard is read from now back to the start",
    )
