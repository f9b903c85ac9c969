"""The process that lands pages is killed: said in a line, and what had landed is loaded by the next run."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from sandbox.market.providers import KEYS
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import FLOORLINE, Bench, catalog_of, clean_env, ledger, priced
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow


def press_of(run: subprocess.Popen[str]) -> int:
    """The process id of the one that `run` has started."""
    (child,) = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
    return int(child)


def test_what_had_landed_is_kept_and_the_rest_is_fetched_by_the_next_run(
    make_sandbox: MakeSandbox, tmp_path: Path
) -> None:
    box = make_sandbox(items=2000, tier="free")
    keys = KEYS[:25]
    bench = Bench.at(tmp_path, box, catalog_of(*keys))
    box.fault("latency", seconds=0.05, times=None)
    command = [FLOORLINE, "snapshot", "--no-prefect", "--config", str(bench.config)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_env()
    ) as run:
        wait_until(lambda: len(priced(box)) >= 100)
        os.kill(press_of(run), signal.SIGKILL)
        _, said = run.communicate(timeout=30)
    assert run.returncode == 6
    assert "was killed" in said
    assert "Traceback" not in said
    since = len(box.requests.since(0))
    box.faults.clear()
    (result,) = bench.snapshot()
    assert result.state == "done"
    assert len(priced(box, since)) < 200
    assert bench.quotes() == ledger(box, keys)
