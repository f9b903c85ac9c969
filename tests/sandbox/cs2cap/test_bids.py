"""Bids: below the asks, changing with them, at the marketplaces that have buy orders."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from sandbox.core import Sandbox
from sandbox.http_types import ApiRequest
from sandbox.market.board import Quote
from sandbox.market.providers import KEYS
from sandbox.market.sides import BUYERS, bid_for
from tests.support.sandbox_series import AUTHORIZATION, respond
from tests.support.sandboxes import HttpGet, MakeSandbox

PLACES = st.integers(0, 10**6)
DOPPLER = "★ Karambit | Doppler (Factory New)"


@given(place=PLACES, price=st.integers(2, 10**7), quantity=st.integers(1, 500))
def test_bid_is_below_the_ask_and_changes_with_it(place: int, price: int, quantity: int) -> None:
    bids = [bid_for(place, Quote(price + n, quantity, None)) for n in range(61)]
    restocked = bid_for(place, Quote(price, quantity + 1, None))
    if bids[0] is None:
        assert bids == [None] * 61
        assert restocked is None
    else:
        assert 1 <= bids[0].price < price
        assert bids[0].price >= price * 0.86 - 1
        assert bids[0] not in {*bids[1:], restocked}


@given(place=PLACES)
def test_no_bid_without_an_ask_or_for_an_ask_of_one_cent(place: int) -> None:
    assert bid_for(place, None) is None
    assert bid_for(place, Quote(1, 5, None)) is None


def read_bids(sandbox: Sandbox, **query: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    more = True
    while more:
        window = (("limit", "300"), ("offset", str(len(rows))))
        _, page = respond(
            sandbox, ApiRequest("GET", "/v1/bids", (*query.items(), *window), headers=AUTHORIZATION)
        )
        rows += page["items"]
        more = page["pagination"]["has_next"]
        assert (
            page["pagination"]["total"]
            == sandbox.ledger(
                bids=True, providers=[query["providers"]] if "providers" in query else None
            ).height
        )
    return rows


@pytest.mark.parametrize("query", [{}, {"providers": "steam"}, {"currency": "BTC"}], ids=str)
def test_pages_of_bids_equal_the_ledger(sandbox: Sandbox, query: dict[str, str]) -> None:
    rows = read_bids(sandbox, **query)
    expected = sandbox.ledger(
        bids=True,
        currency=query.get("currency", "USD"),
        providers=[query["providers"]] if "providers" in query else None,
    )
    for name in ("provider", "item_id", "phase", "highest_bid", "highest_bid_decimal", "num_bids"):
        assert [row.get(name) for row in rows] == expected[name].to_list(), name
    assert not any({"link", "url", "lowest_ask", "quantity"} & set(row) for row in rows)


def test_twelve_marketplaces_have_buy_orders(sandbox: Sandbox, http_get: HttpGet) -> None:
    keys = {KEYS[position] for position in BUYERS}
    assert len(keys) == 12
    page = http_get(sandbox, "/v1/bids").json()
    assert set(page["meta"]["providers_queried"]) == keys
    assert page["meta"]["filters"] == {}
    assert set(sandbox.ledger(bids=True)["provider"].unique()) == keys
    providers = http_get(sandbox, "/v1/providers").json().values()
    assert {provider["key"] for provider in providers if provider["features"]["has_buy_orders"]} == keys


def test_marketplaces_without_buy_orders_are_refused(sandbox: Sandbox, http_get: HttpGet) -> None:
    refused = http_get(sandbox, "/v1/bids", providers=["steam", "skinport", "avanmarket"])
    assert refused.status_code == 400
    assert refused.json() == {"detail": "Providers do not support buy orders: avanmarket, skinport"}
    assert http_get(sandbox, "/v1/bids", providers="nobody").status_code == 422


def test_most_asks_have_a_bid(sandbox: Sandbox) -> None:
    buyers = [KEYS[position] for position in BUYERS]
    asks, bids = sandbox.ledger(providers=buyers), sandbox.ledger(bids=True)
    assert 0.8 < bids.height / asks.height < 1
    joined = bids.join(asks, on=["provider", "item_id"])
    assert joined.height == bids.height
    assert (joined["highest_bid"] < joined["lowest_ask"]).all()
    assert_frame_equal(joined.select("timestamp"), joined.select(timestamp="timestamp_right"))


def test_aggregate_has_the_highest_bid_of_its_phases(sandbox: Sandbox, http_get: HttpGet) -> None:
    items = sandbox.market.board.catalog.by_name[DOPPLER]
    phases = sandbox.ledger(bids=True, item_ids=[entry.item_id for entry in items if entry.phase])
    expected = phases.group_by("provider").agg(pl.max("highest_bid"), pl.sum("num_bids")).sort("provider")
    rows = http_get(sandbox, "/v1/bids", market_hash_name=DOPPLER).json()["items"]
    assert [(row["provider"], row["highest_bid"], row["num_bids"]) for row in rows] == expected.rows()


def test_id_wins_over_name_and_phase(sandbox: Sandbox, http_get: HttpGet) -> None:
    page = http_get(sandbox, "/v1/bids", item_id=1, market_hash_name=DOPPLER, phase="Ruby").json()
    assert page["items"] == http_get(sandbox, "/v1/bids", item_id=1).json()["items"]
    assert page["meta"]["filters"] == {"item_id": 1}


def test_bids_move_vanish_and_go_dark_with_the_asks(sandbox: Sandbox, http_get: HttpGet) -> None:
    before = sandbox.ledger(bids=True, providers=["steam"])
    item_ids = before["item_id"][:3].to_list()
    sandbox.move(3, provider="steam", item_ids=item_ids)
    moved = sandbox.ledger(bids=True, providers=["steam"])
    assert moved.join(before, on=moved.columns, how="anti", nulls_equal=True)["item_id"].to_list() == item_ids
    sandbox.vanish(3, provider="steam", item_ids=item_ids)
    assert sandbox.ledger(bids=True, providers=["steam"]).height == before.height - 3
    sandbox.set_provider_dark("steam")
    assert http_get(sandbox, "/v1/bids", providers="steam").json()["pagination"]["total"] == 0


def test_page_of_bids_is_rendered_again_after_a_change(sandbox: Sandbox, http_get: HttpGet) -> None:
    before = http_get(sandbox, "/v1/bids", providers="steam").json()["items"]
    sandbox.restock(100, provider="steam")
    after = http_get(sandbox, "/v1/bids", providers="steam").json()["items"]
    assert [row["num_bids"] for row in before] != [row["num_bids"] for row in after]
    assert http_get(sandbox, providers="steam").json()["items"][0].keys() != after[0].keys()


def test_free_plan_has_no_bids(make_sandbox: MakeSandbox, http_get: HttpGet) -> None:
    refused = http_get(make_sandbox(tier="free"), "/v1/bids")
    assert refused.status_code == 403
    assert refused.json() == {
        "code": "FORBIDDEN",
        "detail": "Access to /v1/bids is not enabled for this tier.",
    }
    assert http_get(make_sandbox(tier="starter"), "/v1/bids").status_code == 200


def test_unavailable_bids_have_an_error_code_of_their_own(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.fault("unavailable", path="/v1/bids")
    unavailable = http_get(sandbox, "/v1/bids")
    assert (unavailable.status_code, unavailable.json()["code"]) == (503, "BIDS_INDEX_UNAVAILABLE")
    assert unavailable.json()["detail"].startswith("Bids data is temporarily unavailable")
