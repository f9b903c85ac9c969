"""A backfill plan requests the uncovered part of the window: all of it, and nothing twice."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from common.shards import Item
from common.time_ranges import TimeRange, intersect, subtract, union
from connectors.ratelimit.ledger_tables import MonthUsage
from connectors.schemas import ITEMS
from connectors.tiers import limits_for
from pipelines.backfill.limits import ResolvedRequest
from pipelines.backfill.plan import BackfillPlan, PriorProgress, expand_aggregates, plan_backfill
from pipelines.backfill.request import BackfillRequest
from tests.support.clocks import NOON
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


@given(coverages)
def test_all_providers_request_exactly_the_uncovered_time(covered: list[tuple[Scope, TimeRange]]) -> None:
    plan = plan_three_items(covered, every=True)
    for item_id in ITEM_IDS:
        present = Coverage.from_spans(covered).spans_of(item_id, None)
        requested = [
            (shard.start, shard.end)
            for shard in plan.new_shards
            if shard.item and shard.item.item_id == item_id
        ]
        assert union(requested) == subtract([(START, END)], present)
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
            requested_alone = [(shard.start, shard.end) for shard in shards if shard.provider == key]
            assert subtract(requested_alone, missing) == []


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
