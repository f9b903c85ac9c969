"""The plan of a series covers what is wanted, nothing twice; its bounds hold, and it says what it does."""

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
moments = st.integers(0, 60 * 60 * 24 * 40).map(lambda seconds: NOON - timedelta(seconds=seconds))
windows = st.tuples(moments, moments).map(lambda pair: (min(pair), max(pair)))
paces = st.sampled_from([1, 7, 100, 300])
named = st.sampled_from([(), ("steam",), ("steam", "csfloat"), ("steam", "csfloat", "skinport")])


def wanted(
    series: str, window: tuple[datetime, datetime], providers: tuple[str, ...] = (), **more: object
) -> SeriesRequest:
    start, end = window
    return replace(WEEK, series=series, start=start, end=end, providers=providers, **more)  # type: ignore[arg-type]


def covers(plan: SeriesPlan, want: SeriesRequest) -> None:
    """See that each item, at each provider that it is asked for at, has its whole window once."""
    spans: dict[tuple[Item | None, str | None], list[tuple[datetime, datetime]]] = {}
    for shard in plan.shards:
        assert shard.start < shard.end
        spans.setdefault((shard.item, shard.provider), []).append((shard.start, shard.end))
    if want.start < want.end:
        asked = {provider for _, provider in spans}
        assert asked in ({None}, set(want.providers))
        assert len(spans) == len(want.items or (None,)) * len(asked)
    for span in spans.values():
        assert [start for start, _ in span] == [want.start, *(end for _, end in span[:-1])]
        assert span[-1][1] == want.end


