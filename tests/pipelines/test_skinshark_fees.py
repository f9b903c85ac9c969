"""The merchant's fees at SkinShark: spreads are net, whether the asks have the fee or not."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sandbox.core import Sandbox
from tests.support.sandboxes import MakeSandbox
from tests.support.skinshark import configure_both_sources, sent_paths, skinshark_basket
from tests.support.snapshots import Bench, basket

FEES = "SELECT buy_fee, insta_sell_fee, sell_fee FROM providers WHERE source = 'skinshark'"
SPREADS = (
    "SELECT item, bought_by, sold_at, sold_by, bought_price, cost, proceeds, profit FROM spreads"
    " WHERE bought_source = 'skinshark' ORDER BY ALL"
)


def observe(folder: Path, sandbox: Sandbox, **source: Any) -> Bench:
    folder.mkdir()
    asks = basket(items=["all"], providers=["csfloat", "steam", "buff163"], source="cs2cap")
    bench = configure_both_sources(folder, sandbox, asks, skinshark_basket(bids=True), **source)
    assert [result.state for result in bench.snapshot()] == ["done", "done"]
    return bench


@pytest.mark.slow
@pytest.mark.parametrize("phases", ["old", "new"])
def test_spreads_are_net_with_and_without_fees_in_the_asks(
    tmp_path: Path, make_sandbox: MakeSandbox, phases: str
) -> None:
    sandbox = make_sandbox(phases=phases)
    raw = observe(tmp_path / "raw", sandbox)
    included = observe(tmp_path / "included", sandbox, include_fees=True)
    sell_fee = 0.05 if phases == "new" else 0.0
    assert raw.query(FEES) == [(0.05, sell_fee, None)]
    assert included.query(FEES) == [(0.0, sell_fee, None)]
    costs = []
    for bench, fee in ((raw, Decimal("1.05")), (included, Decimal(1))):
        rows = bench.query(SPREADS)
        assert all(cost == price * fee and profit == net - cost for *_, price, cost, net, profit in rows)
        costs.append({tuple(key): cost for *key, _, cost, _, _ in rows})
    both = costs[0].keys() & costs[1].keys()
    assert len(both) > 50
    # SkinShark rounds the price with the fee up to a cent.
    assert all(0 <= costs[1][key] - costs[0][key] < Decimal("0.01") for key in both)
    assert all(costs[0][key] >= 0 for key in costs[0].keys() - both)
    assert raw.query(
        "SELECT count(*) > 0 FROM spreads WHERE sold_source = 'skinshark' AND sold_by = 'bid'"
    ) == [(True,)]
    best = raw.query(
        "SELECT count(*) FROM best_spreads b WHERE profit <> (SELECT max(profit) FROM spreads s"
        " WHERE s.item = b.item AND s.currency = b.currency) AND outliers = 0"
    )
    assert best == [(0,)]


@pytest.mark.slow
def test_fees_are_read_once_a_day_and_again_on_another_basis(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = configure_both_sources(tmp_path, sandbox, skinshark_basket())
    for _ in range(2):
        bench.snapshot()
    assert sent_paths(sandbox).count("/merchant/fees") == 1
    bench = configure_both_sources(tmp_path, sandbox, skinshark_basket(), include_fees=True)
    bench.snapshot()
    assert sent_paths(sandbox).count("/merchant/fees") == 2
    assert bench.query(FEES) == [(0.0, 0.0, None)]


def test_run_goes_on_without_fees(tmp_path: Path, sandbox: Sandbox) -> None:
    sandbox.skinshark.fault("FORBIDDEN", path="/merchant/fees")
    (result,) = configure_both_sources(tmp_path, sandbox, skinshark_basket()).snapshot()
    assert result.state == "done"
    assert any("the table of the merchant's fees" in report.describe() for report in result.catalogs)
