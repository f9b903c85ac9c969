"""Two processes share one key against a source that enforces its limits: no response is a 429."""

import asyncio
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.ratelimit.ledger import read_usage
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.flood import flood
from tests.support.sandboxes import MakeSandbox


def run_two_processes(box: Sandbox, state: Path, seconds: float) -> list[int]:
    """Flood a sandbox from two processes; return the number of responses of each process."""
    command = [sys.executable, "-m", "tests.support.flood", box.url, str(state), str(seconds)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    return [int(process.communicate(timeout=seconds + 60)[0]) for process in processes]


def statuses(box: Sandbox) -> Counter[int | None]:
    return Counter(entry.status for entry in box.requests.since(0))


@pytest.mark.slow
def test_two_processes_get_no_429_in_three_minutes(make_sandbox: MakeSandbox, tmp_path: Path) -> None:
    box = make_sandbox(tier="starter", limits=True, windows="both", frozen=None)
    responses = run_two_processes(box, tmp_path / "state.db", 180)
    assert statuses(box).keys() <= {200, None}  # None: cancelled at the end
    assert sum(responses) >= 0.95 * 3 * 40 - 2  # minus the requests for the account
    assert min(responses) >= 30  # the second process may find the first minute used up


@pytest.mark.slow
def test_two_processes_stop_when_the_month_is_used_up(make_sandbox: MakeSandbox, tmp_path: Path) -> None:
    box = make_sandbox(tier="quant", limits=True, windows="both", frozen=None)
    box.keys.set_remaining(VALID_KEY, 61, box.clock.now())
    responses = run_two_processes(box, tmp_path / "state.db", 30)
    assert sum(responses) == 61
    assert statuses(box) == {200: 61 + 2}
    month = read_usage(tmp_path / "state.db", "cs2cap")
    assert month is not None
    assert month.used == month.limit == 1_000_000
    assert month.resets_at is not None
    assert (month.resets_at + timedelta(seconds=5)).day == 1  # the API gives whole seconds until the reset


def test_run_with_a_used_up_month_requests_no_prices(make_sandbox: MakeSandbox, tmp_path: Path) -> None:
    box = make_sandbox(limits=True)
    box.keys.set_remaining(VALID_KEY, 0, box.clock.now())
    assert asyncio.run(flood(box.url, tmp_path / "state.db", 30)) == 0
    assert [entry.path for entry in box.requests.since(0)] == ["/v1/account/key"]
