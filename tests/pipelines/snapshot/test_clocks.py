"""A clock that is wrong, the source's or this machine's, freezes nothing, and is reported once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from common.clock import MAX_CLOCK_SKEW
from sandbox.core import Sandbox
from tests.support.clocks import NOON, VirtualClock
from tests.support.sandboxes import MakeSandbox
from tests.support.skinshark import configure_both_sources, skinshark_basket
from tests.support.snapshots import Bench, basket
from warehouse.state.alerts import AlertStore
from warehouse.state.database import open_state

pytestmark = pytest.mark.usefixtures("no_prefect")
YEAR, DAY = timedelta(days=365), timedelta(days=1)
TEN_YEARS = 10 * YEAR


def open_alerts(bench: Bench) -> list[tuple[str, str, str]]:
    """Return the cause, the source and the first words of each open alert."""
    alerts = AlertStore(open_state(bench.paths)).list_alerts(open_only=True)
    return sorted((alert.cause, alert.source, alert.message.split(" this")[0]) for alert in alerts)


@pytest.mark.slow
def test_date_a_year_ahead_is_told_and_bounded(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = Bench.at(tmp_path, sandbox, basket())
    clock = VirtualClock()
    sandbox.fault("skewed_date", seconds=YEAR.total_seconds(), times=None)
    (result,) = bench.snapshot(clock=clock)
    assert (result.state, result.clock_skew) == ("done", YEAR.total_seconds())
    assert open_alerts(bench) == [("clock.ahead", "cs2cap", "the source's clock is 365d ahead of")]
    assert bench.query("SELECT DISTINCT observed_to FROM observations") == [(NOON + MAX_CLOCK_SKEW,)]

    sandbox.faults.clear()
    clock.time = 600.0
    sandbox.advance(clock.time)
    (result,) = bench.snapshot(clock=clock)
    assert result.clock_skew == 0
    assert open_alerts(bench) == []
    later = NOON + timedelta(seconds=clock.time)
    assert bench.query("SELECT DISTINCT observed_at FROM quotes") == [(later,)]


def test_clock_that_is_behind_is_believed(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    bench = Bench.at(tmp_path, make_sandbox(frozen=NOON - DAY), basket())
    (result,) = bench.snapshot(clock=VirtualClock())
    assert result.clock_skew == -DAY.total_seconds()
    assert open_alerts(bench) == []
    assert bench.query("SELECT DISTINCT observed_to FROM observations") == [(NOON - DAY,)]


@pytest.mark.slow
def test_each_source_has_its_own_clock(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox()
    bench = configure_both_sources(tmp_path, sandbox, basket(), skinshark_basket())
    sandbox.fault("skewed_date", seconds=YEAR.total_seconds(), times=None)
    bench.snapshot(clock=VirtualClock())
    assert [source for _, source, _ in open_alerts(bench)] == ["cs2cap"]


@pytest.mark.slow
def test_table_of_rates_from_2036_is_not_used_for_ever(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(frozen=NOON + TEN_YEARS)
    bench = Bench.at(tmp_path, sandbox, basket(currencies=["USD", "EUR"], fx="table"))
    clock = VirtualClock()
    sandbox.fault("skewed_date", path="", seconds=-TEN_YEARS.total_seconds(), times=None)
    bench.snapshot(clock=clock)
    assert open_alerts(bench) == [("clock.ahead", "cs2cap", "the source's clock is 3650d ahead of")]
    assert bench.query("SELECT DISTINCT rate_at FROM fx_rates") == [(NOON,)]

    clock.time = 60.0
    sandbox.advance(clock.time)
    bench.snapshot(clock=clock)
    newest = NOON + timedelta(seconds=clock.time)
    assert bench.query("SELECT DISTINCT rate_at FROM quotes_in('EUR')") == [(newest,)]
