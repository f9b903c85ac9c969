"""The planner against the minimum of all possible plans, found by enumeration."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.shards import Item
from connectors.tiers import limits_for
from pipelines.planning.model import CatalogSizes, SnapshotRequest
from pipelines.planning.snapshot_planner import plan_snapshot

PAGE = {"free": 100, "starter": 1000, "pro": 1000, "quant": 1000}
BATCHES = {"free": False, "starter": True, "pro": True, "quant": True}
STREAMS = {"free": 0, "starter": 0, "pro": 50, "quant": 300}
DOPPLER = "★ Karambit | Doppler (Factory New)"
FIVE = ("USD", "EUR", "GBP", "JPY", "BTC")


class Shape(NamedTuple):
    """A basket: plain items (None: the whole catalog), aggregates of phases, phases without an id."""

    plain: int | None
    aggregates: int = 0
    without_id: int = 0
    rows: tuple[int, ...] = (14_700,)
    bids: tuple[int, ...] = ()
    currencies: tuple[str, ...] = ("USD",)
    fx: str = "api"
    runs_a_day: int = 24


ALL41 = tuple(500 * number for number in range(41))
SHAPES = {
    "1 item x 1 provider x 1 currency": Shape(1),
    "2 items x 3 providers": Shape(2, rows=(900, 100, 0)),
    "101 items x 41 providers": Shape(101, rows=ALL41),
    "120 items x 1 small provider": Shape(120, rows=(99,)),
    "60 items, aggregates and phases without an id, x 2 providers x 2 currencies": Shape(
        60, 3, 2, rows=(40, 1001), currencies=FIVE[:2]
    ),
    "aggregates of phases only": Shape(0, 12, rows=(10,)),
    "90 items x 5 currencies by one table": Shape(90, rows=(5000,), currencies=FIVE, fx="table"),
    "all x 1 provider x 1 currency": Shape(None),
    "all x 3 providers x 2 currencies": Shape(None, rows=(14_700, 10_001, 900), currencies=FIVE[:2]),
    "all x 41 providers x 1 currency every 28m": Shape(None, rows=ALL41, runs_a_day=52),
    "all x all x 5 currencies, with bids": Shape(None, rows=ALL41, bids=ALL41[:12], currencies=FIVE),
    "all x all x 5 currencies by one table, with bids": Shape(
        None, rows=ALL41, bids=ALL41[:12], currencies=FIVE, fx="table"
    ),
}


def minimum(shape: Shape, tier: str) -> int:
    """Return the fewest requests of any plan: of each side and currency, and of the table of rates."""
    needs_table = shape.fx == "table" and shape.currencies != ("USD",)
    currencies = ("USD",) if needs_table else shape.currencies
    sides = [rows for rows in (shape.rows, shape.bids) if rows]
    return needs_table + sum(
        _least(shape, rows, tier, streams=currency == "USD" and shape.runs_a_day <= STREAMS[tier])
        for rows in sides
        for currency in currencies
    )


def _least(shape: Shape, rows: tuple[int, ...], tier: str, *, streams: bool) -> int:
    """Return the minimum without a stream, or with a stream if that saves ten requests."""
    without_stream, with_stream = math.inf, math.inf
    pages = [max(math.ceil(count / PAGE[tier]), 1) for count in rows]
    for cost, streamed in _every_plan(shape, pages, batch=BATCHES[tier]):
        if not streamed:
            without_stream = min(without_stream, cost)
        elif streams:
            with_stream = min(with_stream, cost)
    return int(with_stream if without_stream - with_stream >= 10 else without_stream)


def _every_plan(shape: Shape, pages: list[int], *, batch: bool) -> Iterator[tuple[int, bool]]:
    """Yield the cost of each plan, and whether it has a stream."""
    if shape.plain is None:
        return (yield from [(sum(pages), False), (1, True)])
    for plain, aggregates, without_id in itertools.product(
        _distributions(shape.plain, 4),
        _distributions(shape.aggregates, 2),
        _distributions(shape.without_id, 3),
    ):
        single = plain[0] + aggregates[0] + without_id[0]
        batched = plain[1] + aggregates[1]
        listed, streamed = plain[2] + without_id[1], plain[3] + without_id[2]
        if batched and not batch:
            continue
        cost = single + math.ceil(batched / 100) + sum(pages) * (listed > 0) + (streamed > 0)
        yield cost, streamed > 0


def _distributions(count: int, routes: int) -> Iterator[tuple[int, ...]]:
    """Yield every distribution of so many items over so many routes."""
    if routes == 1:
        yield (count,)
        return
    for first in range(count + 1):
        for others in _distributions(count - first, routes - 1):
            yield (first, *others)


def planned_requests(shape: Shape, tier: str) -> int:
    """Return the requests of the planner's plan."""
    plain = tuple(Item(str(number), f"item {number}", None) for number in range(shape.plain or 0))
    aggregates = tuple(Item(f"9{number}", f"{number} {DOPPLER}", None) for number in range(shape.aggregates))
    without_id = tuple(Item(None, DOPPLER, f"Phase {number}") for number in range(shape.without_id))
    providers = tuple(f"p{number}" for number in range(len(shape.rows)))
    sides = (("standard", shape.rows), ("bid", shape.bids))
    seen = {(side, key): rows for side, counts in sides for key, rows in zip(providers, counts, strict=False)}
    request = SnapshotRequest(
        source="cs2cap",
        items=None if shape.plain is None else (*plain, *aggregates, *without_id),
        providers=providers,
        currencies=shape.currencies,
        bidders=providers[: len(shape.bids)],
        phased=frozenset(item.market_hash_name for item in (*aggregates, *without_id)),
        fx="table" if shape.fx == "table" else "api",
        runs_a_day=shape.runs_a_day,
    )
    return plan_snapshot(request, limits_for(tier), CatalogSizes(seen)).requests


@pytest.mark.parametrize("tier", PAGE)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_no_plan_costs_less(shape: Shape, tier: str) -> None:
    allowed = shape if BATCHES[tier] else shape._replace(bids=())  # the tier has no bids
    assert planned_requests(allowed, tier) == minimum(allowed, tier)


@given(
    shape=st.builds(
        Shape,
        plain=st.one_of(st.none(), st.integers(0, 12)),
        aggregates=st.integers(0, 3),
        without_id=st.integers(0, 3),
        rows=st.lists(st.integers(0, 4000), min_size=1, max_size=5).map(tuple),
        bids=st.just(()),
        currencies=st.lists(st.sampled_from(FIVE), min_size=1, unique=True).map(tuple),
        fx=st.sampled_from(["api", "table"]),
        runs_a_day=st.integers(1, 400),
    ).filter(lambda shape: shape.plain is None or shape.plain + shape.aggregates + shape.without_id > 0),
    tier=st.sampled_from(list(PAGE)),
)
def test_no_plan_of_a_random_basket_costs_less(shape: Shape, tier: str) -> None:
    assert planned_requests(shape, tier) == minimum(shape, tier)
