"""A backfill asks for what is wanted less what is held: nothing is missed, nothing is asked for twice."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from common.shards import Item
from common.time_ranges import TimeRange, intersect, subtract, union
from connectors.ratelimit.ledger import MonthUsage
from connectors.schemas import ITEMS
from connectors.tiers import limits_for
from pipelines.backfill.limits import ResolvedRequest
from pipelines.backfill.plan import BackfillPlan, PriorProgress, expand_aggregates, plan_backfill
from pipelines.backfill.request import BackfillRequest
from tests.support.clocks import NOON
from warehouse.state.coverage import Coverage, Scope

SLOT = timedelta(minutes=5)
START, END = NOON - 100 * SLOT, NOON
NAMES = ("1", "2", "3")
KEYS = ("steam", "buff163")


def at(slot: int) -> datetime:
    return START + slot * SLOT


slots = st.tuples(st.integers(-20, 120), st.integers(-20, 120))
spans = slots.map(lambda pair: (at(min(pair)), at(max(pair))))
scopes = st.tuples(st.sampled_from(NAMES), st.sampled_from((None, *KEYS)))
held = st.lists(st.tuples(scopes, spans), max_size=12)


def planned(held: list[tuple[Scope, TimeRange]], *, every: bool) -> BackfillPlan:
    """The plan for three items at two providers, or at all there are."""
    items = tuple(Item(name, f"Item {name}", None) for name in NAMES)
    chosen = ResolvedRequest(items, KEYS, every, "USD", 41)
    request = BackfillRequest(items=NAMES, start=START, end=END)
    known = PriorProgress(Coverage.from_spans(held))
    month = MonthUsage(0, 1_000, None)
    return plan_backfill(
        request, chosen, (START, END), prior=known, limits=limits_for("pro"), month=month, now=NOON
    )


@given(held)
def test_of_all_providers_exactly_what_is_not_held_is_asked_for(held: list[tuple[Scope, TimeRange]]) -> None:
    plan = planned(held, every=True)
    for name in NAMES:
        there = Coverage.from_spans(held).spans_of(name, None)
        mine = [(ask.start, ask.end) for ask in plan.asks if ask.item and ask.item.item_id == name]
        assert union(mine) == subtract([(START, END)], there)
        assert sum((end - start for start, end in mine), timedelta()) == sum(
            (end - start for start, end in union(mine)), timedelta()
        )
    assert plan.at_least == plan.shards == len(plan.asks) <= (plan.at_most or 0)


@given(held)
def test_of_each_provider_all_that_is_not_held_is_asked_for(held: list[tuple[Scope, TimeRange]]) -> None:
    plan = planned(held, every=False)
    for name in NAMES:
        for key in KEYS:
            asks = [ask for ask in plan.asks if ask.item and ask.item.item_id == name]
            mine = [(ask.start, ask.end) for ask in asks if ask.provider in {None, key}]
            lacking = subtract([(START, END)], Coverage.from_spans(held).spans_of(name, key))
            assert intersect(lacking, mine) == lacking
            own = [(ask.start, ask.end) for ask in asks if ask.provider == key]
            assert subtract(own, lacking) == []


def test_a_walk_that_names_no_provider_may_tell_of_every_one() -> None:
    """Three of the source's providers are asked for all at once, and what the others have comes as well."""
    chosen = ResolvedRequest((Item("1", "Item 1", None),), (*KEYS, "csfloat"), False, "USD", 41)
    request = BackfillRequest(items=("1",), start=START, end=END)
    month = MonthUsage(0, 1_000, None)
    known = PriorProgress(Coverage.from_spans([]))
    plan = plan_backfill(
        request, chosen, (START, END), prior=known, limits=limits_for("pro"), month=month, now=NOON
    )
    assert [ask.provider for ask in plan.asks] == [None]
    assert plan.at_most == -(-100 * 41 // 1_000)


def test_an_aggregate_without_an_id_stands_for_its_phases() -> None:
    rows = [("7", "Doppler", "Ruby"), ("8", "Doppler", "Sapphire"), ("9", "Redline", None)]
    columns = {name: ITEMS[name] for name in ("item_id", "market_hash_name", "phase")}
    catalog = pl.DataFrame(rows, schema=columns, orient="row")
    chosen = ResolvedRequest((Item("9", "Redline", None), Item(None, "Doppler", None)), KEYS, True, "USD", 41)
    assert [item.item_id for item in expand_aggregates(chosen, catalog).items or ()] == ["9", "7", "8"]
