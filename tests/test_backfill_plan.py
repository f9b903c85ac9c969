"""A backfill asks for what is wanted less what is held: nothing is missed, nothing is asked for twice."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from connectors.frames import ITEMS
from connectors.plan import Item
from connectors.terms import terms_of
from connectors.throttle import Usage
from flows.backfill_limits import Chosen
from flows.backfill_plan import BackfillPlan, Known, plan_backfill, with_ids
from flows.backfill_request import BackfillRequest
from tests.conftest import NOON
from warehouse.coverage import Coverage, Scope
from warehouse.spans import Span, intersect, subtract, union

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


def planned(held: list[tuple[Scope, Span]], *, every: bool) -> BackfillPlan:
    """The plan for three items at two providers, or at all there are."""
    items = tuple(Item(name, f"Item {name}", None) for name in NAMES)
    chosen = Chosen(items, KEYS, every, "USD", 41)
    request = BackfillRequest(items=NAMES, start=START, end=END)
    known = Known(Coverage.of(held))
    month = Usage(0, 1_000, None)
    return plan_backfill(request, (START, END), chosen, known, terms=terms_of("pro"), month=month, now=NOON)


@given(held)
def test_of_all_providers_exactly_what_is_not_held_is_asked_for(held: list[tuple[Scope, Span]]) -> None:
    plan = planned(held, every=True)
    for name in NAMES:
        there = Coverage.of(held).covered(name, None)
        mine = [(ask.start, ask.end) for ask in plan.asks if ask.item and ask.item.item_id == name]
        assert union(mine) == subtract([(START, END)], there)
        assert sum((end - start for start, end in mine), timedelta()) == sum(
            (end - start for start, end in union(mine)), timedelta()
        )
    assert plan.at_least == plan.shards == len(plan.asks) <= (plan.at_most or 0)


@given(held)
def test_of_each_provider_all_that_is_not_held_is_asked_for(held: list[tuple[Scope, Span]]) -> None:
    plan = planned(held, every=False)
    for name in NAMES:
        for key in KEYS:
            asks = [ask for ask in plan.asks if ask.item and ask.item.item_id == name]
            mine = [(ask.start, ask.end) for ask in asks if ask.provider in {None, key}]
            lacking = subtract([(START, END)], Coverage.of(held).covered(name, key))
            assert intersect(lacking, mine) == lacking
            own = [(ask.start, ask.end) for ask in asks if ask.provider == key]
            assert subtract(own, lacking) == []


def test_a_walk_that_names_no_provider_may_tell_of_every_one() -> None:
    """Three of the source's providers are asked for all at once, and what the others have comes as well."""
    chosen = Chosen((Item("1", "Item 1", None),), (*KEYS, "csfloat"), False, "USD", 41)
    request = BackfillRequest(items=("1",), start=START, end=END)
    month = Usage(0, 1_000, None)
    known = Known(Coverage.of([]))
    plan = plan_backfill(request, (START, END), chosen, known, terms=terms_of("pro"), month=month, now=NOON)
    assert [ask.provider for ask in plan.asks] == [None]
    assert plan.at_most == -(-100 * 41 // 1_000)


def test_an_aggregate_without_an_id_stands_for_its_phases() -> None:
    rows = [("7", "Doppler", "Ruby"), ("8", "Doppler", "Sapphire"), ("9", "Redline", None)]
    columns = {name: ITEMS[name] for name in ("item_id", "market_hash_name", "phase")}
    catalog = pl.DataFrame(rows, schema=columns, orient="row")
    chosen = Chosen((Item("9", "Redline", None), Item(None, "Doppler", None)), KEYS, True, "USD", 41)
    assert [item.item_id for item in with_ids(chosen, catalog).items or ()] == ["9", "7", "8"]
