"""Buy orders, read as asks are: their own fields, their own marketplaces, and what is wrong with a row."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from common import errors
from connectors.base import ExtractResult
from connectors.cs2cap.parser import reparse_reject
from connectors.shards import BIDS, Route, Shard
from sandbox.core import Sandbox
from tests.support.cs2cap import numbered_items, walk
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, basket

BUYERS = ("steam", "buff163")
ROUTES: tuple[Route, ...] = ("item", "batch", "catalog")


def shard(route: Route, **fields: object) -> Shard:
    whole = Shard(0, "cs2cap", "USD", BUYERS[:1], tuple(numbered_items(20)), BIDS, route=route)
    return replace(whole, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("currency", ["USD", "BTC", "KWD"])
def test_the_highest_bid_takes_the_place_of_the_ask(sandbox: Sandbox, route: Route, currency: str) -> None:
    landing, outcome = walk(sandbox.url, shard(route, currency=currency), limit=None)
    assert isinstance(outcome, ExtractResult)
    told = sandbox.ledger(bids=True, currency=currency, providers=BUYERS[:1], item_ids=range(1, 21))
    expected = {str(row["item_id"]): row for row in told.iter_rows(named=True)}
    assert len(landing.rows) == len(expected)
    for row in landing.rows.iter_rows(named=True):
        bid = expected[row["item_id"]]
        assert (row["lowest_ask"], row["quantity"]) == (bid["highest_bid"], bid["num_bids"])
        assert row["price"] == Decimal(bid["highest_bid_decimal"])
        assert (row["delivery"], row["url"]) == ("bid", None)


@pytest.mark.parametrize("route", ROUTES)
def test_a_broken_bid_is_rejected_and_can_be_read_again(sandbox: Sandbox, route: Route) -> None:
    path = "/v1/bids/batch" if route == "batch" else "/v1/bids"
    sandbox.fault("broken_row", path=path, field="highest_bid", value="abc")
    landing, _ = walk(sandbox.url, shard(route), limit=None)
    (reject,) = (reject for page in landing.pages for reject in page.rejects)
    assert reparse_reject(reject.raw, "bid") is None
    again = reparse_reject(reject.raw.replace('"abc"', "2464"), "bid")
    assert again is not None
    assert again["lowest_ask"].to_list() == [2464]
    assert again["delivery"].to_list() == ["bid"]
    assert json.loads(reject.raw)["item_id"]


@pytest.mark.parametrize("route", [*ROUTES, "stream"])
def test_a_marketplace_without_buy_orders_is_our_own_mistake(sandbox: Sandbox, route: Route) -> None:
    landing, error = walk(sandbox.url, shard(route, providers=("skinport",)))
    assert isinstance(error, errors.RequestRejected)
    assert landing.pages == []


@pytest.mark.parametrize("route", ROUTES)
def test_a_tier_without_bids_is_told(make_sandbox: MakeSandbox, route: Route) -> None:
    _, error = walk(make_sandbox(tier="free").url, shard(route), limit=None)
    assert isinstance(error, errors.PlanForbids)


@pytest.mark.parametrize("route", [*ROUTES, "stream"])
def test_an_index_that_is_away_is_waited_for(sandbox: Sandbox, route: Route) -> None:
    path = "/v1/bids/batch" if route == "batch" else "/v1/bids"
    sandbox.fault("unavailable", path=path, times=2)
    landing, outcome = walk(sandbox.url, shard(route), limit=None)
    assert isinstance(outcome, ExtractResult)
    assert landing.rows.height


def test_a_basket_with_bids_fills_the_view_of_bids(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(tier="pro")
    shape = basket(items=["AUG | *", 30], providers=["steam", "buff163", "skinport"], bids=True)
    bench = Bench.at(tmp_path, box, shape, source={"tier": "pro"})
    (result,) = bench.snapshot()
    assert result.state == "done"
    bids = bench.ask("SELECT provider, item_id::INT, highest_bid, price, num_bids FROM bids ORDER BY ALL")
    asked = [item for (item,) in bench.ask("SELECT DISTINCT item_id::INT FROM quotes")]
    told = box.ledger(bids=True, providers=BUYERS, item_ids=asked)
    columns = ("provider", "item_id", "highest_bid", "highest_bid_decimal", "num_bids")
    expected = [(p, i, bid, Decimal(d), n) for p, i, bid, d, n in told.select(*columns).iter_rows()]
    assert bids == sorted(expected)
    assert bench.ask("SELECT count(*) FROM quotes WHERE delivery = 'bid'") == [(0,)]
