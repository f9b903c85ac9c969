"""The command reports a worker process that was killed or did not start; the next run loads what landed."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from sandbox.market.providers import KEYS
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import FLOORLINE, Bench, catalog_of, clean_env, ledger, price_requests
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow
PROVIDERS = KEYS[:25]  # so many catalogs that the worker process writes their pages


def worker_of(run: subprocess.Popen[str]) -> int:
    """Return the process id of the worker that `run` has started from one of its threads."""
    children = Path(f"/proc/{run.pid}/task").glob("*/children")
    (child,) = " ".join(path.read_text() for path in children).split()
    return int(child)


def test_killed_worker_ends_the_run_and_the_next_run_fetches_only_the_rest(
    make_sandbox: MakeSandbox, tmp_path: Path
) -> None:
    box = make_sandbox(items=2000, tier="free")
    bench = Bench.at(tmp_path, box, catalog_of(*PROVIDERS))
    box.fault("latency", seconds=0.05, times=None)
    command = [FLOORLINE, "snapshot", "--no-prefect", "--config", str(bench.config)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_env()
    ) as run:
        wait_until(lambda: len(price_requests(box)) >= 100)
        os.kill(worker_of(run), signal.SIGKILL)
        _, stderr = run.communicate(timeout=120)
    assert run.returncode == 6
    assert "was killed" in stderr
    assert "Traceback" not in stderr
    since = len(box.requests.since(0))
    box.faults.clear()
    (result,) = bench.snapshot()
    assert result.state == "done"
    assert len(price_requests(box, since)) < 200
    assert bench.quotes() == ledger(box, PROVIDERS)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        pytest.param(
            "sys.modules['pipelines.snapshot.page_writers'] = None",
            "the process that lands pages could not be started: ModuleNotFoundError",
            id="import fails",
        ),
        pytest.param(
            "import os; os._exit(9)",
            "the process that lands pages ended with exit code 9",
            id="exits at once",
        ),
    ],
)
def test_worker_that_does_not_start_ends_the_run_with_one_line(
    make_sandbox: MakeSandbox, tmp_path: Path, statement: str, message: str
) -> None:
    bench = Bench.at(tmp_path, make_sandbox(items=2000, tier="free"), catalog_of(*PROVIDERS))
    (tmp_path / "sitecustomize.py").write_text(
        f"import sys\nif 'common.worker_process' in sys.orig_argv:\n    {statement}\n"
    )
    done = bench.command("snapshot", "--no-prefect", check=6, PYTHONPATH=str(tmp_path))
    (line,) = done.stderr.splitlines()
    assert message in line
