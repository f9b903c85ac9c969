"""Silence: a basket without a successful run for three of its intervals, and its end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from common.clock import SystemClock
from pipelines.alerts.silence import check_silence
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.http_servers import WebhookReceiver, webhook_receiver
from tests.support.snapshots import Bench, basket


@pytest.fixture
def told() -> Iterator[WebhookReceiver]:
    with webhook_receiver() as kept:
        yield kept


@pytest.fixture
def bench(tmp_path: Path, sandbox: Sandbox, told: WebhookReceiver) -> Bench:
    bench = Bench.at(tmp_path, sandbox, basket(every="10m"), basket("never", every="10m"))
    return bench.telling(told.url)


def names(bench: Bench, minutes: float) -> list[str]:
    """Who is silent so many minutes from now."""
    return [
        one.name for one in check_silence(bench.settings, SystemClock().now() + timedelta(minutes=minutes))
    ]


def test_three_intervals_without_a_success_are_told_once_and_so_is_the_end(
    bench: Bench, told: WebhookReceiver
) -> None:
    bench.snapshot("core")
    assert [names(bench, minutes) for minutes in (0, 29, 31, 60, 90)] == [
        [],
        [],
        ["core"],
        ["core"],
        ["core"],
    ]
    (alert,) = bench.alerts()
    assert (alert.cause, alert.subject, alert.repeats) == ("silence", "core", 0)
    assert "due every 10 minutes" in alert.message
    bench.snapshot("core")
    assert bench.alerts() == []
    assert told.titles == ["[floorline] silence: cs2cap, core", "[floorline] silence is over: cs2cap, core"]


def test_runs_that_fail_break_no_silence(bench: Bench, sandbox: Sandbox) -> None:
    bench.snapshot("core")
    sandbox.key(VALID_KEY, "revoked")
    bench.snapshot("core")
    assert names(bench, 31) == ["core"]


def test_a_basket_that_ran_in_vain_from_the_first_is_silent_too(bench: Bench, sandbox: Sandbox) -> None:
    sandbox.key(VALID_KEY, "revoked")
    bench.snapshot("core")
    assert names(bench, 29) == []
    assert names(bench, 31) == ["core"]


def test_before_the_first_run_nothing_is_missed(bench: Bench) -> None:
    assert names(bench, 1000) == []


def test_the_command_says_who_is_silent(bench: Bench) -> None:
    bench.snapshot("core")
    assert bench.command("alerts", "check").stdout == "no basket is silent\n"
    text = bench.config.read_text("utf-8").replace('every = "10m"', 'every = "0s"')
    bench.config.write_text(text, "utf-8")
    assert bench.command("alerts", "check", check=3).stdout == "silent: core\n"
