"""Measure how many flow runs of one item a machine runs, and what each costs.

    python -m bench.flow_runs [--seconds 60] [--at-once 6]

`floorline up` with one worker runs so many snapshots at once, each as a flow run in a process of its own; one
that ends is followed by another. The CPU seconds are those of the worker with all of its flow runs, and those
of Prefect's server (on PostgreSQL). They depend less on other work on the machine than the number of runs,
which is also less because the server, the sandbox and this program share the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx

from floorline.up.environment import DATABASE
from sandbox.options import Options
from sandbox.server import spawn
from tests.support.postgres import running_postgres
from tests.support.snapshots import Bench, basket
from tests.support.up import RunningUp, descendants, running_up

TICKS = os.sysconf("SC_CLK_TCK")
POLL = 1.0  # seconds
CANCELLED = "CANCELLED"  # another run of the deployment had its slot: the first one, which nobody asked for


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description="Measure how many flow runs a machine runs.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--at-once", type=int, default=6)
    options = parser.parse_args()
    names = [f"basket-{number}" for number in range(options.at_once)]
    with (
        spawn(Options(items=300, limits=False, tier="quant")) as url,
        running_postgres() as postgres,
        tempfile.TemporaryDirectory(prefix="floorline-bench-") as folder,
    ):
        baskets = [basket(name, items=["AK-47 | Redline (Field-Tested)"], every="12h") for name in names]
        bench = Bench.create(Path(folder), {"cs2cap": url}, *baskets)
        database = {DATABASE: postgres.url(scheme="postgresql+asyncpg")}
        with running_up(bench, **database) as up, _open_client(up) as client:
            driver = _Driver(client, names)
            driver.drive(lambda: driver.completed >= options.at_once)  # first runs, which do not count
            _measure(up, driver, options.seconds)


def _measure(up: RunningUp, driver: _Driver, seconds: float) -> None:
    """Drive the runs for so many seconds, and print what they cost."""
    (worker,), (server,) = up.children("worker start"), up.children("prefect_server")
    began, completed = time.monotonic(), driver.completed
    before = _read_cpu(worker), _read_cpu(server), _read_machine()
    driver.drive(lambda: time.monotonic() - began > seconds)
    passed, runs = time.monotonic() - began, driver.completed - completed
    of_runs, of_server, of_machine = (
        (after - start) / runs
        for start, after in zip(before, (_read_cpu(worker), _read_cpu(server), _read_machine()), strict=True)
    )
    cores = len(os.sched_getaffinity(0))
    print(f"{runs} flow runs in {passed:.0f} s, all completed: {runs * 300 / passed:.0f} in five minutes")
    print(f"CPU seconds a flow run: {of_runs:.2f} of the worker machine, {of_server:.2f} of Prefect's server")
    print(f"CPU seconds of the whole machine: {of_machine:.2f} a run; load {os.getloadavg()[0]:.1f}")
    print(f"so {cores} cores that do nothing else run {300 * cores / of_runs:.0f} in five minutes")


class _Driver:
    """Starts a run of each deployment as soon as its last one has ended; `completed` counts those."""

    def __init__(self, client: httpx.Client, names: Sequence[str]) -> None:
        self._client = client
        paths = (f"/deployments/name/snapshot/{name}" for name in names)
        self._deployments = [client.get(path).raise_for_status().json()["id"] for path in paths]
        self._active: dict[str, str] = {}  # the runs, by deployment
        self.completed = 0

    def drive(self, is_done: Callable[[], bool]) -> None:
        """Drive the runs until it is done. Raises RuntimeError where a run ends badly."""
        while not is_done():
            self._count_ended()
            for deployment in self._deployments:
                if deployment not in self._active:
                    created = self._client.post(f"/deployments/{deployment}/create_flow_run", json={})
                    self._active[deployment] = created.raise_for_status().json()["id"]
            time.sleep(POLL)

    def _count_ended(self) -> None:
        wanted = {"flow_runs": {"id": {"any_": list(self._active.values())}}}
        runs = self._client.post("/flow_runs/filter", json=wanted).raise_for_status().json()
        for run in runs:
            ended = run["state_name"] == "Completed"
            if not ended and run["state_type"] not in {"SCHEDULED", "PENDING", "RUNNING", CANCELLED}:
                raise RuntimeError(f"{run['name']}: {run['state']['message']}")
            if ended or run["state_type"] == CANCELLED:
                self.completed += ended
                del self._active[run["deployment_id"]]


@contextlib.contextmanager
def _open_client(up: RunningUp) -> Iterator[httpx.Client]:
    """Open a connection to Prefect's API, with the secret and a token against forgery."""
    user, _, password = up.secret.partition(":")
    with httpx.Client(base_url=up.api, auth=(user, password), timeout=120) as client:
        token = client.get("/csrf-token", params={"client": "bench"}).json()["token"]
        client.headers.update({"Prefect-Csrf-Token": token, "Prefect-Csrf-Client": "bench"})
        yield client


def _read_cpu(pid: int) -> float:
    """Return the CPU seconds of a process and of those of its descendants that have ended or run."""
    return sum(_read_ticks(Path(f"/proc/{one}/stat")) for one in descendants(pid)) / TICKS


def _read_ticks(stat: Path) -> int:
    """Return the ticks of a process, with those of its ended children; 0 where it has ended."""
    with contextlib.suppress(OSError):
        return sum(map(int, stat.read_text().rpartition(")")[2].split()[11:15]))
    return 0


def _read_machine() -> float:
    """Return the CPU seconds of all processes of the machine since its start."""
    user, nice, system = Path("/proc/stat").read_text().split()[1:4]
    return (int(user) + int(nice) + int(system)) / TICKS


if __name__ == "__main__":
    main()
