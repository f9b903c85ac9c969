"""A cancelled snapshot: the landed pages are loaded, and the next run does not fetch fresh pages again."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from pipelines.loading import shutdown_grace
from sandbox.core import Sandbox
from tests.support.json_outputs import read_result
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import FLOORLINE, Bench, catalog_of, clean_env, ledger, price_requests
from tests.support.waiting import wait_until
from warehouse.landing.inventory import pending_landings
from warehouse.landing.reader import read_run

pytestmark = pytest.mark.slow
PROVIDERS = ("steam", "buff163")


@pytest.fixture
def box(make_sandbox: MakeSandbox) -> Sandbox:
    """Return a sandbox in which the two providers have nine and ten pages."""
    return make_sandbox(items=1000, tier="free")


def bench_at(folder: Path, box: Sandbox, fresh: str = "5m") -> Bench:
    return Bench.at(folder, box, catalog_of(*PROVIDERS, fresh=fresh), source={"concurrency": 2})


def is_free(lock: Path) -> bool:
    """Return whether no process holds the lock."""
    try:
        with FileLock(lock, timeout=0):
            return True
    except Timeout:
        return False


@contextlib.contextmanager
def running_snapshot(bench: Bench, box: Sandbox, pages: int = 6) -> Iterator[subprocess.Popen[str]]:
    """Run the command, and yield once the sandbox has sent so many pages; the others never come."""
    box.fault("latency", seconds=3600, after=pages, times=None)
    command = [FLOORLINE, "snapshot", "--no-prefect", "--config", str(bench.config)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_env()
    ) as run:
        try:
            wait_until(lambda: sum(entry.status == 200 for entry in price_requests(box)) >= pages)
            yield run
        finally:
            run.kill()


def stop_snapshot(bench: Bench, box: Sandbox, stop: signal.Signals) -> tuple[int, str]:
    """Stop a run in the middle; return its exit code and stderr."""
    with running_snapshot(bench, box) as run:
        run.send_signal(stop)
        _, stderr = run.communicate(timeout=120)
    box.faults.clear()
    return run.returncode, stderr


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_landed_pages_are_loaded_and_the_run_is_cancelled(
    tmp_path: Path, box: Sandbox, stop: signal.Signals, code: int
) -> None:
    bench = bench_at(tmp_path, box)
    assert stop_snapshot(bench, box, stop) == (
        code,
        "floorline: stopped; the data that had arrived is kept\n",
    )
    ((state, rows),) = bench.query("SELECT state, rows_fetched FROM runs")
    assert state == "cancelled"
    assert 400 <= rows == len(bench.quotes())
    assert set(bench.quotes()) < set(ledger(box, PROVIDERS))
    assert bench.query("SELECT count(*) FROM observations WHERE complete") == [(0,)]
    assert pending_landings(bench.paths.landing) == []


@pytest.mark.parametrize("fresh", [True, False])
def test_next_run_fetches_only_pages_that_are_not_fresh(tmp_path: Path, box: Sandbox, fresh: bool) -> None:
    bench = bench_at(tmp_path, box, "5m" if fresh else "0s")
    stop_snapshot(bench, box, signal.SIGTERM)
    ((landed,),) = bench.query("SELECT rows_fetched // 100 FROM runs")
    before = len(price_requests(box))
    (result,) = bench.snapshot()
    pages = sum(-(-len(ledger(box, [provider])) // 100) for provider in PROVIDERS)
    assert landed >= 4
    assert len(price_requests(box)) - before == result.requests == pages - (landed if fresh else 0)
    assert result.state == "done"
    assert bench.quotes() == ledger(box, PROVIDERS)
    assert bench.query("SELECT count(*) FROM observations WHERE complete") == [(2,)]


def test_vanished_quote_closes_with_the_next_complete_run(tmp_path: Path, box: Sandbox) -> None:
    bench = bench_at(tmp_path, box, "0s")
    bench.snapshot()
    box.advance(600)
    box.vanish(20, provider="steam")
    stop_snapshot(bench, box, signal.SIGTERM)
    assert len(bench.quotes()) == len(ledger(box, PROVIDERS)) + 20
    box.advance(600)
    bench.snapshot()
    assert bench.quotes() == ledger(box, PROVIDERS)


def test_second_ctrl_c_ends_the_wait_for_another_loader(tmp_path: Path, box: Sandbox) -> None:
    bench = bench_at(tmp_path, box)
    bench.paths.prepare()
    with FileLock(bench.paths.lock), running_snapshot(bench, box) as run:
        run.send_signal(signal.SIGINT)
        wait_until(lambda: any(is_free(lock) for lock in bench.paths.landing.glob("*/lock")))
        run.send_signal(signal.SIGINT)
        _, stderr = run.communicate(timeout=120)
        assert run.returncode == 130
        assert "Traceback" not in stderr
    (landing,) = pending_landings(bench.paths.landing)
    assert read_run(landing.folder).done["state"] == "cancelled"


def grace_after(error: BaseException) -> float:
    def fail() -> None:
        raise error

    async def main() -> float:
        try:
            fail()
        except BaseException:  # noqa: BLE001 - as in a run
            return shutdown_grace()
        return -1

    return asyncio.run(main())


def test_run_that_is_cancelled_twice_has_no_grace_period() -> None:
    assert grace_after(asyncio.CancelledError()) > 0
    assert grace_after(KeyboardInterrupt()) == 0


def test_cancelled_run_waits_only_briefly_for_another_loader(tmp_path: Path, box: Sandbox) -> None:
    bench = bench_at(tmp_path, box)
    bench.paths.prepare()
    with FileLock(bench.paths.lock), running_snapshot(bench, box) as run:
        run.send_signal(signal.SIGTERM)
        _, stderr = run.communicate(timeout=120)
        assert (run.returncode, stderr) == (143, "floorline: stopped; the data that had arrived is kept\n")
    assert len(pending_landings(bench.paths.landing)) == 1
    bench.command("maintain", "load")
    assert bench.query("SELECT state FROM runs") == [("cancelled",)]


def test_landed_pages_of_two_sources_are_loaded(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    pair = {"cs2cap": make_sandbox(items=1000, tier="free"), "second": make_sandbox(items=1000, tier="free")}
    baskets = [catalog_of("steam"), catalog_of("steam", name="other", source="second")]
    bench = Bench.at(tmp_path, pair, *baskets, source={"concurrency": 2})
    pair["second"].fault("latency", seconds=3600, after=6, times=None)
    assert stop_snapshot(bench, pair["cs2cap"], signal.SIGTERM)[0] == 143
    assert bench.query("SELECT basket, state FROM runs ORDER BY basket") == [
        ("core", "cancelled"),
        ("other", "cancelled"),
    ]
    assert read_result(bench.command("status", "--json").stdout)["landings_waiting"] == []
