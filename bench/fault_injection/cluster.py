"""The machines of a shared warehouse: homes that share PostgreSQL and an S3 server, and ask one sandbox."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sandbox.core import Sandbox
from sandbox.server import serve
from tests.support.object_store import ObjectStore, running_object_store
from tests.support.postgres import Postgres, running_postgres
from tests.support.sandboxes import quiet
from tests.support.shared import Shared
from tests.support.snapshots import FLOORLINE, Bench, clean_env
from warehouse.lease import WRITER, lease_holder
from warehouse.paths import WarehousePaths

PATIENCE = 1200.0  # seconds, after which a command hangs


@dataclasses.dataclass(frozen=True, slots=True)
class Cluster:
    """What the machines share; `folder` holds their homes."""

    folder: Path
    box: Sandbox
    postgres: Postgres
    store: ObjectStore
    shared: Shared

    def machine(self, name: str, *baskets: Mapping[str, object], load: bool = True) -> Bench:
        """Return a new machine."""
        return self.shared.machine(self.folder / name, self.box, *baskets, load=load)


@contextlib.contextmanager
def running_cluster(host: str = "127.0.0.1", **options: object) -> Iterator[Cluster]:
    """Run the servers, PostgreSQL and S3 at an address of this machine; `options` are the sandbox's."""
    with (
        serve(quiet(**options)) as box,
        running_postgres(host) as postgres,
        running_object_store(host) as store,
        tempfile.TemporaryDirectory(prefix="floorline-bench-") as folder,
    ):
        shared = Shared.create(postgres, store)
        os.environ.update(shared.environment)
        yield Cluster(Path(folder), box, postgres, store, shared)


@dataclasses.dataclass(frozen=True, slots=True)
class Command:
    """A command of a machine that runs."""

    process: subprocess.Popen[bytes]
    output: Path

    @classmethod
    def start(cls, bench: Bench, *arguments: str, prefix: Sequence[str] = ()) -> Command:
        """Start a command of a machine, behind `prefix`."""
        output = bench.folder / f"output-{time.monotonic_ns()}"
        command = [*prefix, FLOORLINE, *arguments, "--config", str(bench.config)]
        with output.open("wb") as file:
            process = subprocess.Popen(command, env=clean_env(), stdout=file, stderr=file)
        return cls(process, output)

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self.process.poll() is None

    def kill(self) -> bool:
        """End the process with SIGKILL; return whether it was still running."""
        self.process.kill()
        return self.process.wait() == -9

    def wait(self) -> int:
        """Return the exit code. Raises subprocess.TimeoutExpired where the process hangs."""
        return self.process.wait(PATIENCE)

    def last_line(self) -> str:
        """Return the last line of the output."""
        lines = self.output.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    def wait_for_lease(self, paths: WarehousePaths) -> None:
        """Wait until the process holds the lease of the loader, or has ended."""
        while self.is_running and f"PID {self.process.pid} " not in f"{lease_holder(paths, WRITER)} ":
            time.sleep(0.01)


def run_command(bench: Bench, *arguments: str) -> int:
    """Run a command of a machine to its end; return the exit code."""
    return Command.start(bench, *arguments).wait()
