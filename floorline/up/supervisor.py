"""Supervisor: start, restart and stop the processes of `floorline up`: server, deployments, workers."""

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
from typing import IO, Final

from common import supervisor_lock
from common.addresses import mask_secrets
from common.errors import ConfigError, FloorlineError
from common.warehouse_errors import WarehouseUnusable
from floorline import console
from floorline.up import access, environment, logs
from floorline.up.process import ManagedProcess, group_is_alive, parent_pid
from flows import WORK_POOL
from flows.prefect_api import answers_without_credentials, check_prefect_reachable, prefect_url
from pipelines.config import Settings
from pipelines.prefect_settings import check_home, import_prefect

CODE: Final = Path(__file__).resolve().parents[2]  # the entrypoints in prefect.yaml are relative to it
# All times in seconds.
LOCK_TIMEOUT: Final = 3.0  # of the processes of a `floorline up` that was killed
START_TIMEOUT: Final = 120.0  # of the server, which creates its database at the first start
FINISH_TIMEOUT: Final = 10.0  # of runs that finish without a signal
LAND_TIMEOUT: Final = 15.0  # of runs that load the data that arrived, after SIGTERM
STOP_TIMEOUT: Final = 10.0  # of a process before SIGTERM, and again before SIGKILL
MAX_RESTARTS: Final = 3  # of one worker within RESTART_WINDOW
RESTART_WINDOW: Final = 300.0
SILENCE_CHECK_INTERVAL: Final = 60.0
REACH_TIMEOUT: Final = 5.0  # of one request to a server that may be starting


class ProcessExited(Exception):
    """A necessary process has exited; the message says which process and how."""


