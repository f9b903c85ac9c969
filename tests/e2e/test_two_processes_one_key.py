"""Two processes, or two machines, share one key of a source that enforces its limits: nothing is a 429."""

import asyncio
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from common.sqlite_state import SqliteState
from connectors.ratelimit.ledger import read_usage
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.flood import flood
from tests.support.postgres import Postgres, needs_postgres
from tests.support.sandboxes import MakeSandbox
from tests.support.states import process_environment, share
from warehouse.paths import WarehousePaths


def run_two_processes(
    box: Sandbox, paths: WarehousePaths, seconds: float, *, ahead: tuple[float, float] = (0.0, 0.0)
) -> list[int]:
    """Flood a sandbox from two processes; return the number of responses of each process.

    Their clocks are so many seconds `ahead`.
    """
    command = [sys.executable, "-m", "tests.support.flood", str(paths.root), box.url, str(seconds)]
    environment, pipe = process_environment(paths), subprocess.PIPE
    processes = [subprocess.Popen([*command, str(lead)], stdout=pipe, env=environment) for lead in ahead]
    return [int(process.communicate(timeout=seconds + 60)[0]) for process in processes]


def statuses(box: Sandbox) -> Counter[int | None]:
    return Counter(entry.status for entry in box.requests.since(0))


@pytest.mark.slow
def test_two_processes_get_no_429(make_sandbox: MakeSandbox, tmp_path: Path) -> None:
    box = make_sandbox(tier="starter", limits=True, windows="both", frozen=None)
    responses = run_two_processes(box, WarehousePaths(tmp_path), 75)
    assert statuses(box).keys() <= {200, None}  # None: cancelled at the end
    assert sum(responses) >= 0.95 * 40 - 2  # minus the requests for the account
    assert min(responses) >= 1  # the second process may find the first minute used up


@needs_postgres
@pytest.mark.slow
def test_two_machines_with_clocks_five_minutes_apart_get_no_429(
    make_sandbox: MakeSandbox, tmp_path: Path, postgres: Postgres
) -> None:
    box = make_sandbox(tier="starter", limits=True, windows="both", frozen=None)
    paths = share(tmp_path, postgres.create_database())
    responses = run_two_processes(box, paths, 75, ahead=(0.0, 300.0))
    assert statuses(box).keys() <= {200, None}  # None: cancelled at the end
    assert sum(responses) >= 0.95 * 40 - 2
    assert min(responses) >= 1


@pytest.mark.slow
def test_two_processes_stop_when_the_month_is_used_up(make_sandbox: MakeSandbox, tmp_path: Path) -> None:
    box = make_sandbox(tier="quant", limits=True, windows="both", frozen=None)
    box.keys.set_remaining(VALID_KEY, 61, box.clock.now())
    responses = run_two_processes(box, WarehousePaths(tmp_path), 30)
    assert sum(responses) == 61
    assert statuses(box) == {200: 61 + 2}
    month = read_usage(SqliteState(tmp_path / "state.db"), "cs2cap")
    assert month is not None
    assert month.used == month.limit == 1_000_000
    assert month.resets_at is not None
    assert (month.resets_at + timedelta(seconds=5)).day == 1  # the API gives whole seconds until the reset


def test_run_with_a_used_up_month_requests_no_prices(make_sandbox: MakeSandbox, tmp_path: Path) -> None:
    box = make_sandbox(limits=True)
    box.keys.set_remaining(VALID_KEY, 0, box.clock.now())
    assert asyncio.run(flood(box.url, WarehousePaths(tmp_path), 30)) == 0
    assert [entry.path for entry in box.requests.since(0)] == ["/v1/account/key"]
