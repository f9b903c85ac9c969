"""Replay of rejected rows: listed with their raw text, and loaded at their own time once they fit."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from common.clock import SystemClock
from common.shards import Item
from connectors.cs2cap.parser import reparse_reject
from connectors.schemas import QUOTES
from pipelines.loading import load_and_publish
from pipelines.replay import replay
from sandbox.core import Sandbox
from tests.support.clocks import NOON
from tests.support.json_outputs import read_result
from tests.support.snapshots import Bench, basket
from warehouse.landing.model import PageMeta, RunHeader, ShardHeader
from warehouse.landing.writer import LandingWriter

ROW: dict[str, Any] = {
    "provider": "steam",
    "item_id": 77,
    "market_hash_name": "P250 | Bloodsport (Minimal Wear)",
    "lowest_ask": 1234,
    "lowest_ask_decimal": "12.34",
    "quantity": 5,
    "timestamp": "2026-06-01T11:59:00Z",
}


@pytest.fixture
def bench(tmp_path: Path, sandbox: Sandbox) -> Bench:
    """Return a snapshot at noon, ten minutes after a run whose rows an old version could not parse."""
    bench = Bench.at(tmp_path, sandbox, basket())
    load_rejects(bench, json.dumps(ROW), '{"provider": "steam", "item_id": 78}')
    bench.snapshot()
    return bench


def load_rejects(bench: Bench, *raws: str) -> None:
    """Land and load a run at 11:50 whose rows were all rejected."""
    bench.paths.prepare()
    observed_at = NOON - timedelta(minutes=10)
    header = RunHeader("20260601T115000Z-old", "snapshot", "cs2cap", "core", observed_at)
    items = (Item("77", str(ROW["market_hash_name"]), None),)
    with LandingWriter(bench.paths.landing, header) as landing:
        shard = landing.open_shard(ShardHeader(0, "USD", ("standard",), ("steam",), items))
        rejects = tuple(("not understood", raw) for raw in raws)
        shard.append(PageMeta(0, 0, len(raws), observed_at, observed_at, "", rejects), QUOTES.to_frame())
        shard.finish(complete=True, reason=None)
        landing.finish("done", finished_at=observed_at, requests=1)
    load_and_publish(bench.settings, [], SystemClock())


def test_reject_that_fits_now_is_loaded_at_its_own_time(bench: Bench) -> None:
    of_item = "FROM {} WHERE item_id = '77'"
    assert bench.query(f"SELECT 1 {of_item.format('quotes')}") == []
    (done,) = replay(bench.settings, SystemClock())
    assert (done.basket, done.currency, done.read, done.fitting) == ("core", "USD", 2, 1)
    observed_at = NOON - timedelta(minutes=10)
    assert bench.query(f"SELECT price, quantity, valid_from, origin {of_item.format('quote_history')}") == [
        (Decimal("12.34"), 5, observed_at, "replay")
    ]
    assert bench.query(f"SELECT price {of_item.format('quotes_as_of(?)')}", observed_at) == [
        (Decimal("12.34"),)
    ]


def test_replayed_reject_is_not_replayed_again(bench: Bench) -> None:
    replay(bench.settings, SystemClock())
    before = bench.changes()
    assert replay(bench.settings, SystemClock()) == []
    assert bench.changes() == before
    replayed = bench.query("SELECT raw FROM rejects WHERE replayed_run_id IS NOT NULL")
    assert [json.loads(raw) for (raw,) in replayed] == [ROW]


def test_replay_does_not_change_other_quotes(bench: Bench) -> None:
    before = bench.quotes()
    replay(bench.settings, SystemClock())
    assert [row for row in bench.quotes() if row[1] != "77"] == before


@pytest.mark.slow
def test_commands_list_and_replay_rejects(bench: Bench) -> None:
    listed = read_result(bench.command("rejects", "list", "--json").stdout)
    assert sorted(row["reason"] for row in listed) == ["not understood"] * 2
    assert json.dumps(ROW) in [row["raw"] for row in listed]
    assert "1 of 2 rejects can be parsed now" in bench.command("rejects", "replay").stdout
    left = read_result(bench.command("rejects", "list", "--json").stdout)
    assert [json.loads(row["raw"])["item_id"] for row in left] == [78]


@pytest.mark.parametrize(
    "raw", ["", "{", "[]", "null", '"\ud800"', json.dumps({**ROW, "lowest_ask_decimal": "1e-9"})]
)
def test_reject_that_does_not_fit_is_not_parsed(raw: str) -> None:
    assert reparse_reject(raw) is None


def test_reject_that_fits_is_one_row_with_exact_prices() -> None:
    rows = reparse_reject(json.dumps({**ROW, "new_field": [1, 2]}))
    assert isinstance(rows, pl.DataFrame)
    assert rows.schema == QUOTES
    assert rows.select("item_id", "price", "quantity").rows() == [("77", Decimal("12.34"), 5)]


@pytest.mark.parametrize(
    ("kind", "scope", "raw", "expected"),
    [
        (
            "cs2cap",
            ShardHeader(0, "USD", ("bid",), ("steam",), None),
            {"provider": "steam", "item_id": 77, "market_hash_name": "Fracture Case", "highest_bid": 50,
             "highest_bid_decimal": "0.50", "num_bids": 3},
            [("steam", "77", "bid", 50, 3)],
        ),
        (
            "skinshark",
            ShardHeader(0, "USD", ("standard", "instant"), ("skinshark",), None, listing=True),
            {"itemId": "s-1", "marketHashName": "Fracture Case", "instant": 0.6, "standard": 0.5},
            [("skinshark", "s-1", "instant", 60, None), ("skinshark", "s-1", "standard", 50, None)],
        ),
    ],
    ids=["bid", "skinshark"],
)  # fmt: skip
def test_reject_is_parsed_as_its_kind_of_row(
    tmp_path: Path, kind: str, scope: ShardHeader, raw: dict[str, Any], expected: list[tuple[object, ...]]
) -> None:
    bench = Bench.create(tmp_path, {kind: "http://127.0.0.1:1"}, source={"kind": kind})
    bench.paths.prepare()
    header = RunHeader("old", "snapshot", kind, "core", NOON)
    with LandingWriter(bench.paths.landing, header) as landing:
        shard = landing.open_shard(scope)
        meta = PageMeta(0, 0, 1, NOON, NOON, "", (("not understood", json.dumps(raw)),))
        shard.append(meta, QUOTES.to_frame())
        shard.finish(complete=True, reason=None)
        landing.finish("done", finished_at=NOON, requests=1)
    load_and_publish(bench.settings, [], SystemClock())

    (done,) = replay(bench.settings, SystemClock())
    assert (done.read, done.fitting) == (1, 1)
    query = """SELECT provider, item_id, delivery, lowest_ask, quantity
        FROM store.current JOIN store.item USING (item_key) JOIN store.provider USING (provider_key)
        ORDER BY ALL"""
    assert bench.query(query) == expected
