"""The parts of a running operation: server, deployments, workers; started, watched and stopped in order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from common.errors import ConfigError
from floorline import console
from floorline.up import environment
from floorline.up.process import ManagedProcess, group_is_alive, parent_pid
from flows import WORK_POOL
from pipelines.config import Settings

CODE: Final = Path(__file__).resolve().parents[2]  # the entrypoints of prefect.yaml start from here
START_TIMEOUT: Final = 120.0  # seconds that a server may take to answer: a first start makes its database
FINISH_TIMEOUT: Final = 10.0  # seconds in which runs may come to their end by themselves
STOP_TIMEOUT: Final = 10.0  # seconds in which a part may end by itself, and again at SIGTERM
LAND_TIMEOUT: Final = 15.0  # seconds in which runs that were told to stop may load what arrived
MAX_RESTARTS: Final = 3  # of one worker within WINDOW seconds; one more is no accident
RESTART_WINDOW: Final = 300.0
POLL_INTERVAL: Final = 60.0


class ProcessExited(Exception):
    """A part ended that is needed; the text says which and how."""


class Supervisor:
    """A server (unless a Prefect API is configured), its deployments, and workers."""

    def __init__(self, settings: Settings, config: Path, port: int, workers: int) -> None:
        self._settings = settings
        self._config = config
        self._port = port
        self._home = settings.root.resolve() / "prefect"
        self._logs = self._home / "logs"
        self._server: ManagedProcess | None = None
        self._number = workers
        self._workers: list[ManagedProcess] = []
        self._deaths: dict[str, list[float]] = {}
        self._hurry = False
        self._runs_ended = False

    def start(self) -> None:
        """Start the server, apply the deployments, start the workers. Raises ConfigError and PartDied."""
        for folder in (self._home, self._logs):
            folder.mkdir(mode=0o700, exist_ok=True)
        own_server = not os.environ.get("PREFECT_API_URL")
        os.environ.update(environment.base_env(os.environ, self._home, self._port))
        if own_server:
            self._start_server()
        self._wait_for_server()
        self._deploy()
        for number in range(1, self._number + 1):
            self._start_worker(f"worker-{number}")
        baskets = ", ".join(basket.name for basket in self._settings.baskets)
        console.print_line(f"Scheduled: {baskets}. Logs: {self._logs}. Ctrl-C stops everything.")
        sys.stdout.flush()

    def supervise(self) -> None:
        """Start workers anew that died, and look out for silent baskets; ends only by raising PartDied."""
        looked = time.monotonic()
        while True:
            time.sleep(0.5)
            self._check_server()
            for worker in self._workers:
                if worker.returncode is not None:
                    self._restart(worker)
            if time.monotonic() - looked >= POLL_INTERVAL:
                looked = time.monotonic()
                self._look_for_silence()

    def stop(self) -> None:
        """No more ticks; the runs come to an end, then the workers, then the server."""
        if self._workers and (self._server is None or self._server.returncode is None):
            self._end_runs()
        for worker in self._workers:
            worker.terminate()
        for worker in self._workers:
            worker.shut_down(STOP_TIMEOUT, STOP_TIMEOUT)
        if self._server is None:
            return
        if self._workers and self._server.returncode is None:
            self._crash_orphaned_runs("`floorline up` was stopped")
        self._server.terminate()
        self._server.shut_down(STOP_TIMEOUT, STOP_TIMEOUT)

    def kill(self) -> None:
        """Wait for nothing any more."""
        self._hurry = True
        if self._runs_ended:
            for part in (*self._workers, *((self._server,) if self._server else ())):
                part.signal_all(signal.SIGKILL)

    def _end_runs(self) -> None:
        """Let runs finish that soon do, and have the others land and load what arrived.

        A worker that is told to stop kills its runs, and each is a session of its own. Whatever the server
        answers, stopping goes on.
        """
        from floorline.up.server import pause_work_pool

        with contextlib.suppress(Exception):
            if self._owns_server:
                asyncio.run(pause_work_pool())
            for patience, number in ((FINISH_TIMEOUT, signal.SIGTERM), (LAND_TIMEOUT, signal.SIGKILL)):
                if self._wait_for_runs(patience):
                    break
                for process in self._runs():
                    os.killpg(process, number)
        self._runs_ended = True

    def _wait_for_runs(self, seconds: float) -> bool:
        """Whether all runs of our workers have ended within so many seconds."""
        until = time.monotonic() + seconds
        while self._runs():
            if self._hurry or time.monotonic() > until:
                return False
            time.sleep(0.3)
        return True

    def _runs(self) -> list[int]:
        """The living processes of the runs that our workers, and not those of another machine, started."""
        from floorline.up.server import running_pids

        workers = {worker.pid for worker in self._workers}
        found = asyncio.run(running_pids())
        return [
            pid for pid in found if group_is_alive(pid) and (self._owns_server or parent_pid(pid) in workers)
        ]

    def _start_server(self) -> None:
        _ensure_free(self._port)
        address = ["--host", "127.0.0.1", "--port", str(self._port)]
        self._server = self._part("server", ["server", "start", *address], environment.server_env())
        self._server.start(CODE)

    def _wait_for_server(self) -> None:
        """Return as soon as the API answers; a configured one must answer at once."""
        from floorline.up.server import is_reachable

        until = time.monotonic() + (START_TIMEOUT if self._server else 0)
        while not asyncio.run(is_reachable()):
            self._check_server()
            if time.monotonic() > until:
                url = os.environ["PREFECT_API_URL"]
                raise ConfigError(f"no Prefect API answers at {url}: see {self._logs}, or start it")
            time.sleep(0.3)
        console.print_line(f"Prefect: {os.environ['PREFECT_API_URL'].removesuffix('/api')}")
        sys.stdout.flush()

    def _deploy(self) -> None:
        """Put pool, automations and deployments in place, and take away what is left of other times."""
        from floorline.up.server import prepare_server, remove_stale
        from flows.deployments import render_prefect_yaml

        self._crash_orphaned_runs("`floorline up` ended without a stop")
        asyncio.run(prepare_server(self._settings, CODE))
        file = self._home / "prefect.yaml"
        file.write_text(render_prefect_yaml(self._settings, self._config), "utf-8")
        arguments = ["--no-prompt", "deploy", "--all", "--prefect-file", str(file)]
        deploy = self._part("deploy", arguments, environment.client_env())
        deploy.start(CODE)
        try:
            code = deploy.wait()
        finally:
            deploy.signal_all(signal.SIGKILL)
        if code:
            raise ProcessExited(
                f"the deployments could not be applied; {deploy.log} ends with\n{deploy.tail()}"
            )
        baskets = {basket.name for basket in self._settings.baskets}
        asyncio.run(remove_stale(self._config, baskets, self._settings.sales_every))

    def _start_worker(self, name: str) -> None:
        of_pool = ["--pool", WORK_POOL, "--type", "process", "--name", f"{WORK_POOL}-{name}"]
        worker = self._part(name, ["worker", "start", *of_pool], environment.client_env())
        self._workers.append(worker)
        worker.start(CODE)

    def _part(self, name: str, arguments: Sequence[str], env: dict[str, str]) -> ManagedProcess:
        return ManagedProcess(name, [sys.executable, "-m", "prefect", *arguments], env, self._logs)

    def _crash_orphaned_runs(self, why: str) -> None:
        """Leave no run under way that nobody works at."""
        from floorline.up.server import crash_orphaned_runs

        if self._owns_server:
            asyncio.run(crash_orphaned_runs(why))

    @property
    def _owns_server(self) -> bool:
        """Whether no other machine's workers can be there: they may share a database, or a user's server."""
        return self._server is not None and not os.environ.get(environment.DATABASE)

    def _check_server(self) -> None:
        if self._server is not None and self._server.returncode is not None:
            raise ProcessExited(self._server.describe_exit())

    def _restart(self, worker: ManagedProcess) -> None:
        """Start a worker again, unless it keeps dying."""
        now = time.monotonic()
        deaths = [*(at for at in self._deaths.get(worker.name, ()) if now - at < RESTART_WINDOW), now]
        self._deaths[worker.name] = deaths
        if len(deaths) > MAX_RESTARTS:
            raise ProcessExited(
                f"{worker.describe_exit()}\nIt died {len(deaths)} times in {RESTART_WINDOW / 60:.0f} minutes."
            )
        console.print_error(f"{worker.describe_exit()}\nIt is started again.")
        worker.start(CODE)

    def _look_for_silence(self) -> None:
        """Raise the alert of a basket that nobody looks at; the baskets' runs cannot do that themselves."""
        from floorline.console import explain_failure
        from pipelines.alerts.silence import check_silence

        try:
            check_silence(self._settings, datetime.now(UTC))
        except Exception as error:  # noqa: BLE001 - told() raises again what is a bug
            console.print_error(explain_failure(error)[0])


def _ensure_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigError(
                f"port {port} on loopback cannot be used ({error.strerror}): choose another one with --port"
            ) from None
