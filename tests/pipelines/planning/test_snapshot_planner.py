"""The snapshot planner: the cheapest route, the shards, the stream starts, refusals and notes."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ConfigError, PlanForbids
from common.shards import Item
from connectors.shards import BID_DELIVERIES, LISTING_DELIVERIES
from connectors.tiers import limits_for
from pipelines.planning.model import CatalogSizes, SnapshotPlan, SnapshotRequest
from pipelines.planning.snapshot_planner import depends_on_sizes, plan_snapshot

THREE = ("steam", "buff163", "csfloat")
DOPPLER = "★ Karambit | Doppler (Factory New)"
AGGREGATE, RUBY = Item("9000", DOPPLER, None), Item("9001", DOPPLER, "Ruby")
WITHOUT_ID = Item(None, DOPPLER, "Black Pearl")
# The catalog of each provider: 2,500 rows, three pages of a thousand.
KNOWN_SIZES = CatalogSizes(
    {(side, provider): 2500 for side in ("standard", "bid") for provider in THREE}, 9000
)


def items(count: int) -> tuple[Item, ...]:
    return tuple(Item(str(number), f"item {number}", None) for number in range(count))


def plan(
    selection: tuple[Item, ...] | None,
    *,
    tier: str = "pro",
    sizes: CatalogSizes = KNOWN_SIZES,
    starts: dict[str, int] | None = None,
    **fields: Any,
) -> SnapshotPlan:
    request = SnapshotRequest("cs2cap", selection, THREE, phased=frozenset({DOPPLER}), **fields)
    return plan_snapshot(request, limits_for(tier), sizes, stream_starts=starts)


def routes(snapshot: SnapshotPlan) -> list[tuple[str, str, int]]:
    """Return the steps as (currency, route, requests), with one entry for all catalogs."""
    requests: dict[tuple[str, str], int] = {}
    for step in snapshot.steps:
        key = (step.currency, step.route)
        requests[key] = requests.get(key, 0) + step.requests
    return [(*key, count) for key, count in requests.items()]


@pytest.mark.parametrize(
    ("selection", "tier", "route"),
    [
        (items(1), "quant", ("item", 1)),
        (items(2), "quant", ("batch", 1)),
        (items(2), "free", ("item", 2)),
        (items(900), "starter", ("batch", 9)),
        (items(901), "starter", ("catalog", 9)),
        (items(1200), "quant", ("catalog", 9)),
        (None, "starter", ("catalog", 9)),
        (None, "free", ("catalog", 75)),
        (None, "quant", ("catalog", 9)),
    ],
)
def test_cheapest_route_is_chosen_and_the_simpler_one_of_equal_routes(
    selection: tuple[Item, ...] | None, tier: str, route: tuple[str, int]
) -> None:
    snapshot = plan(selection, tier=tier)
    assert routes(snapshot) == [("USD", *route)]
    assert snapshot.requests == snapshot.least_requests == route[1]


@pytest.mark.parametrize("tier", ["free", "starter", "pro", "quant"])
@pytest.mark.parametrize("route", ["auto", "item", "batch", "catalog", "stream"])
@pytest.mark.parametrize(
    "selection", [items(1), items(100), (AGGREGATE,), (WITHOUT_ID,), (items(1)[0], WITHOUT_ID), None]
)
def test_sizes_of_catalogs_matter_to_no_plan_that_does_not_depend_on_them(
    selection: tuple[Item, ...] | None, route: Any, tier: str
) -> None:
    request = SnapshotRequest("cs2cap", selection, THREE, phased=frozenset({DOPPLER}), route=route)
    with contextlib.suppress(ConfigError, PlanForbids):
        known = plan_snapshot(request, limits_for(tier), KNOWN_SIZES)
        needs_them = selection is None or route in {"catalog", "stream"}
        assert depends_on_sizes(request, limits_for(tier)) or not needs_them
        if not depends_on_sizes(request, limits_for(tier)):
            assert known == plan_snapshot(request, limits_for(tier), CatalogSizes())


@pytest.mark.parametrize(("rows", "route"), [(3000, "catalog"), (4000, "stream")])
def test_stream_is_chosen_only_if_it_saves_ten_requests(rows: int, route: str) -> None:
    sizes = CatalogSizes({("standard", provider): rows for provider in THREE})
    (shard, *_) = plan(None, sizes=sizes).shards
    assert shard.route == route


@pytest.mark.parametrize(
    ("left", "runs", "route"), [(48, 48, "stream"), (48, 49, "catalog"), (0, 1, "catalog")]
)
def test_stream_is_chosen_only_if_each_run_of_a_day_has_a_start(left: int, runs: int, route: str) -> None:
    snapshot = plan(None, sizes=CatalogSizes({}, 9000), starts={"standard": left}, runs_a_day=runs)
    assert snapshot.shards[0].route == route
    assert snapshot.stream_starts == ({"standard": runs} if route == "stream" else {})


@pytest.mark.parametrize(
    ("fields", "requests"),
    [
        ({}, 1),
        ({"bidders": ("skinshark",)}, 2),
        ({"bidders": ("skinshark",), "asks": False}, 2),  # the listing has the names of all items
        ({"bidders": ("skinshark",), "asks": False, "items": (Item("1", "x", None),)}, 1),
    ],
)
def test_bids_of_a_listing_take_one_request(fields: dict[str, Any], requests: int) -> None:
    request = SnapshotRequest("shark", **{"items": None, "providers": ("skinshark",), **fields})
    plan = plan_snapshot(request, limits_for("standard", kind="skinshark"), CatalogSizes())
    assert (plan.requests, plan.least_requests) == (requests, requests)
    sides = [shard.deliveries for shard in plan.shards]
    asks, bids = fields.get("asks", True), "bidders" in fields
    assert sides == [LISTING_DELIVERIES] * asks + [BID_DELIVERIES] * bids


@pytest.mark.parametrize(("cap", "least", "most"), [(1, 3, 3), (100, 3, 3), (101, 3, 12), (500, 3, 30)])
def test_offers_take_five_tokens_a_page_of_each_item(cap: int, least: int, most: int) -> None:
    """Phases of a name are listed together; several pages may be read twice."""
    items = tuple(Item(item, f"name {item}", phase) for item in "123" for phase in (None, "Ruby"))
    request = SnapshotRequest("shark", items, ("skinshark",), listings_cap=cap)
    plan = plan_snapshot(request, limits_for("standard", kind="skinshark"), CatalogSizes())
    assert [item.full_name for item in plan.walked_items] == ["name 1", "name 2", "name 3"]
    assert (plan.least_requests, plan.requests) == (1 + least, 1 + most)
    assert plan.tokens == 1 + 5 * most
    assert any("is unknown" in note for note in plan.notes) == (least < most)
    assert [shard.route for shard in plan.shards] == ["listing"]


def test_asks_and_bids_have_separate_stream_starts() -> None:
    snapshot = plan(
        None, sizes=CatalogSizes({}, 9000), starts={"standard": 0, "bid": 9}, bidders=THREE[:2], runs_a_day=9
    )
    assert {(shard.deliveries, shard.route) for shard in snapshot.shards} == {
        (("standard",), "catalog"),
        (("bid",), "stream"),
    }
    assert snapshot.stream_starts == {"bid": 9}
    assert snapshot.shards[-1].providers == THREE[:2]


def test_stream_is_used_for_dollars_only() -> None:
    snapshot = plan(None, sizes=CatalogSizes({}, 9000), currencies=("USD", "EUR"))
    assert routes(snapshot) == [("USD", "stream", 1), ("EUR", "catalog", 27)]


def test_one_table_of_rates_replaces_the_requests_in_other_currencies() -> None:
    snapshot = plan(items(2), currencies=("USD", "EUR", "BTC"), fx="table")
    assert {shard.currency for shard in snapshot.shards} == {"USD"}
    assert (snapshot.fx_table, snapshot.requests) == (True, 2)
    assert plan(items(2), fx="table").requests == 1


def test_aggregates_of_phases_are_requested_by_name_and_not_in_a_catalog() -> None:
    snapshot = plan((*items(1200), AGGREGATE, RUBY))
    assert routes(snapshot) == [("USD", "catalog", 9), ("USD", "item", 1)]
    assert [shard.items for shard in snapshot.shards if shard.route == "item"] == [(AGGREGATE,)]
    assert all(AGGREGATE not in (shard.items or ()) for shard in snapshot.shards if shard.route == "catalog")
    assert any(DOPPLER in note for note in snapshot.notes)


def test_phase_without_an_id_is_never_in_a_batch() -> None:
    snapshot = plan((*items(150), WITHOUT_ID, RUBY))
    assert routes(snapshot) == [("USD", "batch", 2), ("USD", "item", 1)]
    assert [shard.items for shard in snapshot.shards if shard.route == "item"] == [(WITHOUT_ID,)]
    assert any("would lose the phases" in note for note in snapshot.notes)


def test_catalog_of_unknown_size_counts_with_the_number_of_all_items() -> None:
    snapshot = plan(None, sizes=CatalogSizes({("standard", "steam"): 1001}, 2500), tier="starter")
    assert (snapshot.requests, snapshot.least_requests) == (2 + 3 + 3, 2 + 1 + 1)
    assert any("(2 here)" in note for note in snapshot.notes)


def test_empty_catalog_costs_one_request() -> None:
    assert plan(None, sizes=CatalogSizes({("standard", provider): 0 for provider in THREE})).requests == 3


def test_catalog_route_has_one_shard_per_provider_and_currency() -> None:
    shards = plan(None, currencies=("USD", "EUR"), every_provider=True).shards
    assert [(shard.currency, shard.providers) for shard in shards] == [
        (currency, (provider,)) for currency in ("USD", "EUR") for provider in THREE
    ]
    assert all(shard.items is None and not shard.every_provider for shard in shards)


@pytest.mark.parametrize(("route", "parts"), [("item", [100, 100, 50]), ("batch", [250]), ("stream", [250])])
def test_shards_of_other_routes_cover_all_providers(route: str, parts: list[int]) -> None:
    shards = plan(items(250), route=route, every_provider=True).shards
    assert [len(shard.items or ()) for shard in shards] == parts
    assert all(shard.providers == THREE and shard.every_provider for shard in shards)


@pytest.mark.parametrize("route", ["item", "batch", "catalog", "stream"])
def test_configured_route_is_used(route: str) -> None:
    snapshot = plan(items(5), route=route, bidders=("steam",))
    assert {shard.route for shard in snapshot.shards} == {route}
    assert snapshot.stream_starts == ({"standard": 1, "bid": 1} if route == "stream" else {})


@pytest.mark.parametrize(
    ("tier", "fields", "message"),
    [
        ("free", {"route": "batch"}, "the free tier does not include the batch route"),
        ("starter", {"route": "stream"}, "the starter tier does not include the stream route"),
        ("free", {"bidders": THREE}, "the free tier does not include bids"),
    ],
)
def test_request_beyond_the_tier_is_forbidden(tier: str, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(PlanForbids, match=message):
        plan(items(2), tier=tier, **fields)


@pytest.mark.parametrize(
    ("selection", "fields"),
    [
        (None, {"route": "item"}),
        (None, {"route": "batch"}),
        (items(2), {"route": "stream", "currencies": ("EUR",)}),
    ],
)
def test_impossible_request_is_a_configuration_error(
    selection: tuple[Item, ...] | None, fields: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError):
        plan(selection, **fields)


@pytest.mark.parametrize("selection", [None, items(7)])
def test_source_with_a_listing_costs_one_request(selection: tuple[Item, ...] | None) -> None:
    limits = limits_for("premium", kind="skinshark")
    snapshot = plan_snapshot(SnapshotRequest("skinshark", selection, ("skinshark",)), limits, CatalogSizes())
    (shard,) = snapshot.shards
    assert (shard.route, shard.deliveries, shard.items) == ("listing", ("standard", "instant"), selection)
    assert snapshot.requests == 1
    with pytest.raises(ConfigError, match="USD"):
        plan_snapshot(
            SnapshotRequest("skinshark", selection, ("skinshark",), ("EUR",)), limits, CatalogSizes()
        )


@given(
    st.integers(1, 1500),
    st.lists(st.sampled_from(["USD", "EUR", "BTC", "JPY"]), min_size=1, unique=True),
    st.sampled_from(["free", "starter", "pro", "quant"]),
)
def test_each_item_is_in_one_shard_per_currency_and_provider(
    count: int, currencies: list[str], tier: str
) -> None:
    selection = (*items(count), AGGREGATE, RUBY, WITHOUT_ID)
    shards = plan(selection, tier=tier, currencies=tuple(currencies)).shards
    assert [shard.number for shard in shards] == list(range(len(shards)))
    for currency in currencies:
        for provider in THREE:
            matching = [s for s in shards if s.currency == currency and provider in s.providers]
            planned_items = [item for shard in matching for item in shard.items or ()]
            assert sorted(planned_items, key=str) == sorted(selection, key=str)


def test_live_basket_needs_the_feeds_and_what_they_can_name() -> None:
    with pytest.raises(PlanForbids, match="does not include the feeds"):
        plan(None, tier="pro", live=True)
    assert any("the feed of asks" in note for note in plan(items(100), tier="quant", live=True).notes)
    with pytest.raises(ConfigError, match="at most 100 items"):
        plan(items(101), tier="quant", live=True)
