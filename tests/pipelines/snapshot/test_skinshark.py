"""Snapshots of SkinShark beside CS2Cap: asks by delivery and phase, changes, and the best ask of both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.core import Sandbox
from tests.support.cases import slow_but_first
from tests.support.sandboxes import MakeSandbox
from tests.support.skinshark import (
    DOPPLER,
    configure_both_sources,
    listed_prices,
    listed_rows,
    sent_paths,
    skinshark_basket,
    stored_prices,
)
from tests.support.snapshots import REDLINE, Bench, basket

NO_QUANTITY = "SELECT count(*) FROM quotes WHERE source = 'skinshark' AND quantity IS NOT NULL"


BOTH_SHAPES = pytest.mark.parametrize("phases", ["old", "new"])
# The second shape in the slow part: of what happens after a row was read.
EITHER_SHAPE = pytest.mark.parametrize("phases", slow_but_first("old", "new"))


@pytest.fixture
def phases() -> str:
    """Return the shape of the sandbox's responses."""
    return "old"


@pytest.fixture
def sandbox(make_sandbox: MakeSandbox, phases: str) -> Sandbox:
    """Return a sandbox with this shape."""
    return make_sandbox(phases=phases)


@pytest.fixture
def bench(tmp_path: Path, sandbox: Sandbox) -> Bench:
    return configure_both_sources(tmp_path, sandbox, skinshark_basket())


def snapshot_states(bench: Bench) -> list[str]:
    return [result.state for result in bench.snapshot()]


@BOTH_SHAPES
def test_quotes_equal_the_listing(bench: Bench, sandbox: Sandbox) -> None:
    (result,) = bench.snapshot()
    # The items and the fees, which are cached for a day, and the prices.
    assert (result.state, result.requests) == ("done", 3)
    assert stored_prices(bench) == listed_prices(sandbox) != set()
    assert bench.query(NO_QUANTITY) == [(0,)]
    assert result.request_id == "req-00000004"
    done = json.loads((bench.paths.landing / result.run_id / "done.json").read_text())
    assert done["request_id"] == "req-00000004"
    assert bench.query("SELECT request_id FROM runs") == [("req-00000004",)]


def test_second_snapshot_costs_one_listing_and_adds_no_history(bench: Bench, sandbox: Sandbox) -> None:
    snapshot_states(bench)
    before, since = bench.changes(), len(sandbox.skinshark.requests)
    sandbox.advance(600)
    assert snapshot_states(bench) == ["done"]
    assert sent_paths(sandbox, since) == ["/merchant", "/market/prices"]
    assert bench.changes() == before


@pytest.mark.slow
@EITHER_SHAPE
def test_changed_vanished_and_new_quotes_equal_the_listing(bench: Bench, sandbox: Sandbox) -> None:
    snapshot_states(bench)
    for verb in ("move", "vanish", "appear"):
        for provider in ("c5", "ecosteam"):
            getattr(sandbox, verb)(8, provider=provider)
        sandbox.advance(600)
        before, earlier = bench.changes(), stored_prices(bench)
        assert snapshot_states(bench) == ["done"]
        now = stored_prices(bench)
        assert now == listed_prices(sandbox) != earlier
        assert bench.changes() - before == len({row[:3] for row in now ^ earlier})


@EITHER_SHAPE
def test_phased_item_that_is_sold_out_is_closed(bench: Bench, sandbox: Sandbox) -> None:
    snapshot_states(bench)
    phased = [row for row in listed_rows(sandbox) if row.get("phases")]
    ids = {int(row["itemId"]) - 100_000: row["itemId"] for row in phased}
    board = sandbox.market.board
    of_name = [i.item_id for i in board.catalog.items if i.name == board.catalog.by_id[next(iter(ids))].name]
    for provider in ("c5", "ecosteam"):
        listed = sandbox.ledger(providers=[provider], item_ids=of_name[1:]).height
        sandbox.vanish(listed, provider=provider, item_ids=of_name)
    sandbox.advance(600)
    assert snapshot_states(bench) == ["done"]
    sold_out = ids[of_name[0]]
    assert sold_out not in {row[0] for row in stored_prices(bench)}
    assert stored_prices(bench) == listed_prices(sandbox)


@EITHER_SHAPE
def test_basket_of_some_items_takes_one_request_and_only_these_rows(tmp_path: Path, sandbox: Sandbox) -> None:
    items = [REDLINE, f"{DOPPLER} @ Ruby", "AUG | *"]
    bench = configure_both_sources(tmp_path, sandbox, skinshark_basket(items=items))
    assert snapshot_states(bench) == ["done"]
    selected = {
        row["itemId"] for row in listed_rows(sandbox) if row["marketHashName"].startswith(("AUG | ", REDLINE))
    }
    doppler = next(row["itemId"] for row in listed_rows(sandbox) if row["marketHashName"] == DOPPLER)
    expected = {row for row in listed_prices(sandbox) if row[0] in selected or row[:2] == (doppler, "Ruby")}
    assert stored_prices(bench) == expected != set()
    since = len(sandbox.skinshark.requests)
    assert snapshot_states(bench) == ["done"]
    assert sent_paths(sandbox, since) == ["/merchant", "/market/prices"]


