"""One odd row among good ones, from the answer to the database, by every route: the run is done without it.

New for all routes but the stream, which is a guard: the shard used to be incomplete, with exit code 3.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sandbox.core import Sandbox
from tests.support.cases import slow_but_first
from tests.support.clocks import VirtualClock
from tests.support.odd_entries import ODD_ENTRIES, ODD_MEMBERS
from tests.support.relay import Edit, Relay, relay_to
from tests.support.sandboxes import MakeSandbox
from tests.support.skinshark import configure_both_sources, skinshark_basket, stored_prices
from tests.support.snapshots import ASIIMOV, REDLINE, Bench, basket, catalog_of

pytestmark = pytest.mark.usefixtures("no_prefect")
PRICES, BATCH, LISTING = "/v1/prices", "/v1/prices/batch", "/market/prices"
ROW = {"item_id": 1, "market_hash_name": "Odd", "provider": "steam", "lowest_ask": 1, "quantity": 1}
ODD_ROW = json.dumps(ROW).encode()[:-1]
ROUTES = {
    "item": (basket(items=[REDLINE]), PRICES),
    "catalog": (catalog_of("steam"), PRICES),
    "batch": (basket(items=[REDLINE, ASIIMOV, *range(1, 30)], route="batch"), BATCH),
    "stream": (catalog_of("steam", "buff163", route="stream"), PRICES),
}
MEMBERS = {kind: member for kind, member in ODD_MEMBERS.items() if kind != "a line break in a text"}
ODD = {
    **{kind: ODD_ROW + b", " + member + b"}" for kind, member in MEMBERS.items()},
    **ODD_ENTRIES,
    "a null byte": ODD_ROW + b', "note": "\x00"}',
    "an escaped null and half of a pair": ODD_ROW + rb', "url": "\u0000", "note": "\ud83d"}',
    "a name of 10,000 characters": ODD_ROW + b', "note": NaN, "url": "' + b"x" * 10_000 + b'"}',
}  # fmt: skip


def add(*entries: bytes) -> Edit:
    """Return an edit that puts entries before the rows of a page, of a batch's first item, or of a stream."""

    def count(total: re.Match[bytes]) -> bytes:
        return b'"total":%d' % (int(total[1]) + len(entries))

    def edit(body: bytes) -> bytes:
        body = re.sub(rb'"total":(\d+)', count, body, count=1)
        if b'"items":[' not in body:
            return b"".join(entry + b"\n" for entry in entries) + body
        field = b'"quotes":[' if b'"quotes":[' in body else b'"items":['
        return body.replace(field, field + b",".join([*entries, b""]), 1)

    return edit


@pytest.fixture
def relay(make_sandbox: MakeSandbox) -> Iterator[Relay]:
    with relay_to(make_sandbox(tier="quant").url) as relay:
        yield relay


@pytest.mark.slow
@pytest.mark.parametrize("route", slow_but_first("catalog", "item", "batch", "stream"))
def test_odd_rows_are_rejects_and_cost_nothing_else(tmp_path: Path, relay: Relay, route: str) -> None:
    fields, path = ROUTES[route]
    bench, clock = Bench.create(tmp_path, {"cs2cap": relay.url}, fields), VirtualClock()
    (good,) = bench.snapshot(clock=clock)
    quotes = bench.quotes()
    clock.time += timedelta(minutes=10).total_seconds()
    relay.edits[path] = add(*ODD.values())
    (result,) = bench.snapshot(clock=clock)
    assert (result.exit_code, result.state, result.incomplete_reason) == (0, "done", None)
    assert result.requests == good.requests - 2, "the catalogs are cached"
    assert result.load is not None
    assert (result.load.rows_rejected, result.load.rows_fetched) == (len(ODD), len(quotes))
    assert (bench.quotes(), result.load.rows_closed) == (quotes, 0)
    assert len(bench.query("SELECT DISTINCT raw FROM rejects")) == len(ODD)


@pytest.mark.slow
def test_odd_rows_of_skinshark_are_rejects(tmp_path: Path, sandbox: Sandbox) -> None:
    with relay_to(sandbox.url) as relay:
        bench = configure_both_sources(tmp_path, sandbox, skinshark_basket(), base_url=relay.url)
        bench.snapshot()
        prices = stored_prices(bench)
        relay.edits[LISTING] = add(*ODD.values())
        (result,) = bench.snapshot()
    assert result.load is not None
    assert result.incomplete_reason is None
    assert (result.state, result.load.rows_rejected, result.load.rows_closed) == ("done", len(ODD), 0)
    assert stored_prices(bench) == prices


def empty_phases(body: bytes) -> bytes:
    return body.replace(b'"phase":null', b'"phase":""')


@pytest.mark.slow
@pytest.mark.parametrize("route", slow_but_first("stream", "item", "catalog", "batch"))
def test_empty_phase_is_none_by_every_route(tmp_path: Path, relay: Relay, route: str) -> None:
    fields, path = ROUTES[route]
    first, second = (tmp_path / name for name in ("null", "empty"))
    null = Bench.create(first, {"cs2cap": relay.url}, fields)
    null.snapshot(clock=VirtualClock())
    relay.edits |= {path: empty_phases, "/v1/items": empty_phases}
    empty = Bench.create(second, {"cs2cap": relay.url}, fields)
    (result,) = empty.snapshot(clock=VirtualClock())
    assert result.load is not None
    assert (result.state, result.load.rows_rejected) == ("done", 0)
    assert empty.quotes() == null.quotes() != []
    items = "SELECT item, item_id, phase, aggregate FROM items ORDER BY ALL"
    assert empty.query(items) == null.query(items)
