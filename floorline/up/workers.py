"""The workers of `floorline up`: processes that take the runs of the work pool."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Final

from common import supervisor_lock
from floorline.up import environment
from floorline.up.lines import warn
from floorline.up.process import ManagedProcess, ProcessExited
from floorline.up.restarts import MAX_RESTARTS, RESTART_WINDOW, RestartCounter
from flows import WORK_POOL

STOP_TIMEOUT: Final = 10.0  # seconds of a process before SIGTERM, and again before SIGKILL


def worker_name(number: int) -> str:
    """Return the name of a worker in the work pool, which no worker of another machine has."""
    return f"{WORK_POOL}-{socket.gethostname()}-worker-{number}"


class WorkerGroup:
    """The workers; one that dies is restarted."""

    def __init__(self, logs: Path, lock_path: Path) -> None:
        self._logs = logs
        self._lock_path = lock_path
        self._restarts = RestartCounter()
        self.processes: list[ManagedProcess] = []

    def start(self, count: int, cwd: Path) -> None:
        """Start `count` workers."""
        for number in range(1, count + 1):
            name = f"worker-{number}"
            options = ["--pool", WORK_POOL, "--type", "process", "--name", worker_name(number)]
            worker = ManagedProcess(
                name,
                supervisor_lock.command("prefect", "worker", "start", *options),
                env=environment.client_env(self._lock_path),
                logs=self._logs,
            )
            self.processes.append(worker)  # before the start: a signal now must stop the worker, too
            worker.start(cwd)

    def restart_dead(self, cwd: Path) -> None:
        """Restart the workers that have died. Raises ProcessExited for one that has died too often."""
        for worker in self.processes:
            if worker.returncode is not None:
                self._restart(worker, cwd)

    async def stop(self) -> None:
        """Stop all workers at the same time."""
        for worker in self.processes:
            worker.terminate()
        for worker in self.processes:
            await asyncio.to_thread(worker.shut_down, STOP_TIMEOUT, STOP_TIMEOUT)

    def _restart(self, worker: ManagedProcess, cwd: Path) -> None:
        deaths = self._restarts.count_death(worker.name)
        if deaths > MAX_RESTARTS:
            minutes = RESTART_WINDOW / 60
            raise ProcessExited(
                f"{worker.describe_exit()}\n{worker.name} died {deaths} times in {minutes:.0f} minutes."
            )
        warn("worker.died", f"{worker.describe_exit()}\nRestarting {worker.name}.", worker=worker.name)
        worker.start(cwd)
