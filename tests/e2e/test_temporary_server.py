"""The server that Prefect starts for a single command serves that command only."""

from __future__ import annotations

import subprocess
from pathlib import Path

import httpx
import pytest

from sandbox.options import Options
from sandbox.server import serve
from tests.support.snapshots import FLOORLINE, Bench, basket, clean_env, price_requests
from tests.support.up import processes
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow


def test_strangers_do_not_read_the_blocks_of_a_temporary_server(tmp_path: Path) -> None:
    with serve(Options(items=300, refresh=0, limits=False)) as box:
        bench = Bench.at(tmp_path, box, basket(providers=["buff163"]))
        box.fault("latency", seconds=3600, times=None)
        command = [FLOORLINE, "snapshot", "--prefect", "--config", str(bench.config)]
        env = clean_env(
            PREFECT_HOME=str(tmp_path / "home"), PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS="90"
        )
        with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            wait_until(lambda: price_requests(box), 120, every=0.1)  # the flow runs: its server is up
            (server,) = [
                line for _, parent, line in processes() if parent == process.pid and "uvicorn" in line
            ]
            words = server.split()
            api = f"http://127.0.0.1:{words[words.index('--port') + 1]}/api"
            headers = {"Origin": "https://page.example"}
            for path in ("block_documents", "flow_runs", "deployments"):
                answer = httpx.post(f"{api}/{path}/filter", json={}, headers=headers, timeout=30)
                assert answer.status_code == 401, path
            box.faults.clear()
            _, output = process.communicate(timeout=120)
    assert process.returncode == 0, output
