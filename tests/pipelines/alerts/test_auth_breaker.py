"""The auth breaker: a rejected key is not sent again until it changes, is cleared, or may have recovered."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.errors import KeyRevoked
from pipelines.results import RunResult
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.clocks import VirtualClock
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, basket, ledger
from warehouse.state.alerts import AlertStore
from warehouse.state.database import open_state

NEXT_KEY = "cs2c_live_sandbox_next_000000009"


@pytest.fixture
def other(make_sandbox: MakeSandbox) -> Sandbox:
    return make_sandbox()


@pytest.fixture
def bench(tmp_path: Path, sandbox: Sandbox, other: Sandbox) -> Bench:
    baskets = (basket(), basket("other", source="second"))
    return Bench.at(tmp_path, {"cs2cap": sandbox, "second": other}, *baskets)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def requests_received(box: Sandbox) -> int:
    """Return how many requests of any kind a sandbox has received."""
    return len(box.requests.since(0))


def states(results: list[RunResult]) -> list[str]:
    return [result.state for result in results]


@pytest.mark.slow
def test_revoked_key_is_not_sent_again_and_the_other_source_runs(
    bench: Bench, sandbox: Sandbox, other: Sandbox, clock: VirtualClock
) -> None:
    sandbox.key(VALID_KEY, "revoked")
    assert states(bench.snapshot(clock=clock)) == ["auth_failed", "done"]
    before = requests_received(sandbox), requests_received(other)
    for hours in (0.2, 2, 48):
        clock.time = hours * 3600
        results = bench.snapshot(clock=clock)
        assert states(results) == ["auth_failed", "done"]
        assert isinstance(results[0].error, KeyRevoked)
        assert "no request sent since 2026-06-01 12:00 UTC" in str(results[0].error)
        assert results[0].requests == 0
    assert requests_received(sandbox) == before[0]
    assert requests_received(other) > before[1]
    (alert,) = bench.alerts()
    assert (alert.cause, alert.source, alert.repeats) == ("auth.failed", "cs2cap", 3)


def test_key_revoked_during_an_extraction_trips_the_breaker(
    tmp_path: Path, make_sandbox: MakeSandbox, clock: VirtualClock
) -> None:
    box = make_sandbox(tier="free")
    box.fault("revoke_key", after=3, times=None)
    bench = Bench.at(tmp_path, box, basket(items=["all"], providers=["steam", "buff163"]))
    assert states(bench.snapshot(clock=clock)) == ["auth_failed"]
    before = requests_received(box)
    assert states(bench.snapshot(clock=clock)) == ["auth_failed"]
    assert requests_received(box) == before
    assert [alert.repeats for alert in bench.alerts()] == [1]


@pytest.mark.slow
def test_new_key_resets_the_breaker_and_the_first_success_resolves_the_alert(
    bench: Bench, sandbox: Sandbox, clock: VirtualClock
) -> None:
    sandbox.key(VALID_KEY, "revoked")
    bench.snapshot("core", clock=clock)
    sandbox.key(NEXT_KEY)
    (bench.folder / "cs2cap.key").write_text(NEXT_KEY)
    assert states(bench.snapshot("core", clock=clock)) == ["done"]
    assert bench.alerts() == []
    assert bench.quotes() == ledger(sandbox, ["steam"], [int(row[1]) for row in bench.quotes()])


def test_new_key_that_is_rejected_replaces_the_old_rejection(
    bench: Bench, sandbox: Sandbox, clock: VirtualClock
) -> None:
    sandbox.key(VALID_KEY, "revoked")
    bench.snapshot("core", clock=clock)
    (bench.folder / "cs2cap.key").write_text(NEXT_KEY)
    bench.snapshot("core", clock=clock)
    before = requests_received(sandbox)
    bench.snapshot("core", clock=clock)
    assert requests_received(sandbox) == before
    (alert,) = bench.alerts()
    assert alert.code == "AUTH_INVALID_API_KEY"


@pytest.mark.slow
def test_clearing_the_alert_resets_the_breaker(bench: Bench, sandbox: Sandbox, clock: VirtualClock) -> None:
    sandbox.key(VALID_KEY, "revoked")
    bench.snapshot("core", clock=clock)
    (alert,) = bench.alerts()
    sandbox.key(VALID_KEY, "valid")
    assert states(bench.snapshot("core", clock=clock)) == ["auth_failed"]
    bench.command("alerts", "clear", str(alert.alert_id))
    assert states(bench.snapshot("core", clock=clock)) == ["done"]


@pytest.mark.slow
def test_disabled_account_is_probed_once_an_hour_and_recovers(
    bench: Bench, sandbox: Sandbox, clock: VirtualClock
) -> None:
    sandbox.key(VALID_KEY, "disabled")
    bench.snapshot("core", clock=clock)
    for minutes, probes in ((1, 0), (59, 0), (60, 1), (61, 0), (119, 0), (120, 1)):
        clock.time = minutes * 60
        before = sandbox.requests.since(0)
        assert states(bench.snapshot("core", clock=clock)) == ["auth_failed"]
        sent = sandbox.requests.since(len(before))
        assert [entry.path for entry in sent] == ["/v1/account/key"] * probes

    sandbox.key(VALID_KEY, "valid")
    clock.time = 130 * 60
    assert states(bench.snapshot("core", clock=clock)) == ["auth_failed"]
    clock.time = 181 * 60
    assert states(bench.snapshot("core", clock=clock)) == ["done"]
    assert bench.alerts() == []


@pytest.mark.slow
def test_accepted_probe_resets_the_breaker_even_if_the_run_fails(
    bench: Bench, sandbox: Sandbox, clock: VirtualClock
) -> None:
    """The account is enabled again, and the run fails for another reason."""
    sandbox.key(VALID_KEY, "disabled")
    bench.snapshot("core", clock=clock)
    sandbox.key(VALID_KEY, "valid")
    sandbox.fault("status_500", path="/v1/items", times=20)
    clock.time = 3600
    assert states(bench.snapshot("core", clock=clock)) == ["failed"]
    assert "auth.failed" in {alert.cause for alert in bench.alerts()}
    sandbox.faults.clear()
    assert states(bench.snapshot("core", clock=clock)) == ["done"]
    assert bench.alerts() == []


def test_one_process_gets_the_hourly_probe(bench: Bench, sandbox: Sandbox, clock: VirtualClock) -> None:
    sandbox.key(VALID_KEY, "disabled")
    bench.snapshot("core", clock=clock)
    alerts = AlertStore(open_state(bench.paths))
    rejection = alerts.get_rejection("cs2cap")
    assert rejection is not None
    clock.time = 3600
    assert [alerts.claim_probe(rejection, clock.now()) for _ in range(3)] == [True, False, False]


def test_probe_of_a_clock_that_was_ahead_delays_no_other(
    bench: Bench, sandbox: Sandbox, clock: VirtualClock
) -> None:
    sandbox.key(VALID_KEY, "disabled")
    clock.time = 86_400
    bench.snapshot("core", clock=clock)
    sandbox.key(VALID_KEY, "valid")
    clock.time = 60
    assert states(bench.snapshot("core", clock=clock)) == ["done"]


def test_key_is_not_written_to_disk(bench: Bench, sandbox: Sandbox, clock: VirtualClock) -> None:
    sandbox.key(VALID_KEY, "revoked")
    bench.snapshot("core", clock=clock)
    for path in bench.paths.root.rglob("*"):
        assert not path.is_file() or VALID_KEY.encode() not in path.read_bytes()
