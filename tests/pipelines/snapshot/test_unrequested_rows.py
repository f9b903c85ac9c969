"""A row of an item or a marketplace that nobody asked for is a reject; the rest of its page is kept.

All cases are new but for the guards: such a row used to fail its whole shard, with exit code 3.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.replay import replay
from pipelines.results import RunResult
from sandbox.core import Sandbox
from tests.support.clocks import VirtualClock
from tests.support.relay import Edit, Relay, relay_to
from tests.support.sandboxes import MakeSandbox
from tests.support.skinshark import configure_both_sources, skinshark_basket, stored_prices
from tests.support.snapshots import ASIIMOV, REDLINE, Bench, basket, catalog_of

pytestmark = pytest.mark.usefixtures("no_prefect")
PRICES, BATCH, LISTING = "/v1/prices", "/v1/prices/batch", "/market/prices"
ROUTES = {
    "item": (basket(items=[REDLINE, ASIIMOV], providers=["steam", "csfloat", "skinport"]), PRICES),
    "catalog": (catalog_of("steam"), PRICES),
    "batch": (basket(items=[REDLINE, ASIIMOV, *range(1, 30)], route="batch"), BATCH),
    "stream": (catalog_of("steam", route="stream"), PRICES),
}
Change = Callable[[dict[str, Any]], None]


def of_another_marketplace(row: dict[str, Any]) -> None:
    row["provider"] = "buff163"


def of_another_item(row: dict[str, Any]) -> None:
    row |= {"item_id": 987_654, "market_hash_name": "Nobody asked"}


def edit_first(change: Change, *, keep: bool) -> Edit:
    """Return an edit that changes the first row or item, in its place or (`keep`) in a copy before it."""

    def edit(body: bytes) -> bytes:
        if b'"items"' not in body:  # a stream
            first, _, rest = body.partition(b"\n")
            return _changed(first) + b"\n" + (first + b"\n" if keep else b"") + rest
        page = json.loads(body)
        if not (entries := page["items"]):
            return body
        changed = json.loads(_changed(json.dumps(entries[0]).encode()))
        page["items"] = [changed, *(entries if keep else entries[1:])]
        if keep and "pagination" in page:
            page["pagination"]["total"] += 1
        return json.dumps(page).encode()

    def _changed(entry: bytes) -> bytes:
        row = json.loads(entry)
        in_batch = change is of_another_marketplace and "quotes" in row
        change(row["quotes"][0] if in_batch else row)
        return json.dumps(row).encode()

    return edit


@pytest.fixture
def relay(make_sandbox: MakeSandbox) -> Iterator[Relay]:
    with relay_to(make_sandbox(tier="quant").url) as relay:
        yield relay


def take(bench: Bench, clock: VirtualClock) -> RunResult:
    clock.time += timedelta(minutes=10).total_seconds()
    (result,) = bench.snapshot(clock=clock)
    return result


CASES = [
    *[(route, of_another_marketplace, "marketplace not requested: buff163") for route in ROUTES],
    *[(route, of_another_item, "item not requested: Nobody asked") for route in ("item", "batch")],
]


@pytest.mark.slow
@pytest.mark.parametrize(("route", "change", "reason"), CASES)
def test_unrequested_row_is_a_reject_and_costs_nothing_else(
    tmp_path: Path, relay: Relay, route: str, change: Change, reason: str
) -> None:
    fields, path = ROUTES[route]
    bench, clock = Bench.create(tmp_path, {"cs2cap": relay.url}, fields), VirtualClock()
    take(bench, clock)
    quotes = bench.quotes()
    # Beside the row that it resembles: nothing is missing.
    relay.edits[path] = edit_first(change, keep=change is of_another_item or route != "batch")
    beside = take(bench, clock)
    assert (beside.exit_code, beside.state, beside.incomplete_reason) == (0, "done", None)
    assert beside.load is not None
    assert {row[0] for row in bench.query("SELECT DISTINCT reason FROM rejects")} == {reason}
    assert (bench.quotes(), beside.load.rows_closed) == (quotes, 0)
    # In its place: whether that quote is still listed is unknown.
    relay.edits[path] = edit_first(change, keep=False)
    instead = take(bench, clock)
    assert (instead.exit_code, instead.state) == (0, "done")
    assert instead.load is not None
    assert instead.load.rows_closed == 0
    assert 0 < instead.load.rows_rejected == len(quotes) - instead.load.rows_fetched
    assert bench.quotes() == quotes
    assert bench.query("SELECT count(*) FROM store.unconfirmed") == [(instead.load.rows_rejected,)]
    # It is the answer to no request of ours, whatever a later version can read.
    assert replay(bench.settings, clock) == []


def test_page_of_another_request_still_fails_its_shard(tmp_path: Path, relay: Relay) -> None:
    """A guard: the API ignored the filter, so that nothing of the page was asked for."""
    bench = Bench.create(tmp_path, {"cs2cap": relay.url}, catalog_of("steam"))
    relay.edits[PRICES] = lambda body: body.replace(b'"steam"', b'"buff163"')
    (result,) = bench.snapshot()
    assert (result.exit_code, result.state) == (3, "incomplete")
    assert "rows answer another request; marketplace not requested: buff163" in str(result.incomplete_reason)
    assert bench.query("FROM rejects") == []


@pytest.mark.slow
def test_rows_of_another_market_of_skinshark_are_rejects(tmp_path: Path, sandbox: Sandbox) -> None:
    def with_instant_price(body: bytes) -> bytes:
        return re.sub(rb'"instant":null', b'"instant":3.00', body, count=1)

    with relay_to(sandbox.url) as relay:
        bench = configure_both_sources(
            tmp_path, sandbox, skinshark_basket(), base_url=relay.url, market="ecosteam"
        )
        bench.snapshot()
        prices = stored_prices(bench)
        relay.edits[LISTING] = with_instant_price
        (result,) = bench.snapshot()
    assert result.load is not None
    assert (result.state, result.load.rows_rejected, result.load.rows_closed) == ("done", 1, 0)
    assert stored_prices(bench) == prices
