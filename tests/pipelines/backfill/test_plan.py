"""A backfill plan requests the uncovered part of the window: all of it, and nothing twice."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from common.shards import Item, SeriesShard
from common.time_ranges import TimeRange, intersect, subtract, union
from connectors.ratelimit.ledger_tables import MonthUsage
from connectors.schemas import ITEMS
from connectors.tiers import limits_for
from pipelines.backfill.densities import Densities
from pipelines.backfill.limits import ResolvedRequest
from pipelines.backfill.missing import PriorProgress, bridge_spans
from pipelines.backfill.plan import BackfillPlan, expand_aggregates, plan_backfill
from pipelines.backfill.request import BackfillRequest
from tests.support.clocks import NOON
from warehouse.state.backfill_rows import ShardDensity
from warehouse.state.coverage import Coverage, Scope

SLOT = timedelta(minutes=5)
START, END = NOON - 100 * SLOT, NOON
ITEM_IDS = ("1", "2", "3")
PROVIDERS = ("steam", "buff163")


def at(slot: int) -> datetime:
    return START + slot * SLOT


slots = st.tuples(st.integers(-20, 120), st.integers(-20, 120))
spans = slots.map(lambda pair: (at(min(pair)), at(max(pair))))
scopes = st.tuples(st.sampled_from(ITEM_IDS), st.sampled_from((None, *PROVIDERS)))
coverages = st.lists(st.tuples(scopes, spans), max_size=12)


def plan_three_items(covered: list[tuple[Scope, TimeRange]], *, every: bool) -> BackfillPlan:
    """Plan three items at two providers, or at all providers of the source."""
    items = tuple(Item(item_id, f"Item {item_id}", None) for item_id in ITEM_IDS)
    resolved = ResolvedRequest(items, PROVIDERS, every, "USD", 41)
    request = BackfillRequest(items=ITEM_IDS, start=START, end=END)
    prior = PriorProgress(Coverage.from_spans(covered))
    month = MonthUsage(0, 1_000, None)
    return plan_backfill(
        request, resolved, (START, END), prior=prior, limits=limits_for("pro"), month=month, now=NOON
    )


def pages(spans: Iterable[TimeRange], providers: int) -> int:
    """Return the most pages of 1,000 points that the spans take, each for itself, its end included."""
    return sum(providers * ((end - start) // SLOT + 1) // 1_000 + 1 for start, end in spans)


@given(coverages)
def test_all_providers_request_all_uncovered_time_once(covered: list[tuple[Scope, TimeRange]]) -> None:
    plan = plan_three_items(covered, every=True)
    for item_id in ITEM_IDS:
        present = Coverage.from_spans(covered).spans_of(item_id, None)
        requested = [
            (shard.start, shard.end)
            for shard in plan.new_shards
            if shard.item and shard.item.item_id == item_id
        ]
        missing = subtract([(START, END)], present)
        assert subtract(missing, requested) == []
        # Time between two missing parts is requested only where that saves a request.
        for start, end in requested:
            parts = intersect(missing, [(start, end)])
            assert (parts[0][0], parts[-1][1]) == (start, end)
            assert len(parts) == 1 or pages([(start, end)], 41) < pages(parts, 41)
        assert sum((end - start for start, end in requested), timedelta()) == sum(
            (end - start for start, end in union(requested)), timedelta()
        )
    assert plan.at_least == plan.shards == len(plan.new_shards) <= (plan.at_most or 0)


@given(coverages)
def test_named_providers_request_all_uncovered_time(covered: list[tuple[Scope, TimeRange]]) -> None:
    plan = plan_three_items(covered, every=False)
    for item_id in ITEM_IDS:
        for key in PROVIDERS:
            shards = [shard for shard in plan.new_shards if shard.item and shard.item.item_id == item_id]
            requested = [(shard.start, shard.end) for shard in shards if shard.provider in {None, key}]
            missing = subtract([(START, END)], Coverage.from_spans(covered).spans_of(item_id, key))
            assert intersect(missing, requested) == missing
            for shard in shards:
                if shard.provider == key:
                    span = (shard.start, shard.end)
                    parts = intersect(missing, [span])
                    assert parts == [span] or pages([span], 1) < pages(parts, 1)


def test_request_without_provider_costs_rows_of_all_providers() -> None:
    """One request for three providers returns the rows of all 41, which are paid for."""
    resolved = ResolvedRequest((Item("1", "Item 1", None),), (*PROVIDERS, "csfloat"), False, "USD", 41)
    request = BackfillRequest(items=("1",), start=START, end=END)
    month = MonthUsage(0, 1_000, None)
    prior = PriorProgress(Coverage.from_spans([]))
    plan = plan_backfill(
        request, resolved, (START, END), prior=prior, limits=limits_for("pro"), month=month, now=NOON
    )
    assert [shard.provider for shard in plan.new_shards] == [None]
    assert plan.at_most == -(-100 * 41 // 1_000)


def test_windows_of_an_item_that_fit_one_page_are_one_request() -> None:
    hour = timedelta(hours=1)
    near, far = (START, START + hour), (START + 2 * hour, START + 3 * hour)
    items = tuple(Item(item_id, f"Item {item_id}", None) for item_id in ITEM_IDS)
    request = BackfillRequest(items=ITEM_IDS, start=START, end=far[1], windows=(near, far))
    resolved = ResolvedRequest(items, ("steam",), False, "USD", 41)
    month = MonthUsage(0, 1_000, None)
    limits = limits_for("pro")

    def spans(marketplaces: ResolvedRequest, densities: Densities) -> tuple[BackfillPlan, set[TimeRange]]:
        prior = PriorProgress(Coverage(), densities)
        plan = plan_backfill(
            request, marketplaces, (START, far[1]), prior=prior, limits=limits, month=month, now=NOON
        )
        return plan, {(shard.start, shard.end) for shard in plan.new_shards}

    plan, found = spans(resolved, Densities())
    assert (len(plan.new_shards), found, plan.expected) == (3, {(START, far[1])}, None)

    # A point every five minutes of 41 marketplaces fills two pages; what was seen so far fills one.
    everywhere = dataclasses.replace(resolved, providers=(), every_provider=True)
    plan, found = spans(everywhere, Densities(marketplaces=41))
    assert (len(plan.new_shards), found) == (6, {near, far})
    seen: dict[Scope, ShardDensity] = {
        ("1", None): ShardDensity(2_400, 3),
        ("2", None): ShardDensity(2_400, 3),
    }
    typical = {(False, False): ShardDensity(0, 0), (False, True): ShardDensity(2_400, 3)}
    plan, found = spans(everywhere, Densities(seen, typical, marketplaces=41))
    assert (len(plan.new_shards), found, plan.expected) == (3, {(START, far[1])}, 3)


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 20)), max_size=8), st.integers(1, 60))
def test_bridges_never_cost_more_and_lose_no_time(lengths: list[tuple[int, int]], per_page: int) -> None:
    spans, slot = list[TimeRange](), 0
    for pause, length in lengths:
        spans.append((at(slot + pause + 1), at(slot + pause + 1 + length)))
        slot += pause + 1 + length

    def cost(span: TimeRange) -> float:
        return (span[1] - span[0]) // SLOT // per_page + 1

    bridged = bridge_spans(spans, cost)
    assert sum(map(cost, bridged)) <= sum(map(cost, spans))
    assert subtract(spans, bridged) == []
    assert {start for start, _ in bridged} <= {start for start, _ in spans}


def test_expected_cost_comes_from_what_was_seen() -> None:
    shard = SeriesShard(
        "USD", START, START + timedelta(days=2), item=Item("1", "Item 1", None), provider=None
    )
    limits = limits_for("pro")
    assert Densities().expected_requests("points", shard, limits) is None
    seen: dict[Scope, ShardDensity] = {("1", None): ShardDensity(rows_a_day=1_700, requests_a_day=2)}
    assert Densities(seen).expected_requests("points", shard, limits) == 4
    assert Densities(seen).expected_requests("sales", shard, limits) == 4
    # 41 marketplaces whose quotes change twelve times a day: 984 rows in two days
    assert Densities(changes_a_day=12, marketplaces=41).expected_requests("points", shard, limits) == 1
    assert Densities().expected_requests("candles", shard, limits) == 1


def test_aggregate_without_id_becomes_its_phases() -> None:
    rows = [("7", "Doppler", "Ruby"), ("8", "Doppler", "Sapphire"), ("9", "Redline", None)]
    columns = {name: ITEMS[name] for name in ("item_id", "market_hash_name", "phase")}
    catalog = pl.DataFrame(rows, schema=columns, orient="row")
    resolved = ResolvedRequest(
        (Item("9", "Redline", None), Item(None, "Doppler", None)), PROVIDERS, True, "USD", 41
    )
    assert [item.item_id for item in expand_aggregates(resolved, catalog).items or ()] == ["9", "7", "8"]


def test_plan_says_that_a_history_is_in_dollars() -> None:
    plan = plan_three_items([], every=True)
    assert {shard.currency for shard in plan.new_shards} == {"USD"}
    assert plan.notes[-1] == "in USD: the API rounds its history in any other currency"
