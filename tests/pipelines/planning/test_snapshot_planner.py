"""The plan with the fewest requests for what a basket wants: its routes, its shards, and what it says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ConfigError, PlanForbids
from common.shards import Item
from connectors.tiers import limits_for
from pipelines.planning.model import CatalogSizes, SnapshotPlan, SnapshotRequest
from pipelines.planning.snapshot_planner import plan_snapshot

THREE = ("steam", "buff163", "csfloat")
DOPPLER = "★ Karambit | Doppler (Factory New)"
MERGED, RUBY = Item("9000", DOPPLER, None), Item("9001", DOPPLER, "Ruby")
NAMELESS = Item(None, DOPPLER, "Black Pearl")
# What any of these providers lists: 2,500 rows, three pages of a thousand.
LOOKED_AT = CatalogSizes({(side, provider): 2500 for side in ("standard", "bid") for provider in THREE}, 9000)


def items(count: int) -> tuple[Item, ...]:
    return tuple(Item(str(number), f"item {number}", None) for number in range(count))


def planned(
    wanted: tuple[Item, ...] | None,
    *,
    tier: str = "pro",
    sizes: CatalogSizes = LOOKED_AT,
    starts: dict[str, int] | None = None,
    **fields: Any,
) -> SnapshotPlan:
    want = SnapshotRequest("cs2cap", wanted, THREE, phased=frozenset({DOPPLER}), **fields)
    return plan_snapshot(want, limits_for(tier), sizes, starts)


def routes(made: SnapshotPlan) -> list[tuple[str, str, int]]:
    """The legs as (currency, route, requests), catalogs together."""
    counted: dict[tuple[str, str], int] = {}
    for leg in made.legs:
        counted[leg.currency, leg.route] = counted.get((leg.currency, leg.route), 0) + leg.requests
    return [(*key, count) for key, count in counted.items()]


@pytest.mark.parametrize(
    ("wanted", "tier", "route"),
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
def test_the_route_with_the_fewest_requests_and_of_two_the_simpler_one(
    wanted: tuple[Item, ...] | None, tier: str, route: tuple[str, int]
) -> None:
    made = planned(wanted, tier=tier)
    assert routes(made) == [("USD", *route)]
    assert made.requests == made.least_requests == route[1]


@pytest.mark.parametrize(("rows", "route"), [(3000, "catalog"), (4000, "stream")])
def test_a_stream_must_save_ten_requests(rows: int, route: str) -> None:
    sizes = CatalogSizes({("standard", provider): rows for provider in THREE})
    (shard, *_) = planned(None, sizes=sizes).shards
    assert shard.route == route


@pytest.mark.parametrize(
    ("left", "runs", "route"), [(48, 48, "stream"), (48, 49, "catalog"), (0, 1, "catalog")]
)
def test_a_stream_must_have_a_start_for_every_run_of_a_day(left: int, runs: int, route: str) -> None:
    made = planned(None, sizes=CatalogSizes({}, 9000), starts={"standard": left}, runs_a_day=runs)
    assert made.shards[0].route == route
    assert made.starts == ({"standard": runs} if route == "stream" else {})


def test_asks_and_bids_have_starts_of_their_own() -> None:
    made = planned(
        None, sizes=CatalogSizes({}, 9000), starts={"standard": 0, "bid": 9}, bidders=THREE[:2], runs_a_day=9
    )
    assert {(shard.deliveries, shard.route) for shard in made.shards} == {
        (("standard",), "catalog"),
        (("bid",), "stream"),
    }
    assert made.starts == {"bid": 9}
    assert made.shards[-1].providers == THREE[:2]


def test_a_stream_is_in_dollars_only() -> None:
    made = planned(None, sizes=CatalogSizes({}, 9000), currencies=("USD", "EUR"))
    assert routes(made) == [("USD", "stream", 1), ("EUR", "catalog", 27)]


def test_one_table_of_rates_takes_the_place_of_the_other_currencies() -> None:
    made = planned(items(2), currencies=("USD", "EUR", "BTC"), fx="table")
    assert {shard.currency for shard in made.shards} == {"USD"}
    assert (made.fx_table, made.requests) == (True, 2)
    assert planned(items(2), fx="table").requests == 1


def test_names_that_stand_for_phases_are_in_no_catalog() -> None:
    made = planned((*items(1200), MERGED, RUBY))
    assert routes(made) == [("USD", "catalog", 9), ("USD", "item", 1)]
    assert [shard.items for shard in made.shards if shard.route == "item"] == [(MERGED,)]
    assert all(MERGED not in (shard.items or ()) for shard in made.shards if shard.route == "catalog")
    assert any(DOPPLER in note for note in made.notes)


def test_a_phase_without_an_id_is_never_in_a_batch() -> None:
    made = planned((*items(150), NAMELESS, RUBY))
    assert routes(made) == [("USD", "batch", 2), ("USD", "item", 1)]
    assert [shard.items for shard in made.shards if shard.route == "item"] == [(NAMELESS,)]
    assert any("would lose the phases" in note for note in made.notes)


def test_a_catalog_that_was_never_looked_at_counts_with_every_item() -> None:
    made = planned(None, sizes=CatalogSizes({("standard", "steam"): 1001}, 2500), tier="starter")
    assert (made.requests, made.least_requests) == (2 + 3 + 3, 2 + 1 + 1)
    assert any("(2 here)" in note for note in made.notes)


def test_an_empty_catalog_costs_a_request() -> None:
    assert planned(None, sizes=CatalogSizes({("standard", provider): 0 for provider in THREE})).requests == 3


def test_a_catalog_is_a_shard_a_provider_and_currency() -> None:
    shards = planned(None, currencies=("USD", "EUR"), every_provider=True).shards
    assert [(shard.currency, shard.providers) for shard in shards] == [
        (currency, (provider,)) for currency in ("USD", "EUR") for provider in THREE
    ]
    assert all(shard.items is None and not shard.every_provider for shard in shards)


@pytest.mark.parametrize(("route", "parts"), [("item", [100, 100, 50]), ("batch", [250]), ("stream", [250])])
def test_other_shards_are_for_all_providers_at_once(route: str, parts: list[int]) -> None:
    shards = planned(items(250), route=route, every_provider=True).shards
    assert [len(shard.items or ()) for shard in shards] == parts
    assert all(shard.providers == THREE and shard.every_provider for shard in shards)


@pytest.mark.parametrize("route", ["item", "batch", "catalog", "stream"])
def test_a_route_of_the_users_is_kept(route: str) -> None:
    made = planned(items(5), route=route, bidders=("steam",))
    assert {shard.route for shard in made.shards} == {route}
    assert made.starts == ({"standard": 1, "bid": 1} if route == "stream" else {})


@pytest.mark.parametrize(
    ("tier", "fields", "told"),
    [
        ("free", {"route": "batch"}, "the free tier does not include the batch route"),
        ("starter", {"route": "stream"}, "the starter tier does not include the stream route"),
        ("free", {"bidders": THREE}, "the free tier does not include bids"),
    ],
)
def test_what_the_tier_lacks_is_refused(tier: str, fields: dict[str, Any], told: str) -> None:
    with pytest.raises(PlanForbids, match=told):
        planned(items(2), tier=tier, **fields)


@pytest.mark.parametrize(
    ("wanted", "fields"),
    [
        (None, {"route": "item"}),
        (None, {"route": "batch"}),
        (items(2), {"route": "stream", "currencies": ("EUR",)}),
    ],
)
def test_what_cannot_be_is_refused(wanted: tuple[Item, ...] | None, fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        planned(wanted, **fields)


@pytest.mark.parametrize("wanted", [None, items(7)])
def test_a_source_that_lists_everything_at_once_costs_one_request(wanted: tuple[Item, ...] | None) -> None:
    terms = limits_for("premium", kind="skinshark")
    made = plan_snapshot(SnapshotRequest("skinshark", wanted, ("skinshark",)), terms, CatalogSizes())
    (shard,) = made.shards
    assert (shard.route, shard.deliveries, shard.items) == ("listing", ("standard", "instant"), wanted)
    assert made.requests == 1
    with pytest.raises(ConfigError, match="USD"):
        plan_snapshot(SnapshotRequest("skinshark", wanted, ("skinshark",), ("EUR",)), terms, CatalogSizes())


@given(
    st.integers(1, 1500),
    st.lists(st.sampled_from(["USD", "EUR", "BTC", "JPY"]), min_size=1, unique=True),
    st.sampled_from(["free", "starter", "pro", "quant"]),
)
def test_every_item_is_in_one_shard_of_each_currency_and_provider(
    count: int, currencies: list[str], tier: str
) -> None:
    wanted = (*items(count), MERGED, RUBY, NAMELESS)
    shards = planned(wanted, tier=tier, currencies=tuple(currencies)).shards
    assert [shard.number for shard in shards] == list(range(len(shards)))
    for currency in currencies:
        for provider in THREE:
            mine = [s for s in shards if s.currency == currency and provider in s.providers]
            held = [item for shard in mine for item in shard.items or ()]
            assert sorted(held, key=str) == sorted(wanted, key=str)
