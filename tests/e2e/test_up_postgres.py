"""`floorline up` on PostgreSQL: two workers, every run exactly once, and the password is never printed."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.options import Options
from sandbox.server import serve
from tests.support.snapshots import Bench, basket
from tests.support.up import free_port, running_up
from tests.support.waiting import wait_until

PASSWORD = "planted-d41c9e77"


def tool(name: str) -> str | None:
    """Return the path of a PostgreSQL program, which Debian does not put into PATH."""
    candidates = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(candidates[-1]) if candidates else None)


pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("up"),
    pytest.mark.skipif(tool("initdb") is None, reason="PostgreSQL is not installed"),
]


@dataclasses.dataclass(frozen=True, slots=True)
class Postgres:
    """A PostgreSQL cluster on loopback. PostgreSQL refuses to run as root: root uses the user `postgres`."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        """The address for Prefect."""
        return f"postgresql+asyncpg://floorline:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    def run(self, name: str, *arguments: str) -> None:
        """Run a PostgreSQL program to its end."""
        program = tool(name)
        assert program is not None
        root = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        command = [*(root if os.getuid() == 0 else ()), program, *arguments]
        subprocess.run(command, check=True, cwd=self.folder, timeout=120, stdout=subprocess.DEVNULL)


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    """Return a running cluster."""
    folder = Path(tempfile.mkdtemp(prefix="floorline-postgres-"))
    cluster = Postgres(folder, free_port())
    secret = folder / "password"
    secret.write_text(PASSWORD)
    if os.getuid() == 0:
        for path in (folder, secret):
            shutil.chown(path, "postgres", "postgres")
    data = str(folder / "data")
    options = f"-c port={cluster.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
    cluster.run("initdb", "-D", data, "-U", "floorline", "--auth=scram-sha-256", f"--pwfile={secret}")
    cluster.run("pg_ctl", "-D", data, "-w", "-l", str(folder / "log"), "-o", options, "start")
    try:
        yield cluster
    finally:
        cluster.run("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder)


def test_two_workers_on_postgres_run_every_flow_run_once(postgres: Postgres, tmp_path: Path) -> None:
    with serve(Options(items=300, refresh=0, limits=False)) as box:
        names = ("one", "two")
        bench = Bench.at(tmp_path, box, *(basket(name, providers=["buff163"], every="15s") for name in names))
        setting = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": postgres.url}
        with running_up(bench, "--workers", "2", **setting) as up:
            assert len(up.children("worker")) == 2
            wait_until(lambda: min(len(up.runs(name, "COMPLETED")) for name in names) >= 3, 180, every=0.5)
            runs = [run for name in names for run in up.runs(name, "COMPLETED")]
            states = Counter(state["type"] for run in runs for state in up.states(run["id"]))
            up.process.terminate()
            assert up.process.wait(60) == 143
    assert not (bench.paths.root / "prefect" / "prefect.db").exists()
    assert len({run["name"] for run in runs}) == len(runs)
    assert {run["run_count"] for run in runs} == {1}
    assert states["RUNNING"] == states["COMPLETED"] == len(runs)
    ((loaded,),) = bench.query("SELECT count(*) FROM runs WHERE state = 'done'")
    # On a busy machine a run starts more than one interval late, and skips the snapshot.
    assert loaded >= sum(run["state_name"] != "Skipped" for run in runs) > 0
    assert PASSWORD not in up.output()
    for log in (bench.paths.root / "prefect").rglob("*"):
        assert log.is_dir() or PASSWORD.encode() not in log.read_bytes(), log