def filled(shard: SeriesShard, heads: int, page: int, *, inclusive: bool, empty_page: bool) -> int:
    """How many pages a server fills that has a point of every provider at every place of the grid."""
    end = shard.end + timedelta(microseconds=inclusive)
    places = max((ceil_to(end, GRID) - ceil_to(shard.start, GRID)) // GRID, 0)
    rows = places * heads
    return max(-(-rows // page), 1) if not empty_page else rows // page + 1


@given(windows, named, paces, st.booleans(), st.booleans())
def test_points(
    window: tuple[datetime, datetime],
    providers: tuple[str, ...],
    pace: int,
    inclusive: bool,
    empty_page: bool,
) -> None:
    terms = replace(limits_for("pro"), per_minute=pace)
    want = wanted("points", window, providers)
    plan = plan_series(want, terms)
    covers(plan, want)
    assert plan.at_least == len(plan.shards)
    pages = [
        filled(shard, 1 if shard.provider else 41, 1_000, inclusive=inclusive, empty_page=empty_page)
        for shard in plan.shards
    ]
    assert plan.at_most is not None
    assert plan.at_least <= sum(pages) <= plan.at_most
    assert plan.at_most - sum(pages) <= len(pages) * 2, "a bound, and a near one"
    assert all(count <= SHARD_MINUTES * pace for count in pages)
    assert {floor_to(shard.start, GRID) for shard in plan.shards if shard.start != want.start} <= {
        shard.start for shard in plan.shards
    }


@given(windows, st.sampled_from([("steam",), ("steam", "csfloat")]))
def test_few_providers_are_asked_one_by_one_where_that_is_no_dearer(
    window: tuple[datetime, datetime], providers: tuple[str, ...]
) -> None:
    terms = limits_for("quant")
    plan = plan_series(wanted("points", window, providers), terms)
    together = plan_series(wanted("points", window), terms)
    assert (plan.at_most or 0) <= (together.at_most or 0)


@given(windows, st.sampled_from(["5m", "1h", "1d"]))
def test_candles(window: tuple[datetime, datetime], interval: Interval) -> None:
    want = wanted("candles", window, interval=interval)
    plan = plan_series(want, limits_for("pro"))
    covers(plan, want)
    assert plan.at_least == plan.at_most == len(plan.shards)
    assert {shard.interval for shard in plan.shards} <= {interval}
    assert not any(shard.lookback for shard in plan.shards)
    inner = {shard.start for shard in plan.shards} - {want.start}
    assert all(floor_to(cut, INTERVALS[interval]) == cut for cut in inner)
    if interval == "1d":
        old = [shard for shard in plan.shards if shard.start < NOON - 30 * DAY]
        assert all(shard.end <= NOON.replace(hour=0) - 28 * DAY for shard in old)


def test_recent_days_are_asked_for_apart_because_older_ones_take_their_quantity() -> None:
    want = wanted("candles", (NOON - 60 * DAY, NOON), interval="1d")
    plan = plan_series(want, limits_for("pro"))
    cut = NOON.replace(hour=0) - 28 * DAY
    assert {shard.start for shard in plan.shards} == {NOON - 60 * DAY, cut}
    assert (
        plan.notes[1] == f"cut at {cut:%Y-%m-%d}: asked for together with older days, no day has a quantity"
    )


@pytest.mark.parametrize("tier", ["free", "starter"])
def test_a_small_tier_looks_back_once_an_item(tier: str) -> None:
    want = wanted("candles", (NOON - 29 * DAY, NOON))
    plan = plan_series(want, limits_for(tier))
    covers(plan, want)
    assert [(shard.lookback, shard.interval) for shard in plan.shards] == [(True, "1d")] * 3


@given(windows, st.sampled_from([None, ITEMS]), named)
def test_sales(
    window: tuple[datetime, datetime], items: tuple[Item, ...] | None, providers: tuple[str, ...]
) -> None:
    want = wanted("sales", window, providers, items=items)
    plan = plan_series(want, limits_for("pro"))
    covers(plan, want)
    assert (plan.at_least, plan.at_most) == (len(plan.shards), None)
    assert {shard.item for shard in plan.shards} <= set(items or (None,))


@pytest.mark.parametrize(
    ("terms", "series", "interval", "told"),
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
def test_what_the_tier_lacks_is_refused(
    terms: TierLimits, series: str, interval: Interval | None, told: str
) -> None:
    with pytest.raises(PlanForbids, match=told):
        plan_series(wanted(series, (NOON - DAY, NOON), interval=interval), terms)


@pytest.mark.parametrize("series", ["points", "candles"])
def test_only_sales_can_be_asked_for_everything(series: str) -> None:
    with pytest.raises(ConfigError, match="name the items"):
        plan_series(wanted(series, (NOON - DAY, NOON), items=None), limits_for("quant"))


def test_a_fortnight_of_200_items_at_all_providers() -> None:
    items = tuple(Item(str(n), f"item {n}", None) for n in range(200))
    plan = plan_series(replace(WEEK, items=items, start=NOON - 14 * DAY), limits_for("pro"))
    assert (plan.at_least, plan.at_most) == (200, 200 * 166)
    assert plan.notes == (
        "200 items in 1 window: 200 walks, of all providers at once",
        "at most 33,200 requests: a point every 5 minutes, 1,000 a page",
    )


def test_the_plan_explains_itself() -> None:
    slow = replace(limits_for("pro"), per_minute=10)
    plan = plan_series(replace(WEEK, start=NOON - 14 * DAY, providers=("a", "b", "c")), slow)
    assert plan.notes == (
        "3 items in 4 windows: 12 walks, of all providers at once, 3 wanted ones among them",
        "windows end where a walk would take 5 minutes at the tier's pace",
        "at most 504 requests: a point every 5 minutes, 1,000 a page",
    )
    assert plan_series(replace(WEEK, providers=("steam", "csfloat")), slow).notes[0] == (
        "3 items in 1 window: 6 walks, of steam and of csfloat"
    )
    free = plan_series(wanted("candles", (NOON - DAY, NOON)), limits_for("free"))
    assert free.notes == (
        "3 items in 1 window: 3 requests, each for all providers together",
        "the free tier looks back in days; what comes from outside the window is left out",
    )
    everything = wanted("sales", (NOON - DAY, NOON), items=None)
    assert plan_series(everything, limits_for("quant")).notes == (
        "every item in 1 window: 1 walk, of all providers at once",
        "how many pages there are is not known: a walk goes back from now to the start",
    )
