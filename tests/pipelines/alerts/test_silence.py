"""Silence: a basket without a successful run for three of its intervals, and its end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from common.clock import SystemClock
from pipelines.alerts.silence import check_silence
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.clocks import VirtualClock
from tests.support.http_servers import WebhookReceiver, webhook_receiver
from tests.support.json_outputs import read_result
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, basket, main_with
from tests.support.warehouse import minute


@pytest.fixture
def webhook() -> Iterator[WebhookReceiver]:
    with webhook_receiver() as receiver:
        yield receiver


@pytest.fixture
def sandbox(make_sandbox: MakeSandbox) -> Sandbox:
    """Return a sandbox whose clock agrees with this machine's."""
    return make_sandbox(frozen=datetime.now(UTC))


@pytest.fixture
def clock() -> VirtualClock:
    """Return a clock that starts at noon on the first of June."""
    return VirtualClock()


@pytest.fixture
def bench(tmp_path: Path, sandbox: Sandbox, webhook: WebhookReceiver) -> Bench:
    bench = Bench.at(tmp_path, sandbox, basket(every="10m"), basket("never", every="10m"))
    return bench.with_notify(webhook.url)


def silent_baskets(bench: Bench, minutes: float) -> list[str]:
    """Return the baskets that are silent so many minutes from now."""
    now = SystemClock().now() + timedelta(minutes=minutes)
    return [basket.name for basket in check_silence(bench.settings, now)]


@pytest.mark.slow
def test_three_intervals_without_success_raise_one_alert_that_the_next_success_resolves(
    bench: Bench, webhook: WebhookReceiver
) -> None:
    bench.snapshot("core")
    silent = [silent_baskets(bench, minutes) for minutes in (0, 29, 31, 60, 90)]
    assert silent == [[], [], ["core"], ["core"], ["core"]]
    (alert,) = bench.alerts()
    assert (alert.cause, alert.subject, alert.repeats) == ("silence", "core", 0)
    assert "due every 10 minutes" in alert.message
    bench.snapshot("core")
    assert bench.alerts() == []
    assert webhook.titles == [
        "[floorline] failure: silence (cs2cap, core)",
        "[floorline] success: silence is over (cs2cap, core)",
    ]


@pytest.mark.slow
def test_failed_runs_do_not_end_the_silence(bench: Bench, sandbox: Sandbox) -> None:
    bench.snapshot("core")
    sandbox.key(VALID_KEY, "revoked")
    bench.snapshot("core")
    assert silent_baskets(bench, 31) == ["core"]


def test_basket_that_never_succeeded_is_silent_too(bench: Bench, sandbox: Sandbox) -> None:
    sandbox.key(VALID_KEY, "revoked")
    bench.snapshot("core")
    assert silent_baskets(bench, 29) == []
    assert silent_baskets(bench, 31) == ["core"]


@pytest.mark.slow
def test_run_of_a_clock_that_was_ahead_does_not_hide_the_silence(
    bench: Bench, sandbox: Sandbox, clock: VirtualClock
) -> None:
    """The clock of this machine is a day ahead for one run."""
    for day in (1, 0):
        clock.time = day * 86_400.0
        bench.snapshot("core", clock=clock)
    silent = [
        [basket.name for basket in check_silence(bench.settings, minute(minutes))] for minutes in (29, 31)
    ]
    assert silent == [[], ["core"]]


def test_basket_without_a_run_is_not_silent(bench: Bench) -> None:
    assert silent_baskets(bench, 1000) == []


@pytest.mark.slow
def test_command_prints_the_silent_baskets(bench: Bench, clock: VirtualClock) -> None:
    bench.snapshot("core", clock=clock)  # on the first of June
    assert bench.command("alerts", "check", check=3).stdout == "silent: core\n"
    as_json = main_with("alerts", "check", "--json", "--config", str(bench.config))
    assert (as_json.code, read_result(as_json.out)) == (3, {"silent": ["core"]})
    bench.snapshot("core")
    assert bench.command("alerts", "check").stdout == "no basket is silent\n"
