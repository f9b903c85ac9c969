"""One basket by every route in turn: the warehouse says the same, and the history gains nothing by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sandbox.core import Sandbox
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, basket

pytestmark = pytest.mark.slow
KEYS = ["steam", "buff163", "csfloat"]
ITEMS = ["AUG | *", "★ Karambit | Doppler (Factory New) @ *", 30, 31]
SHOWN = """SELECT COLUMNS(lambda c: c NOT IN ('observed_at', 'run_id', 'last_updated', 'changed_at')),
    date_trunc('second', changed_at) FROM {} ORDER BY ALL"""


def taken(folder: Path, box: Sandbox, route: str, **fields: Any) -> Bench:
    """A snapshot by this route, over the data that is there, of a market that refreshes and does not move."""
    box.advance(61.75)
    shape = {"items": ITEMS, "providers": KEYS, "fresh": "0s", **fields}
    bench = Bench.at(folder, box, basket(route=route, **shape), source={"tier": "pro"})
    (result,) = bench.snapshot()
    assert (result.state, result.load and result.load.rows_rejected) == ("done", 0), str(
        result.error or result.incomplete_reason
    )
    return bench


@pytest.mark.parametrize(
    ("routes", "fields"),
    [
        (["item", "batch", "catalog", "stream", "item", "stream", "batch"], {"bids": True}),
        (["item", "batch", "catalog", "item"], {"currencies": ["EUR", "BTC"]}),
        (["catalog", "stream", "catalog"], {"items": ["all"]}),
    ],
    ids=["asks and bids", "converted", "everything"],
)
def test_routes_agree_and_no_switch_is_a_change(
    tmp_path: Path, make_sandbox: MakeSandbox, routes: list[str], fields: dict[str, Any]
) -> None:
    box = make_sandbox(tier="pro")
    seen = []
    for route in routes:
        bench = taken(tmp_path, box, route, **fields)
        seen.append([bench.ask(SHOWN.format(view)) for view in ("quotes", "bids")])
        changes = [bench.ask(f"SELECT count(*) FROM {name}_history")[0][0] for name in ("quote", "bid")]
        assert changes == [len(rows) for rows in seen[0]], route
        assert seen[-1] == seen[0], route
    assert seen[0][0]
    assert bool(seen[0][1]) == fields.get("bids", False)
    paths = {f"{entry.method} {entry.path}" for entry in box.requests.since(0)}
    assert ("POST /v1/prices" in paths) == ("stream" in routes)
    assert ("POST /v1/prices/batch" in paths) == ("batch" in routes)


def test_a_price_that_moved_is_the_same_by_every_route(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(tier="pro")
    shown = []
    for route in ("item", "batch", "catalog", "stream"):
        taken(tmp_path / route, box, "item")
    box.move(2000, seed=1)
    for route in ("item", "batch", "catalog", "stream"):
        bench = taken(tmp_path / route, box, route)
        shown.append(bench.ask(SHOWN.format("quotes")))
    assert shown == [shown[0]] * 4


def test_what_vanishes_is_closed_by_whatever_route_looks(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(tier="pro")
    taken(tmp_path, box, "stream", items=["all"])
    for route in ("catalog", "stream"):
        box.vanish(5, provider="csfloat", seed=len(route))
        bench = taken(tmp_path, box, route, items=["all"])
        assert len(bench.quotes()) == box.ledger(providers=KEYS).height
    for route in ("item", "batch", "catalog", "stream"):
        ((provider, item_id),) = bench.ask(
            "SELECT provider, item_id::INT FROM quotes WHERE item_id IN ('30', '31') LIMIT 1"
        )
        box.vanish(1, provider=provider, item_ids=[item_id])
        bench = taken(tmp_path, box, route)
        assert len(bench.quotes()) == box.ledger(providers=KEYS).height
