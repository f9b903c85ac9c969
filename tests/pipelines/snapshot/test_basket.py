"""A basket of items x providers x currencies: quotes equal the market, and changes become history."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.results import RunResult
from sandbox.core import Sandbox
from tests.support.snapshots import SIX, Bench, basket, ledger

pytestmark = pytest.mark.slow
NAMES = [
    "AK-47 | Redline (Field-Tested)",
    "AWP | Asiimov (Field-Tested)",
    "FAMAS | Bloodsport (Battle-Scarred)",
    "Desert Eagle | Asiimov (Field-Tested)",
    "Desert Eagle | Printstream (Minimal Wear)",
    "CZ75-Auto | Chatterbox (Factory New)",
    "'Blueberries' Buckshot | NSWC SEAL",
]
IDS = [2, 9, 13, 14, 100, 150, 200]
RUBY, EMERALDS = 256, (264, 265, 266, 267, 268)
DOPPLER = "★ StatTrak™ Karambit | Doppler (Factory New)"
ITEMS = [
    *NAMES,
    *IDS[:-1],
    "200",
    "AUG | *",
    "★ Karambit | Doppler (Factory New) @ Ruby",
    "★ M9 Bayonet | Gamma Doppler (Factory New) @ *",
    DOPPLER,
]
CURRENCIES = ["USD", "EUR", "BTC"]


@pytest.fixture
def bench(tmp_path: Path, sandbox: Sandbox) -> Bench:
    return Bench.at(tmp_path, sandbox, basket(items=ITEMS, providers=list(SIX), currencies=CURRENCIES))


def ids_of(box: Sandbox) -> list[int]:
    """Return the ids that ITEMS select, by the catalog of the sandbox."""
    catalog = box.market.board.catalog
    named = [item.item_id for name in (*NAMES, DOPPLER) for item in catalog.find(None, name, None)]
    augs = [item.item_id for item in catalog.items if item.name.startswith("AUG | ")]
    return [*named, *IDS, *augs, RUBY, *EMERALDS]


def plain_ids(box: Sandbox) -> list[int]:
    """Return these ids without those of the aggregate."""
    doppler = {item.item_id for item in box.market.board.catalog.items if item.name == DOPPLER}
    return [item_id for item_id in ids_of(box) if item_id not in doppler]


def dated_ids(box: Sandbox) -> list[int]:
    """Return the plain ids whose quotes all have a `timestamp`: without one, FX drift looks like a change."""
    expected = box.ledger(providers=SIX, item_ids=plain_ids(box))
    undated = set(expected.filter(expected["timestamp"].is_null())["item_id"])
    return [item_id for item_id in plain_ids(box) if item_id not in undated]


def snapshot_later(bench: Bench, box: Sandbox) -> RunResult:
    """Take the same snapshot ten minutes later."""
    box.advance(600)
    (result,) = bench.snapshot()
    assert result.state == "done"
    return result


def equals_market(bench: Bench, box: Sandbox) -> bool:
    ids = ids_of(box)
    return all(bench.quotes(code) == ledger(box, SIX, ids, code) for code in CURRENCIES)


def test_quotes_equal_the_market_in_every_currency(bench: Bench, sandbox: Sandbox) -> None:
    ids = ids_of(sandbox)
    assert len(ids) == len(set(ids)) == 25
    (result,) = bench.snapshot()
    assert result.state == "done"
    assert result.load is not None
    for code in CURRENCIES:
        assert bench.quotes(code) == ledger(sandbox, SIX, ids, code) != []
    assert result.load.rows_fetched == bench.changes() == sum(len(bench.quotes(code)) for code in CURRENCIES)


def test_snapshot_costs_one_request_per_item_and_currency_and_the_catalogs_once(
    bench: Bench, sandbox: Sandbox
) -> None:
    (first,), second = bench.snapshot(), snapshot_later(bench, sandbox)
    assert (first.requests, second.requests) == (25 * 3 + 3, 25 * 3)
    assert len(sandbox.requests) == first.requests + second.requests + 2  # the account of each run


def test_unchanged_market_adds_no_history(bench: Bench, sandbox: Sandbox) -> None:
    bench.snapshot()
    before = bench.changes()
    assert snapshot_later(bench, sandbox).load is not None
    assert bench.changes() == before
    assert equals_market(bench, sandbox)


@pytest.mark.parametrize(("verb", "drift"), [("move", False), ("move", True), ("restock", True)])
def test_each_change_adds_one_row_per_currency(
    tmp_path: Path, sandbox: Sandbox, verb: str, drift: bool
) -> None:
    ids = dated_ids(sandbox)
    bench = Bench.at(tmp_path, sandbox, basket(items=ids, providers=list(SIX), currencies=CURRENCIES))
    bench.snapshot()
    before = bench.changes()
    sandbox.advance(60)
    changed = [quote for key in SIX for quote in getattr(sandbox, verb)(2, provider=key, item_ids=ids)]
    if drift:
        sandbox.drift_fx()
    result = snapshot_later(bench, sandbox)
    assert bench.changes() - before == len(changed) * len(CURRENCIES) == 12 * 3
    assert result.load is not None
    assert result.load.rows_changed == 36
    assert all(bench.quotes(code) == ledger(sandbox, SIX, ids, code) for code in CURRENCIES)


def test_fx_drift_changes_amounts_but_adds_history_only_without_a_timestamp(
    bench: Bench, sandbox: Sandbox
) -> None:
    bench.snapshot()
    dollars, euros = "SELECT count(*) FROM quote_history WHERE currency = 'USD'", bench.quotes("EUR")
    before, converted = bench.query(dollars), bench.changes()
    sandbox.drift_fx()
    snapshot_later(bench, sandbox)
    undated = "SELECT count(*) FROM quotes WHERE changed_at = observed_at AND currency <> 'USD'"
    assert bench.query(dollars) == before
    assert bench.changes() - converted == bench.query(undated)[0][0] < len(euros) / 10
    assert bench.quotes("EUR") != euros
    assert equals_market(bench, sandbox)


def test_vanished_quote_closes_and_its_unchanged_return_opens_it_again(
    bench: Bench, sandbox: Sandbox
) -> None:
    bench.snapshot()
    before = bench.changes()
    vanished = sandbox.vanish(3, provider="steam", item_ids=plain_ids(sandbox))
    result = snapshot_later(bench, sandbox)
    assert result.load is not None
    assert result.load.rows_closed == len(vanished) * 3 == bench.changes() - before
    assert equals_market(bench, sandbox)
    closed = "SELECT count(*) FROM quote_history WHERE price IS NULL AND quantity = 0 AND provider = 'steam'"
    assert bench.query(closed) == [(9,)]
    sandbox.restore()
    snapshot_later(bench, sandbox)
    assert bench.changes() - before == 18
    assert equals_market(bench, sandbox)


def test_quotes_as_of_the_past_do_not_change(bench: Bench, sandbox: Sandbox) -> None:
    bench.snapshot()
    noon, earlier = sandbox.clock.now(), bench.quotes()
    sandbox.move(3, provider="steam", item_ids=plain_ids(sandbox))
    sandbox.vanish(3, provider="buff163", item_ids=plain_ids(sandbox))
    snapshot_later(bench, sandbox)
    count = "SELECT count(*), sum(price) FROM quotes_as_of(?) WHERE currency = 'USD'"
    assert bench.query(count, noon) == [(len(earlier), sum(row[4] for row in earlier))]
    assert bench.query(count, sandbox.clock.now()) == [
        (len(bench.quotes()), sum(row[4] for row in bench.quotes()))
    ]
