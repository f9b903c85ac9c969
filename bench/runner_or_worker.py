"""Compare what can take the runs of the deployments: a worker of a work pool, or a runner (`prefect.serve`).

    python -m bench.runner_or_worker [--rounds 3]

Each measurement starts a Prefect server on a new database and waits until it answers. Then the clock runs,
until the first run of one basket has published its data: with `prefect deploy` and `prefect worker start`,
with deployments of one process and `prefect worker start`, and with a runner in the process that deploys. The
memory is the proportional set size (PSS) of the process that takes the runs, and of the one that deploys,
which under `floorline up` stays as the supervisor.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from bench.support import read_pss, write_config
from flows import WORK_POOL
from pipelines.config import load_settings
from sandbox.options import Options
from sandbox.server import spawn

API: Final = "http://127.0.0.1:43299/api"
KINDS: Final = ("deploy", "worker", "runner")
BASKET: Final = 'items = ["AK-47 | Redline (Field-Tested)"]\nproviders = ["steam"]\nevery = "1h"'
PREFECT: Final = (sys.executable, "-m", "prefect")


def main() -> None:
    """Measure each kind in turn, and print the medians."""
    parser = argparse.ArgumentParser(description="Compare a runner with a pool and a worker.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--part", nargs=2)
    options = parser.parse_args()
    if options.part:
        asyncio.run(deploy(options.part[0], Path(options.part[1])))
        return
    figures: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
    for _ in range(options.rounds):
        for kind in KINDS:
            figures[kind].append(measure(kind))
            print(kind, *figures[kind][-1], f"load {os.getloadavg()[0]:.1f}", flush=True)
    for kind, rounds in figures.items():
        seconds, memory = (statistics.median(column) for column in zip(*rounds, strict=True))
        print(f"{kind}: {seconds:.1f} s to the first data, {memory:.0f} MB")


def measure(kind: str) -> tuple[float, float]:
    """Return the seconds to the first data, and the megabytes of the processes beside the server."""
    with (
        spawn(Options(items=300, limits=False, tier="quant")) as url,
        tempfile.TemporaryDirectory(prefix="floorline-bench-") as folder,
    ):
        config = write_config(Path(folder), url, basket=BASKET)
        quiet = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
        worker = {"PREFECT_WORKER_QUERY_SECONDS": "3", "PREFECT_WORKER_PREFETCH_SECONDS": "0"}
        env = {**os.environ, **quiet, **worker, "PREFECT_HOME": f"{folder}/home", "PREFECT_API_URL": API}
        server = _start([*PREFECT, "server", "start", "--port", "43299"], env)
        try:
            _wait_for_server()
            return _time_first_run(kind, config, env)
        finally:
            _stop(server)


def _time_first_run(kind: str, config: Path, env: Mapping[str, str]) -> tuple[float, float]:
    began = time.perf_counter()
    part = [sys.executable, "-m", "bench.runner_or_worker", "--part", kind, str(config)]
    deployer = _start(part, env)
    taker = None
    if kind != "runner":
        while not config.with_name("pool").exists():
            time.sleep(0.05)
        taker = _start([*PREFECT, "worker", "start", "--pool", WORK_POOL, "--type", "process"], env)
    database = config.with_name("market.duckdb")
    while not database.exists():
        assert time.perf_counter() - began < 240
        time.sleep(0.05)
    seconds = round(time.perf_counter() - began, 1)
    running = [process for process in (deployer, taker) if process is not None]
    memory = sum(read_pss(process.pid) for process in running)
    for process in running:
        _stop(process)
    return seconds, memory


async def deploy(kind: str, config: Path) -> None:
    """Deploy, start a run, and stay as the supervisor would; a runner also takes the runs."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.runner import Runner

    from flows.deployments import build_deployments, render_prefect_yaml

    settings = load_settings(config)
    runner = Runner(query_seconds=3, prefetch_seconds=0, heartbeat_seconds=30, limit=None)
    async with get_client() as client:
        if kind != "runner":
            await client.create_work_pool(WorkPoolCreate(name=WORK_POOL, type="process"))
        if kind == "worker":  # it starts while the deployments are created
            config.with_name("pool").touch()
        if kind == "deploy":
            await asyncio.to_thread(_run_prefect_deploy, render_prefect_yaml(settings, config), config.parent)
            config.with_name("pool").touch()
        else:
            engine = f"{sys.executable} -m prefect.engine" if kind == "worker" else None
            for deployment in build_deployments(settings, config, config.parent, engine):
                if kind == "runner":
                    deployment.work_pool_name, deployment.job_variables = None, {}
                    await runner.aadd_deployment(deployment)
                else:
                    await deployment.aapply()
        one = await client.read_deployment_by_name("snapshot/all")
        await client.create_flow_run_from_deployment(one.id)
    if kind == "runner":
        await runner.start()
    await asyncio.sleep(600)


def _run_prefect_deploy(text: str, folder: Path) -> None:
    file = folder / "prefect.yaml"
    file.write_text(text, "utf-8")
    command = [*PREFECT, "--no-prompt", "deploy", "--all", "--prefect-file", str(file)]
    subprocess.run(command, check=True, capture_output=True, cwd=Path(__file__).parents[1])


def _start(command: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, env=dict(env), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_for_server() -> None:
    for _ in range(2400):
        try:
            urllib.request.urlopen(f"{API}/health", timeout=5)
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return


if __name__ == "__main__":
    main()
