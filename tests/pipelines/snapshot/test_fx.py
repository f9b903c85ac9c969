"""A basket with fx = "table": quotes in dollars and one table of rates, converted on reading."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.core import Sandbox
from tests.support.clocks import VirtualClock
from tests.support.snapshots import SIX, Bench, catalog_of, ledger, ordered

pytestmark = pytest.mark.usefixtures("no_prefect")
FOUR = ["USD", "EUR", "JPY", "BTC"]


@pytest.fixture
def bench(tmp_path: Path, sandbox: Sandbox) -> Bench:
    return Bench.at(tmp_path, sandbox, catalog_of(*SIX, currencies=FOUR, fx="table"))


def test_run_requests_dollars_and_one_table_of_rates(bench: Bench, sandbox: Sandbox) -> None:
    for _ in range(2):
        before = len(sandbox.requests)
        assert bench.snapshot()[0].state == "done"
        assert len(sandbox.requests.of_path("/v1/fx", before)) == 1
        queries = [entry.query for entry in sandbox.requests.of_path("/v1/prices", before)]
        assert all("currency=USD" in query for query in queries)
        assert len(queries) == len(SIX)


@pytest.mark.parametrize("currency", FOUR)
def test_converted_quotes_equal_the_conversion_of_the_api(
    bench: Bench, sandbox: Sandbox, currency: str
) -> None:
    bench.snapshot()
    rows = bench.query(
        "SELECT provider, item_id, phase, lowest_ask, price, quantity FROM quotes_in(?)", currency
    )
    assert ordered(rows) == ledger(sandbox, SIX, currency=currency)


@pytest.mark.slow
def test_missing_rates_make_the_run_incomplete(bench: Bench, sandbox: Sandbox) -> None:
    clock = VirtualClock()
    bench.snapshot(clock=clock)
    sandbox.fault("status_500", path="/v1/fx", times=None)
    (result,) = bench.snapshot(clock=clock)
    assert result.state == "incomplete"
    assert "exchange rates" in (result.incomplete_reason or "")
