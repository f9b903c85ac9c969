"""Measure how much a flow run of a snapshot adds to Prefect's database, and what is left of it a month later.

    python -m bench.prefect_database [--runs 5]

A Prefect server with the settings of `floorline up` and an empty SQLite file; each run has 40 shards. A month
passes by moving all times in the database back.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from bench.support import CATALOGS, FLOORLINE, write_config
from floorline.up.environment import SERVER, base_env
from sandbox.market.providers import KEYS
from sandbox.options import Options
from sandbox.server import spawn

START_SECONDS = 120
SHARDS = 40
BASKET = f"{CATALOGS}\nproviders = {json.dumps(KEYS[:SHARDS])}"


def main() -> None:
    """Run the flow several times after a first one; print the bytes of each run by table."""
    parser = argparse.ArgumentParser(description="Measure the growth of Prefect's database.")
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory(prefix="floorline-bench-") as folder, spawn(_options()) as url:
        config, home = write_config(Path(folder), url, basket=BASKET), Path(folder) / "prefect"
        with _serve_prefect(home) as api:
            environment = {**os.environ, **base_env({}, home), "PREFECT_API_URL": api}
            before = _measure(config, environment, home, runs=1)
            after = _measure(config, environment, home, runs=runs)
        _age(home / "prefect.db")
        with _serve_prefect(home):
            aged = _wait_for_vacuum(home)
    for table in sorted(after, key=lambda table: before.get(table, 0) - after[table]):
        if grown := after[table] - before.get(table, 0):
            print(f"{table:40} {grown / runs / 1000:8.1f} kB a run")
    print(f"{'all':40} {(sum(after.values()) - sum(before.values())) / runs / 1e6:8.3f} MB a run")
    print(f"{f'after {runs} runs':40} {sum(after.values()) / 1e6:8.3f} MB")
    print(f"{'a month later':40} {sum(aged.values()) / 1e6:8.3f} MB")


def _options() -> Options:
    return Options(items=300, limits=False, tier="quant")


def _measure(config: Path, environment: dict[str, str], home: Path, *, runs: int) -> dict[str, int]:
    """Run the flow so many times; return the sizes of the tables."""
    for _ in range(runs):
        command = [FLOORLINE, "snapshot", "--prefect", "--config", str(config)]
        subprocess.run(command, env=environment, check=True, capture_output=True)
    time.sleep(5)  # the server writes events in batches
    return _read_sizes(home)


def _read_sizes(home: Path) -> dict[str, int]:
    """Return the bytes of each table with its indexes, without free pages."""
    with contextlib.closing(sqlite3.connect(home / "prefect.db")) as database:
        rows = database.execute(
            "SELECT coalesce(tbl_name, s.name), sum(pgsize) FROM dbstat s"
            " LEFT JOIN sqlite_master m ON m.name = s.name GROUP BY 1"
        )
        return dict(rows.fetchall())


def _age(file: Path) -> None:
    """Move the runs and the events a month and a day back."""
    with contextlib.closing(sqlite3.connect(file)) as database, database:
        for table in ("flow_run", "events", "event_resources"):
            time = "end_time" if table == "flow_run" else "occurred"
            database.execute(f"UPDATE {table} SET {time} = datetime({time}, '-31 days')")


def _wait_for_vacuum(home: Path) -> dict[str, int]:
    """Wait until the server has deleted the runs and the events; return the sizes of the tables."""
    deadline = time.monotonic() + START_SECONDS
    with contextlib.closing(sqlite3.connect(home / "prefect.db", isolation_level=None)) as database:
        left = "SELECT (SELECT count(*) FROM flow_run) + (SELECT count(*) FROM log)"
        while database.execute(left).fetchone()[0]:
            if time.monotonic() > deadline:
                raise TimeoutError("the server has not deleted the old runs")
            time.sleep(0.5)
    time.sleep(5)
    return _read_sizes(home)


@contextlib.contextmanager
def _serve_prefect(home: Path) -> Iterator[str]:
    """Run a Prefect server until the block ends; yield the address of its API."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, **base_env({}, home), **SERVER}
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as server:
        try:
            api = f"http://127.0.0.1:{port}/api"
            _wait_for(f"{api}/health")
            yield api
        finally:
            server.terminate()


def _wait_for(address: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5):
            return
        if time.monotonic() > deadline:
            raise TimeoutError(address)
        time.sleep(0.3)


if __name__ == "__main__":
    main()
