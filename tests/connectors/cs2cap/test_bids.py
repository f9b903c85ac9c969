"""Bids are extracted like asks: from their own fields, routes and providers."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from common import errors
from connectors.base import ExtractResult
from connectors.cs2cap.parser import reparse_reject
from connectors.shards import BID_DELIVERIES, Route, Shard
from sandbox.core import Sandbox
from tests.support.cs2cap import extract, numbered_items
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, basket

BUYERS = ("steam", "buff163")
ROUTES: tuple[Route, ...] = ("item", "batch", "catalog")


def shard(route: Route, **fields: object) -> Shard:
    base = Shard(
        0,
        "cs2cap",
        "USD",
        providers=BUYERS[:1],
        items=tuple(numbered_items(20)),
        deliveries=BID_DELIVERIES,
        route=route,
    )
    return replace(base, **fields)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("currency", ["USD", "BTC", "KWD"])
def test_highest_bid_is_stored_in_the_columns_of_an_ask(
    sandbox: Sandbox, route: Route, currency: str
) -> None:
    collector, result = extract(sandbox.url, shard(route, currency=currency), limit=None)
    assert isinstance(result, ExtractResult)
    bids = sandbox.ledger(bids=True, currency=currency, providers=BUYERS[:1], item_ids=range(1, 21))
    expected = {str(row["item_id"]): row for row in bids.iter_rows(named=True)}
    assert len(collector.rows) == len(expected)
    for row in collector.rows.iter_rows(named=True):
        bid = expected[row["item_id"]]
        assert (row["lowest_ask"], row["quantity"]) == (bid["highest_bid"], bid["num_bids"])
        assert row["price"] == Decimal(bid["highest_bid_decimal"])
        assert (row["delivery"], row["url"]) == ("bid", None)


@pytest.mark.parametrize("route", ROUTES)
def test_broken_bid_is_rejected_and_can_be_reparsed_after_a_fix(sandbox: Sandbox, route: Route) -> None:
    path = "/v1/bids/batch" if route == "batch" else "/v1/bids"
    sandbox.fault("broken_row", path=path, field="highest_bid", value="abc")
    collector, _ = extract(sandbox.url, shard(route), limit=None)
    (reject,) = (reject for page in collector.pages for reject in page.rejects)
    assert reparse_reject(reject.raw, "bid") is None
    fixed = reparse_reject(reject.raw.replace('"abc"', "2464"), "bid")
    assert fixed is not None
    assert fixed["lowest_ask"].to_list() == [2464]
    assert fixed["delivery"].to_list() == ["bid"]
    assert json.loads(reject.raw)["item_id"]


@pytest.mark.parametrize("route", [*ROUTES, "stream"])
def test_provider_without_bids_is_rejected(sandbox: Sandbox, route: Route) -> None:
    collector, error = extract(sandbox.url, shard(route, providers=("skinport",)))
    assert isinstance(error, errors.RequestRejected)
    assert collector.pages == []


@pytest.mark.parametrize("route", ROUTES)
def test_tier_without_bids_is_plan_forbids(make_sandbox: MakeSandbox, route: Route) -> None:
    _, error = extract(make_sandbox(tier="free").url, shard(route), limit=None)
    assert isinstance(error, errors.PlanForbids)


@pytest.mark.parametrize("route", [*ROUTES, "stream"])
def test_unavailable_index_is_retried(sandbox: Sandbox, route: Route) -> None:
    path = "/v1/bids/batch" if route == "batch" else "/v1/bids"
    sandbox.fault("unavailable", path=path, times=2)
    collector, result = extract(sandbox.url, shard(route), limit=None)
    assert isinstance(result, ExtractResult)
    assert collector.rows.height


@pytest.mark.slow
def test_basket_with_bids_fills_the_bids_view(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(tier="pro")
    with_bids = basket(items=["AUG | *", 30], providers=["steam", "buff163", "skinport"], bids=True)
    bench = Bench.at(tmp_path, sandbox, with_bids, source={"tier": "pro"})
    (result,) = bench.snapshot()
    assert result.state == "done"
    bids = bench.query("SELECT provider, item_id::INT, highest_bid, price, num_bids FROM bids ORDER BY ALL")
    item_ids = [item for (item,) in bench.query("SELECT DISTINCT item_id::INT FROM quotes")]
    quotes = sandbox.ledger(bids=True, providers=BUYERS, item_ids=item_ids)
    columns = ("provider", "item_id", "highest_bid", "highest_bid_decimal", "num_bids")
    expected = [(p, i, bid, Decimal(d), n) for p, i, bid, d, n in quotes.select(*columns).iter_rows()]
    assert bids == sorted(expected)
    assert bench.query("SELECT count(*) FROM quotes WHERE delivery = 'bid'") == [(0,)]
