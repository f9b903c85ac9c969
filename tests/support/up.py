"""A running `floorline up`, what Prefect's API says of it, and which processes belong to it."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from tests.support.snapshots import FLOORLINE, Bench, clean_env
from tests.support.waiting import wait_until

Record = dict[str, Any]


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclasses.dataclass(frozen=True, slots=True)
class Operation:
    """`floorline up` for the configuration of a bench."""

    bench: Bench
    process: subprocess.Popen[bytes]
    api: str
    output: Path

    def said(self) -> str:
        """What it printed so far."""
        return self.output.read_text("utf-8")

    def ask(self, path: str, **query: object) -> Any:
        """What the API answers to a filter."""
        return httpx.post(f"{self.api}/{path}/filter", json={"limit": 200, **query}, timeout=30).json()

    def runs(self, basket: str, *states: str) -> list[Record]:
        """The basket's flow runs in these states, by their slots."""
        wanted = {"tags": {"all_": [f"basket:{basket}"]}, "state": {"type": {"any_": states}}}
        found = self.ask("flow_runs", flow_runs=wanted, sort="EXPECTED_START_TIME_ASC")
        assert isinstance(found, list)
        return found

    def under_way(self, basket: str) -> list[Record]:
        """The basket's runs that have begun and not ended."""
        return self.runs(basket, "RUNNING")

    def run(self, number: str) -> Record:
        """One flow run."""
        return dict(httpx.get(f"{self.api}/flow_runs/{number}", timeout=30).json())

    def states(self, number: str) -> list[Record]:
        """The states that one flow run went through."""
        query = {"flow_run_id": number}
        return list(httpx.get(f"{self.api}/flow_run_states/", params=query, timeout=30).json())

    def artifacts(self) -> list[Record]:
        """The artifacts."""
        return list(self.ask("artifacts"))

    def children(self, what: str) -> list[int]:
        """The processes of its parts of this kind."""
        return [pid for pid, parent, args in processes() if parent == self.process.pid and what in args]

    def family(self) -> set[int]:
        """It and all that it started, and that these started."""
        known, grown = {self.process.pid}, {self.process.pid}
        while grown:
            grown = {pid for pid, parent, _ in processes() if parent in known} - known
            known |= grown
        return known

    def left_of(self, pids: set[int]) -> set[int]:
        """Those of these processes that still run."""
        return {pid for pid, _, arguments in processes() if pid in pids and "defunct" not in arguments}


def processes() -> list[tuple[int, int, str]]:
    """Each process as (id, its parent's, arguments)."""
    columns = ("-o", "pid=", "-o", "ppid=", "-o", "args=")
    listed = subprocess.run(["ps", "-e", "-ww", *columns], capture_output=True, text=True, check=True)
    rows = (line.split(None, 2) for line in listed.stdout.splitlines())
    return [(int(row[0]), int(row[1]), row[2] if len(row) > 2 else "") for row in rows]


@contextlib.contextmanager
def operation(bench: Bench, *arguments: str, **env: str) -> Iterator[Operation]:
    """Start it, wait until everything is scheduled, and see that it ends."""
    port, output = free_port(), bench.folder / "up.log"
    with output.open("wb") as log:
        process = subprocess.Popen(
            [FLOORLINE, "up", "--config", str(bench.config), "--port", str(port), *arguments],
            env=clean_env(**env),
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=bench.folder,
        )
    up = Operation(bench, process, f"http://127.0.0.1:{port}/api", output)
    try:
        wait_until(lambda: process.poll() is not None or "Scheduled: " in up.said(), 180, every=0.5)
        assert process.poll() is None, up.said()
        yield up
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(90)