class Supervisor:
    """Runs the deployments and the workers, and a Prefect server unless the user has configured one."""

    def __init__(self, settings: Settings, config: Path, *, port: int, workers: int) -> None:
        self._settings = settings
        self._config = config
        self._port = port
        self._worker_count = workers
        self._home = access.prefect_home(settings.root)
        self._lock_path = access.supervisor_lock_path(self._home)
        self._logs = self._home / "logs"
        self._server: ManagedProcess | None = None
        self._workers: list[ManagedProcess] = []
        self._deaths: dict[str, list[float]] = {}
        self._held: list[IO[str] | socket.socket] = []  # until this process ends: lock and port
        self._hurry = False
        self._runs_stopped = False

    def start(self) -> None:
        """Start the server, deploy, start the workers. Raises ConfigError, WarehouseError, ProcessExited."""
        for folder in (self._home, self._logs):
            access.make_private(folder)
        self._hold_lock()
        # Prefect reads its settings when it is imported: this module imports Prefect inside functions only.
        os.environ.update(environment.base_env(os.environ, self._home))
        os.environ[logs.SETTING] = str(logs.write_logging_config(self._home))
        if not os.environ.get("PREFECT_API_URL"):
            if not environment.has_own_database():
                check_home(Path(os.environ["PREFECT_HOME"]))
            self._start_server()
        self._wait_for_server()
        self._deploy()
        for number in range(1, self._worker_count + 1):
            self._start_worker(f"worker-{number}")
        baskets = ", ".join(basket.name for basket in self._settings.baskets)
        console.print_line(f"Scheduled: {baskets}. Logs: {self._logs}. Ctrl-C stops everything.")
        sys.stdout.flush()

    def supervise(self) -> None:
        """Restart dead workers and check for silent baskets, until ProcessExited is raised."""
        last_check = time.monotonic()
        while True:
            time.sleep(0.5)
            self._check_server()
            for worker in self._workers:
                if worker.returncode is not None:
                    self._restart(worker)
            if time.monotonic() - last_check >= SILENCE_CHECK_INTERVAL:
                last_check = time.monotonic()
                self._check_silence()

    def stop(self) -> None:
        """Pause the schedules; then stop the runs, the workers and the server, in this order."""
        # Only the server knows the processes of the runs.
        if self._workers and (self._server is None or self._server.returncode is None):
            self._stop_runs()
        for worker in self._workers:  # all workers end at the same time
            worker.terminate()
        for worker in self._workers:
            worker.shut_down(STOP_TIMEOUT, STOP_TIMEOUT)
        if self._server is None:
            return
        # No worker is left: a run that is still active for the server has no process.
        if self._workers and self._server.returncode is None:
            self._crash_orphaned_runs("`floorline up` was stopped")
        self._server.terminate()
        self._server.shut_down(STOP_TIMEOUT, STOP_TIMEOUT)
        access.remove_access(self._home)

    def kill(self) -> None:
        """Stop at once: wait for no run, and kill the processes once the runs are stopped."""
        self._hurry = True
        if self._runs_stopped:
            for process in filter(None, (*self._workers, self._server)):
                process.signal_all(signal.SIGKILL)

    def _stop_runs(self) -> None:
        """Let runs finish that end soon; let the others land and load the data that arrived; then kill.

        A worker that receives SIGTERM would kill its runs, and each run has its own process group. An error
        of the server must not end the shutdown.
        """
        from floorline.up.server import pause_work_pool

        with contextlib.suppress(Exception):
            if self._owns_server:
                asyncio.run(pause_work_pool())
            for timeout, number in ((FINISH_TIMEOUT, signal.SIGTERM), (LAND_TIMEOUT, signal.SIGKILL)):
                if self._wait_for_runs(timeout):
                    break
                for pid in self._run_pids():  # Prefect starts each run as the leader of a process group
                    with contextlib.suppress(ProcessLookupError):  # the run has ended meanwhile
                        os.killpg(pid, number)
        self._runs_stopped = True

    def _wait_for_runs(self, seconds: float) -> bool:
        """Return whether all runs of our workers end within `seconds`."""
        deadline = time.monotonic() + seconds
        while self._run_pids():
            if self._hurry or time.monotonic() > deadline:
                return False
            time.sleep(0.3)
        return True

    def _run_pids(self) -> list[int]:
        """Return the process ids of the runs of our workers, without those of another machine."""
        from floorline.up.server import running_pids

        workers = {worker.pid for worker in self._workers}
        return [
            pid
            for pid in asyncio.run(running_pids())
            if group_is_alive(pid) and (self._owns_server or parent_pid(pid) in workers)
        ]

    def _hold_lock(self) -> None:
        """Hold the lock until this process ends.

        Raises ConfigError where another process holds it, and WarehouseUnusable.
        """
        try:
            self._held.append(supervisor_lock.hold(self._lock_path, LOCK_TIMEOUT))
        except supervisor_lock.SupervisorLockHeld as error:
            raise ConfigError(
                f"`floorline up` runs already for this warehouse (PID {error}): end it first"
            ) from None
        except OSError as error:
            raise WarehouseUnusable(
                f"cannot lock {self._lock_path}: {error.strerror}", self._lock_path
            ) from None
        access.remove_access(self._home)  # of one that was killed

    def _start_server(self) -> None:
        """Start the server on a port that this process holds, so that nobody else can answer there."""
        listener = _listen(self._port)
        self._held.append(listener)
        api_url = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        server_access = access.ServerAccess(api_url, access.choose_secret())
        os.environ.update(server_access.env)
        self._server = ManagedProcess(
            "server",
            supervisor_lock.command("floorline.up.prefect_server", str(listener.fileno())),
            env=environment.server_env(server_access, self._lock_path),
            logs=self._logs,
            descriptors=[listener.fileno()],
        )
        self._server.start(CODE)
        access.write_access(self._home, server_access)

    def _wait_for_server(self) -> None:
        """Wait until our own server answers; the server of the user must answer at once."""
        import_prefect()  # the environment is complete now
        from floorline.up.server import is_reachable

        if self._server is None:
            asyncio.run(check_prefect_reachable(REACH_TIMEOUT))
        deadline = time.monotonic() + START_TIMEOUT
        url = mask_secrets(prefect_url() or "")
        while not asyncio.run(is_reachable(REACH_TIMEOUT)):
            self._check_server()
            if time.monotonic() > deadline:
                raise ConfigError(f"no Prefect API answers at {url}: see {self._logs}")
            time.sleep(0.3)
        hint = " (`floorline ui` shows the password)" if self._server else ""
        console.print_line(f"Prefect: {url.removesuffix('/api')}{hint}")
        sys.stdout.flush()
        if self._server is None and asyncio.run(answers_without_credentials(os.environ["PREFECT_API_URL"])):
            console.print_error(
                f"{url} answers without credentials: whoever reaches it can run commands here"
            )

    def _deploy(self) -> None:
        """Install the work pool, the automations and the deployments; remove what is stale."""
        from floorline.up.server import prepare_server, remove_stale
        from flows.deployments import render_prefect_yaml

        self._crash_orphaned_runs("`floorline up` ended without a shutdown")
        asyncio.run(prepare_server(self._settings, CODE))
        file = self._home / "prefect.yaml"
        file.write_text(render_prefect_yaml(self._settings, self._config), "utf-8")
        arguments = ["--no-prompt", "deploy", "--all", "--prefect-file", str(file)]
        deploy = self._prefect("deploy", arguments)
        deploy.start(CODE)
        try:
            exit_code = deploy.wait()
        finally:  # also where a signal interrupts the wait
            deploy.signal_all(signal.SIGKILL)
        if exit_code:
            raise ProcessExited(
                f"the deployments could not be applied; {deploy.log} ends with\n{deploy.tail()}"
            )
        baskets = {basket.name for basket in self._settings.baskets}
        asyncio.run(remove_stale(self._config, baskets, self._settings.sales_every))

    def _start_worker(self, name: str) -> None:
        options = ["--pool", WORK_POOL, "--type", "process", "--name", f"{WORK_POOL}-{name}"]
        worker = self._prefect(name, ["worker", "start", *options])
        self._workers.append(worker)  # before the start: a signal during the start must stop the worker, too
        worker.start(CODE)

    def _prefect(self, name: str, arguments: Sequence[str]) -> ManagedProcess:
        """Return a process of Prefect's command line."""
        command = supervisor_lock.command("prefect", *arguments)
        return ManagedProcess(name, command, env=environment.client_env(self._lock_path), logs=self._logs)

    def _crash_orphaned_runs(self, message: str) -> None:
        from floorline.up.server import crash_orphaned_runs

        if self._owns_server:
            asyncio.run(crash_orphaned_runs(message))

    @property
    def _owns_server(self) -> bool:
        """Whether all workers are ours: workers of other machines may share a database or a user's server."""
        return self._server is not None and not environment.has_own_database()

    def _check_server(self) -> None:
        if self._server is not None and self._server.returncode is not None:
            raise ProcessExited(self._server.describe_exit())

    def _restart(self, worker: ManagedProcess) -> None:
        """Restart a worker. Raises ProcessExited if the worker has died too often."""
        now = time.monotonic()
        deaths = [*(at for at in self._deaths.get(worker.name, ()) if now - at < RESTART_WINDOW), now]
        self._deaths[worker.name] = deaths
        if len(deaths) > MAX_RESTARTS:
            minutes = RESTART_WINDOW / 60
            raise ProcessExited(
                f"{worker.describe_exit()}\n{worker.name} died {len(deaths)} times in {minutes:.0f} minutes."
            )
        console.print_error(f"{worker.describe_exit()}\nRestarting {worker.name}.")
        worker.start(CODE)

    def _check_silence(self) -> None:
        """Raise alerts for silent baskets: a run that does not start cannot raise an alert."""
        from pipelines.alerts.silence import check_silence

        try:
            check_silence(self._settings, datetime.now(UTC))
        except FloorlineError as error:
            console.print_error(str(error))


def _listen(port: int) -> socket.socket:
    """Return a listening socket on loopback; connections wait for the server. Raises ConfigError."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # The port of a server that just stopped can be used again.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(2048)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = error.strerror if isinstance(error, OSError) else "there is no such port"
        raise ConfigError(
            f"port {port} on loopback cannot be used ({reason}): choose another one with --port"
        ) from None
    return listener
