"""Faults during an extraction: the quotes equal the market, or the run is incomplete with a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sandbox.core import Sandbox
from tests.support.clocks import VirtualClock
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, catalog_of, ledger, price_requests

pytestmark = pytest.mark.slow
TRANSIENT_FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("rate_limited", {"retry_after": 30}),
    ("unavailable", {}),
    ("unavailable", {"coded": False}),
    ("status_500", {}),
    ("drop", {}),
    ("truncate", {"how": "length"}),
    ("truncate", {"how": "gzip"}),
    ("html", {}),
]
PERMANENT_FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("unavailable", {}),
    ("drop", {}),
    ("truncate", {"how": "gzip"}),
    ("redirect", {}),
]
LISTING_CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("rows_appear", {"n": 30, "provider": "steam"}),
    ("rows_vanish", {"n": 30, "provider": "steam"}),
    ("rows_appear", {"n": 1}),
    ("rows_vanish", {"n": 1}),
]


def fault_id(fault: tuple[str, dict[str, Any]]) -> str:
    return " ".join([fault[0], *map(str, fault[1].values())])


@pytest.fixture
def box(make_sandbox: MakeSandbox) -> Sandbox:
    """Return a sandbox in which Steam lists about nine hundred rows, in pages of a hundred."""
    return make_sandbox(items=1000, tier="free")


@pytest.fixture
def bench(tmp_path: Path, box: Sandbox) -> Bench:
    return Bench.at(tmp_path, box, catalog_of("steam"))


@pytest.mark.parametrize("fault", TRANSIENT_FAULTS, ids=fault_id)
def test_transient_fault_is_retried_and_no_row_is_missing(
    bench: Bench, box: Sandbox, fault: tuple[str, dict[str, Any]]
) -> None:
    kind, how = fault
    box.fault(kind, times=1, **how)
    box.fault(kind, after=5, times=2, **how)
    (result,) = bench.snapshot(clock=VirtualClock())
    assert result.state == "done"
    assert bench.quotes() == ledger(box, ["steam"])
    assert bench.alerts() == []


def test_all_requests_wait_for_retry_after(bench: Bench, box: Sandbox) -> None:
    box.fault("rate_limited", after=4, retry_after=30)
    clock = VirtualClock()
    bench.snapshot(clock=clock)
    assert clock.time >= 30
    assert sum(entry.status == 429 for entry in price_requests(box)) == 1


@pytest.mark.parametrize("fault", PERMANENT_FAULTS, ids=fault_id)
def test_permanent_fault_makes_the_run_incomplete_and_closes_no_quotes(
    bench: Bench, box: Sandbox, fault: tuple[str, dict[str, Any]]
) -> None:
    bench.snapshot()
    before = bench.quotes()
    box.vanish(20, provider="steam")
    box.advance(600)
    kind, how = fault
    box.fault(kind, after=3, times=None, **how)
    clock = VirtualClock()
    clock.time = 600.0
    (result,) = bench.snapshot(clock=clock)
    assert (result.state, result.exit_code) == ("incomplete", 3)
    assert "steam USD" in str(result.incomplete_reason)
    assert bench.quotes() == before
    run = "SELECT state, incomplete_reason FROM runs WHERE run_id = ?"
    assert bench.query(run, result.run_id) == [("incomplete", result.incomplete_reason)]
    assert [(alert.cause, alert.subject) for alert in bench.alerts()] == [("snapshot.incomplete", "core")]
    box.faults.clear()
    box.advance(600)
    bench.snapshot()
    assert bench.quotes() == ledger(box, ["steam"])
    assert bench.alerts() == []


@pytest.mark.parametrize("after", [1, 5])
@pytest.mark.parametrize("fault", LISTING_CHANGES, ids=fault_id)
def test_listing_that_shifts_during_the_extraction_is_complete_or_reported(
    bench: Bench, box: Sandbox, fault: tuple[str, dict[str, Any]], after: int
) -> None:
    kind, how = fault
    bench.snapshot()
    box.advance(600)
    box.fault(kind, after=after, **how)
    (result,) = bench.snapshot(clock=VirtualClock())
    if result.state == "done":
        assert bench.quotes() == ledger(box, ["steam"])
    else:
        assert result.state == "incomplete"
        assert "steam USD" in str(result.incomplete_reason)


@pytest.mark.parametrize("how", ["repeat", "empty"])
def test_endless_listing_ends_the_extraction(bench: Bench, box: Sandbox, how: str) -> None:
    box.fault("endless", how=how, times=None)
    (result,) = bench.snapshot()
    assert result.state == "incomplete"
    assert len(price_requests(box)) < 40


def test_response_past_the_deadline_is_retried(tmp_path: Path, box: Sandbox) -> None:
    bench = Bench.at(tmp_path, box, catalog_of("steam"), source={"deadline": "1s"})
    box.fault("latency", seconds=3600, after=2, times=1)
    (result,) = bench.snapshot(clock=VirtualClock())
    assert result.state == "done"
    assert bench.quotes() == ledger(box, ["steam"])


def test_listing_of_unknown_total_is_fetched_completely(bench: Bench, box: Sandbox) -> None:
    box.fault("unknown_total", times=None)
    (result,) = bench.snapshot()
    assert result.state == "done"
    assert bench.quotes() == ledger(box, ["steam"])
