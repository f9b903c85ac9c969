"""Configured items x providers x currencies become exactly the market's rows; changes become history."""

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
    """The ids that ITEMS stand for, by the market's own catalog."""
    catalog = box.market.board.catalog
    named = [item.item_id for name in (*NAMES, DOPPLER) for item in catalog.find(None, name, None)]
    augs = [item.item_id for item in catalog.items if item.name.startswith("AUG | ")]
    return [*named, *IDS, *augs, RUBY, *EMERALDS]


def plain_ids(box: Sandbox) -> list[int]:
    """Those of them that no aggregate follows."""
    doppler = {item.item_id for item in box.market.board.catalog.items if item.name == DOPPLER}
    return [item_id for item_id in ids_of(box) if item_id not in doppler]


def dated_ids(box: Sandbox) -> list[int]:
    """Those of these whose quotes all carry a `timestamp`: without one, FX cannot be told from a change."""
    shown = box.ledger(providers=SIX, item_ids=plain_ids(box))
    undated = set(shown.filter(shown["timestamp"].is_null())["item_id"])
    return [item_id for item_id in plain_ids(box) if item_id not in undated]


def again(bench: Bench, box: Sandbox) -> RunResult:
    """The same snapshot, ten minutes later."""
    box.advance(600)
    (result,) = bench.snapshot()
    assert result.state == "done"
    return result


def as_the_market(bench: Bench, box: Sandbox) -> bool:
    ids = ids_of(box)
    return all(bench.quotes(code) == ledger(box, SIX, ids, code) for code in CURRENCIES)


def test_it_brings_exactly_the_rows_of_the_ledger(bench: Bench, sandbox: Sandbox) -> None:
    ids = ids_of(sandbox)
    assert len(ids) == len(set(ids)) == 25
    (result,) = bench.snapshot()
    assert result.state == "done"
    assert result.load is not None
    for code in CURRENCIES:
        assert bench.quotes(code) == ledger(sandbox, SIX, ids, code) != []
    assert result.load.rows_fetched == bench.changes() == sum(len(bench.quotes(code)) for code in CURRENCIES)


def test_it_costs_one_request_an_item_and_currency_and_the_catalogs_once(
    bench: Bench, sandbox: Sandbox
) -> None:
    (first,), second = bench.snapshot(), again(bench, sandbox)
    assert (first.requests, second.requests) == (25 * 3 + 3, 25 * 3)
    assert len(sandbox.requests) == first.requests + second.requests + 2  # the account, each time


def test_a_market_that_stands_still_adds_nothing(bench: Bench, sandbox: Sandbox) -> None:
    bench.snapshot()
    before = bench.changes()
    assert again(bench, sandbox).load is not None
    assert bench.changes() == before
    assert as_the_market(bench, sandbox)


@pytest.mark.parametrize(("verb", "drift"), [("move", False), ("move", True), ("restock", True)])
def test_k_changes_add_k_rows_a_currency(tmp_path: Path, sandbox: Sandbox, verb: str, drift: bool) -> None:
    ids = dated_ids(sandbox)
    bench = Bench.at(tmp_path, sandbox, basket(items=ids, providers=list(SIX), currencies=CURRENCIES))
    bench.snapshot()
    before = bench.changes()
    sandbox.advance(60)
    touched = [quote for key in SIX for quote in getattr(sandbox, verb)(2, provider=key, item_ids=ids)]
    if drift:
        sandbox.drift_fx()
    result = again(bench, sandbox)
    assert bench.changes() - before == len(touched) * len(CURRENCIES) == 12 * 3
    assert result.load is not None
    assert result.load.rows_changed == 36
    assert all(bench.quotes(code) == ledger(sandbox, SIX, ids, code) for code in CURRENCIES)


def test_fx_alone_moves_amounts_and_no_history_but_of_quotes_without_a_timestamp(
    bench: Bench, sandbox: Sandbox
) -> None:
    bench.snapshot()
    dollars, euros = "SELECT count(*) FROM quote_history WHERE currency = 'USD'", bench.quotes("EUR")
    before, converted = bench.ask(dollars), bench.changes()
    sandbox.drift_fx()
    again(bench, sandbox)
    undated = "SELECT count(*) FROM quotes WHERE changed_at = observed_at AND currency <> 'USD'"
    assert bench.ask(dollars) == before
    assert bench.changes() - converted == bench.ask(undated)[0][0] < len(euros) / 10
    assert bench.quotes("EUR") != euros
    assert as_the_market(bench, sandbox)


def test_what_vanishes_closes_and_what_returns_unchanged_opens_again(bench: Bench, sandbox: Sandbox) -> None:
    bench.snapshot()
    before = bench.changes()
    gone = sandbox.vanish(3, provider="steam", item_ids=plain_ids(sandbox))
    result = again(bench, sandbox)
    assert result.load is not None
    assert result.load.rows_closed == len(gone) * 3 == bench.changes() - before
    assert as_the_market(bench, sandbox)
    closed = "SELECT count(*) FROM quote_history WHERE price IS NULL AND quantity = 0 AND provider = 'steam'"
    assert bench.ask(closed) == [(9,)]
    sandbox.restore()
    again(bench, sandbox)
    assert bench.changes() - before == 18
    assert as_the_market(bench, sandbox)


def test_the_past_stays_what_it_was(bench: Bench, sandbox: Sandbox) -> None:
    bench.snapshot()
    noon, was = sandbox.clock.now(), bench.quotes()
    sandbox.move(3, provider="steam", item_ids=plain_ids(sandbox))
    sandbox.vanish(3, provider="buff163", item_ids=plain_ids(sandbox))
    again(bench, sandbox)
    count = "SELECT count(*), sum(price) FROM quotes_as_of(?) WHERE currency = 'USD'"
    assert bench.ask(count, noon) == [(len(was), sum(row[4] for row in was))]
    assert bench.ask(count, sandbox.clock.now()) == [
        (len(bench.quotes()), sum(row[4] for row in bench.quotes()))
    ]
