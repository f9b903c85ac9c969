"""Switching the route of a basket: the quotes are the same, and the history gains no rows."""

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
VIEW_ROWS = """SELECT COLUMNS(lambda c: c NOT IN ('observed_at', 'run_id', 'last_updated', 'changed_at')),
    date_trunc('second', changed_at) FROM {} ORDER BY ALL"""


def snapshot_by(folder: Path, box: Sandbox, route: str, **fields: Any) -> Bench:
    """Take a snapshot by this route into the same warehouse, of a market that refreshes without changes."""
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
def test_routes_agree_and_a_switch_adds_no_history(
    tmp_path: Path, make_sandbox: MakeSandbox, routes: list[str], fields: dict[str, Any]
) -> None:
    box = make_sandbox(tier="pro")
    seen = []
    for route in routes:
        bench = snapshot_by(tmp_path, box, route, **fields)
        seen.append([bench.query(VIEW_ROWS.format(view)) for view in ("quotes", "bids")])
        changes = [bench.query(f"SELECT count(*) FROM {name}_history")[0][0] for name in ("quote", "bid")]
        assert changes == [len(rows) for rows in seen[0]], route
        assert seen[-1] == seen[0], route
    assert seen[0][0]
    assert bool(seen[0][1]) == fields.get("bids", False)
    paths = {f"{entry.method} {entry.path}" for entry in box.requests.since(0)}
    assert ("POST /v1/prices" in paths) == ("stream" in routes)
    assert ("POST /v1/prices/batch" in paths) == ("batch" in routes)


def test_changed_price_is_the_same_by_every_route(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(tier="pro")
    rows_by_route = []
    for route in ("item", "batch", "catalog", "stream"):
        snapshot_by(tmp_path / route, box, "item")
    box.move(2000, seed=1)
    for route in ("item", "batch", "catalog", "stream"):
        bench = snapshot_by(tmp_path / route, box, route)
        rows_by_route.append(bench.query(VIEW_ROWS.format("quotes")))
    assert rows_by_route == [rows_by_route[0]] * 4


def test_vanished_quote_is_closed_by_every_route(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(tier="pro")
    snapshot_by(tmp_path, box, "stream", items=["all"])
    for route in ("catalog", "stream"):
        box.vanish(5, provider="csfloat", seed=len(route))
        bench = snapshot_by(tmp_path, box, route, items=["all"])
        assert len(bench.quotes()) == box.ledger(providers=KEYS).height
    for route in ("item", "batch", "catalog", "stream"):
        ((provider, item_id),) = bench.query(
            "SELECT provider, item_id::INT FROM quotes WHERE item_id IN ('30', '31') LIMIT 1"
        )
        box.vanish(1, provider=provider, item_ids=[item_id])
        bench = snapshot_by(tmp_path, box, route)
        assert len(bench.quotes()) == box.ledger(providers=KEYS).height