@pytest.mark.slow
def test_change_of_the_shape_adds_the_new_prices_and_changes_none(
    tmp_path: Path, make_sandbox: MakeSandbox
) -> None:
    sandbox = make_sandbox(phases="old")
    bench = configure_both_sources(tmp_path, sandbox, skinshark_basket())
    snapshot_states(bench)
    before, changes = stored_prices(bench), bench.changes()
    for shape in ("new", "old"):
        sandbox.skinshark.use_shape(shape)
        sandbox.advance(600)
        assert snapshot_states(bench) == ["done"]
        assert stored_prices(bench) == listed_prices(sandbox) >= before
    instants = bench.query(
        "SELECT count(*) FROM quote_history WHERE phase IS NOT NULL AND delivery = 'instant'"
    )
    assert bench.changes() - changes == instants[0][0] > 0


@pytest.mark.slow
@EITHER_SHAPE
def test_best_ask_compares_both_sources(tmp_path: Path, sandbox: Sandbox) -> None:
    names = [REDLINE, "AUG | *", "★ StatTrak™ Karambit | Doppler (Factory New) @ *"]
    cs2cap_basket = basket(items=names, providers=["steam", "csfloat", "skinport"])
    bench = configure_both_sources(tmp_path, sandbox, cs2cap_basket, skinshark_basket(items=names))
    assert snapshot_states(bench) == ["done", "done"]
    asks = bench.query("SELECT market_hash_name, phase, source, price FROM quotes WHERE NOT aggregate")
    lowest: dict[tuple[str, str | None], Any] = {}
    for name, phase, _, price in asks:
        lowest[name, phase] = min(price, lowest.get((name, phase), price))
    best = bench.query("SELECT market_hash_name, phase, price, source FROM best_ask")
    assert {(name, phase): price for name, phase, price, _ in best} == lowest
    assert {source for *_, source in best} == {"cs2cap", "skinshark"}
    common = {row[:2] for row in asks if row[2] == "cs2cap"} & {
        row[:2] for row in asks if row[2] == "skinshark"
    }
    assert len(common) > 5


@pytest.mark.slow
def test_marketplace_is_never_both_sides_of_a_spread(tmp_path: Path, sandbox: Sandbox) -> None:
    cs2cap_basket = basket(items=["all"], providers=["c5", "ecosteam", "steam"])
    bench = configure_both_sources(tmp_path, sandbox, cs2cap_basket, skinshark_basket())
    assert snapshot_states(bench) == ["done", "done"]
    pairs = set(
        bench.query("SELECT DISTINCT bought_at, sold_at FROM spreads WHERE bought_source = 'skinshark'")
    )
    assert pairs == {("skinshark", "steam")}


@pytest.mark.slow
@BOTH_SHAPES
def test_rejected_row_closes_no_quote(bench: Bench, sandbox: Sandbox) -> None:
    snapshot_states(bench)
    place = next(n for n, row in enumerate(listed_rows(sandbox)) if row["standard"] is not None)
    before = stored_prices(bench)
    sandbox.skinshark.fault("broken_row", params={"row": place})
    sandbox.advance(600)
    (result,) = bench.snapshot()
    assert (result.state, result.load and result.load.rows_rejected) == ("done", 1)
    assert stored_prices(bench) == before


@pytest.mark.slow
@BOTH_SHAPES
def test_broken_price_keeps_its_last_value_and_the_rest_of_its_row_loads(
    bench: Bench, sandbox: Sandbox
) -> None:
    snapshot_states(bench)
    place, row = next((n, row) for n, row in enumerate(listed_rows(sandbox)) if "phases" in row)
    key = (row["itemId"], phase := next(iter(row["phases"])), "standard")
    (before,) = (price for *own, price in stored_prices(bench) if tuple(own) == key)
    new_shape = isinstance(row["phases"][phase], dict)
    field = f"phases.{phase}.standard" if new_shape else f"phases.{phase}"
    for provider in ("c5", "ecosteam"):
        sandbox.move(150, provider=provider)
    sandbox.skinshark.fault("broken_row", params={"row": place, "field": field, "value": "odd"})
    sandbox.advance(600)
    assert snapshot_states(bench) == ["done"]
    expected = {quote for quote in listed_prices(sandbox) if quote[:3] != key}
    assert stored_prices(bench) == expected | {(*key, before)}
    ((reason, raw),) = bench.query("SELECT reason, raw FROM rejects")
    assert reason.startswith(f"{field}: ")
    assert json.loads(raw)["marketHashName"] == row["marketHashName"]
