"""The breaker: a rejected key is not sent again, until it changes, is cleared, or may have healed."""

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

NEXT_KEY = "cs2c_live_sandbox_next_000000009"


@pytest.fixture
def other(make_sandbox: MakeSandbox) -> Sandbox:
    return make_sandbox()


@pytest.fixture
def bench(tmp_path: Path, sandbox: Sandbox, other: Sandbox) -> Bench:
    baskets = (basket(), basket("apart", source="second"))
    return Bench.at(tmp_path, {"cs2cap": sandbox, "second": other}, *baskets)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def asked(box: Sandbox) -> int:
    """How many requests of any kind a sandbox got so far."""
    return len(box.requests.since(0))


def states(results: list[RunResult]) -> list[str]:
    return [result.state for result in results]


def test_a_revoked_key_is_not_sent_again_and_the_other_source_runs_on(
    bench: Bench, sandbox: Sandbox, other: Sandbox, clock: VirtualClock
) -> None:
    sandbox.key(VALID_KEY, "revoked")
    assert states(bench.snapshot(clock=clock)) == ["auth_failed", "done"]
    before = asked(sandbox), asked(other)
    for hours in (0.2, 2, 48):
        clock.time = hours * 3600
        results = bench.snapshot(clock=clock)
        assert states(results) == ["auth_failed", "done"]
        assert isinstance(results[0].error, KeyRevoked)
        assert "not asked again since 2026-06-01 12:00 UTC" in str(results[0].error)
        assert results[0].requests == 0
    assert asked(sandbox) == before[0]
    assert asked(other) > before[1]
    (alert,) = bench.alerts()
    assert (alert.cause, alert.source, alert.repeats) == ("auth.failed", "cs2cap", 3)


def test_a_key_revoked_in_mid_walk_trips_it_as_well(
    tmp_path: Path, make_sandbox: MakeSandbox, clock: VirtualClock
) -> None:
    box = make_sandbox(tier="free")
    box.fault("revoke_key", after=3, times=None)
    bench = Bench.at(tmp_path, box, basket(items=["all"], providers=["steam", "buff163"]))
    assert states(bench.snapshot(clock=clock)) == ["auth_failed"]
    before = asked(box)
    assert states(bench.snapshot(clock=clock)) == ["auth_failed"]
    assert asked(box) == before
    assert [alert.repeats for alert in bench.alerts()] == [1]


def test_another_key_closes_it_and_the_first_success_ends_the_alert(
    bench: Bench, sandbox: Sandbox, clock: VirtualClock
) -> None:
    sandbox.key(VALID_KEY, "revoked")
    bench.snapshot("core", clock=clock)
    sandbox.key(NEXT_KEY)
    (bench.folder / "cs2cap.key").write_text(NEXT_KEY)
    assert states(bench.snapshot("core", clock=clock)) == ["done"]
    assert bench.alerts() == []
    assert bench.quotes() == ledger(sandbox, ["steam"], [int(row[1]) for row in bench.quotes()])


def test_another_key_that_is_rejected_too_is_remembered_in_its_place(
    bench: Bench, sandbox: Sandbox, clock: VirtualClock
) -> None:
    sandbox.key(VALID_KEY, "revoked")
    bench.snapshot("core", clock=clock)
    (bench.folder / "cs2cap.key").write_text(NEXT_KEY)
    bench.snapshot("core", clock=clock)
    before = asked(sandbox)
    bench.snapshot("core", clock=clock)
    assert asked(sandbox) == before
    (alert,) = bench.alerts()
    assert alert.code == "AUTH_INVALID_API_KEY"


def test_clearing_the_alert_closes_it(bench: Bench, sandbox: Sandbox, clock: VirtualClock) -> None:
    sandbox.key(VALID_KEY, "revoked")
    bench.snapshot("core", clock=clock)
    (alert,) = bench.alerts()
    sandbox.key(VALID_KEY, "valid")
    assert states(bench.snapshot("core", clock=clock)) == ["auth_failed"]
    bench.command("alerts", "clear", str(alert.alert_id))
    assert states(bench.snapshot("core", clock=clock)) == ["done"]


def test_a_disabled_account_is_asked_once_an_hour_and_heals(
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


def test_a_probe_that_was_let_in_does_not_wait_another_hour(
    bench: Bench, sandbox: Sandbox, clock: VirtualClock
) -> None:
    """The account is well again, and the run fails for a reason of its own."""
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


def test_one_process_alone_gets_the_hourly_probe(bench: Bench, sandbox: Sandbox, clock: VirtualClock) -> None:
    sandbox.key(VALID_KEY, "disabled")
    bench.snapshot("core", clock=clock)
    state = AlertStore(bench.home.state)
    rejection = state.get_rejection("cs2cap")
    assert rejection is not None
    clock.time = 3600
    assert [state.claim_probe(rejection, clock.now()) for _ in range(3)] == [True, False, False]


def test_the_key_itself_is_not_written_down(bench: Bench, sandbox: Sandbox, clock: VirtualClock) -> None:
    sandbox.key(VALID_KEY, "revoked")
    bench.snapshot("core", clock=clock)
    for path in bench.home.root.rglob("*"):
        assert not path.is_file() or VALID_KEY.encode() not in path.read_bytes()
