"""Replay of SkinShark's rejects: prices that could not be read are stored beside those of their row."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from common.clock import SystemClock
from connectors.shards import LISTING_DELIVERIES
from connectors.skinshark.contract import to_quotes_frame
from connectors.skinshark.rows import decode_rows
from pipelines.loading import load_and_publish
from pipelines.replay import replay
from sandbox.core import Sandbox
from tests.support.clocks import NOON
from tests.support.skinshark import DOPPLER, configure_both_sources, skinshark_basket
from tests.support.snapshots import Bench
from warehouse.landing.model import PageMeta, RunHeader, ShardHeader
from warehouse.landing.writer import LandingWriter

HISTORY = "SELECT coalesce(phase, ''), delivery, price, valid_from FROM quote_history ORDER BY ALL"
CURRENT = "SELECT coalesce(phase, ''), delivery, price FROM quotes ORDER BY ALL"
LATER = timedelta(minutes=10)


def row(standard: float, **phases: Any) -> dict[str, Any]:
    both = {phase: {"standard": prices[0], "instant": prices[1]} for phase, prices in phases.items()}
    return {"itemId": "7", "marketHashName": DOPPLER, "standard": standard, "instant": None, "phases": both}


def land(bench: Bench, minutes: int, loaded: dict[str, Any], rejected: dict[str, Any] | None = None) -> None:
    """Land and load a complete run that could read the prices of `loaded`; the raw row was `rejected`."""
    bench.paths.prepare()
    at = NOON + timedelta(minutes=minutes)
    header = RunHeader(f"{at:%Y%m%dT%H%M%SZ}-old", "snapshot", "skinshark", "sharks", at)
    rejects = () if rejected is None else (("phases: not understood", json.dumps(rejected)),)
    with LandingWriter(bench.paths.landing, header) as landing:
        shard = landing.open_shard(
            ShardHeader(0, "USD", LISTING_DELIVERIES, ("skinshark",), None, listing=True)
        )
        rows = to_quotes_frame(decode_rows([json.dumps(loaded).encode()]).fitting, "skinshark")
        shard.append(PageMeta(0, 0, 1, at, at, "", rejects), rows)
        shard.finish(complete=True, reason=None)
        landing.finish("done", finished_at=at, requests=1)
    load_and_publish(bench.settings, [], SystemClock())


@pytest.fixture
def bench(tmp_path: Path, sandbox: Sandbox) -> Bench:
    """Return a run at noon that could not read the phases of an item, and one at ten past that could."""
    bench = configure_both_sources(tmp_path, sandbox, skinshark_basket())
    land(bench, 0, row(3), rejected=row(3, Ruby=(5, 6)))
    land(bench, 10, row(4, Ruby=(5.5, 6)))
    return bench


def test_replay_fills_in_what_was_missing_and_leaves_the_rest(bench: Bench) -> None:
    stored = bench.query(HISTORY)
    assert [(phase, price) for phase, _, price, at in stored if at == NOON] == [("", Decimal(3))]
    current = bench.query(CURRENT)
    (done,) = replay(bench.settings, SystemClock())
    assert (done.read, done.fitting) == (1, 1)
    assert bench.query(CURRENT) == current
    history = bench.query(HISTORY)
    assert [change for change in history if change[0] == ""] == [
        change for change in stored if change[0] == ""
    ]
    assert [change for change in history if change[1] == "standard" and change[0] == "Ruby"] == [
        ("Ruby", "standard", Decimal(5), NOON),
        ("Ruby", "standard", Decimal("5.5"), NOON + LATER),
    ]
    assert ("Ruby", "instant", Decimal(6), NOON) in history


@pytest.mark.slow
def test_every_moment_of_a_rejected_price_enters_the_history(bench: Bench) -> None:
    land(bench, 20, row(4.5), rejected=row(4.5, Ruby=(7, None)))
    land(bench, 30, row(4.5), rejected=row(4.5, Ruby=(8, None)))
    current = bench.query("SELECT price, observed_at FROM quotes WHERE phase IS NULL")
    (done,) = replay(bench.settings, SystemClock())
    assert (done.read, done.fitting) == (3, 3)
    history = [change[2:] for change in bench.query(HISTORY) if change[:2] == ("Ruby", "standard")]
    times = (NOON + timedelta(minutes=minutes) for minutes in (0, 10, 20, 30))
    assert history == list(zip(map(Decimal, ("5", "5.5", "7", "8")), times, strict=True))
    assert bench.query("SELECT price, observed_at FROM quotes WHERE phase IS NULL") == current
    assert ("Ruby", "standard", Decimal(8)) in bench.query(CURRENT)


def test_row_of_which_a_part_still_does_not_fit_stays_a_reject(bench: Bench) -> None:
    replay(bench.settings, SystemClock())
    land(bench, 20, row(4, Ruby=(7, 6)), rejected=row(4, Ruby=(7, 6), Sapphire=("odd", None)))
    before = bench.query(HISTORY)
    assert replay(bench.settings, SystemClock()) == []
    assert bench.query(HISTORY) == before
    assert len(bench.query("SELECT 1 FROM rejects WHERE replayed_run_id IS NULL")) == 1
