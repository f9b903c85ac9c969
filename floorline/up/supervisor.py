"""Supervisor: start, restart and stop the processes of `floorline up`: server, workers, feeds, dashboard."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import shlex
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from common import supervisor_lock
from common.addresses import mask_secrets, without_user
from common.errors import ConfigError
from common.warehouse_errors import WarehouseUnusable
from floorline.up import access, environment, logs
from floorline.up.dashboard_process import DashboardProcess
from floorline.up.lines import LogFormat, open_log, report, warn
from floorline.up.live_process import LiveProcess
from floorline.up.lost_runs import LostRunWatcher
from floorline.up.metrics_page import FILE
from floorline.up.server_process import REACH_TIMEOUT, ServerProcess
from floorline.up.shutdown import RunShutdown
from floorline.up.watch import AlertWatcher, PoolWatcher, RunWatcher, repeat
from floorline.up.workers import STOP_TIMEOUT, WorkerGroup
from flows.prefect_api import answers_without_credentials, check_prefect_reachable, open_client, prefect_url
from pipelines.config import Settings
from pipelines.prefect_files import read_api_url
from pipelines.prefect_settings import check_home, import_prefect

# All times in seconds.
LOCK_TIMEOUT: Final = 3.0  # of the processes of a `floorline up` that was killed
CHECK_INTERVAL: Final = 0.5  # of the processes
WATCH_INTERVAL: Final = 3.0  # of runs, alerts and the pool
SILENCE_INTERVAL: Final = 60.0
METRICS_INTERVAL: Final = 15.0
MAX_WORKERS: Final = 16
BUSY: Final = 300.0  # a basket that runs more often keeps Prefect's database busy


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """How to run: where the server listens, the number of workers, and the form of the log.

    `dashboard` is the port of the dashboard; None: there is none.
    """

    host: str = "127.0.0.1"
    port: int = 4200
    workers: int = 1
    log_format: LogFormat = "text"
    dashboard: int | None = None

    def check(self) -> None:
        """Raise ConfigError for what nobody can run."""
        if not 1 <= self.workers <= MAX_WORKERS:
            raise ConfigError(f"--workers {self.workers}: use 1 to {MAX_WORKERS}")
        ports = {"--port": self.port, "--dashboard-port": self.dashboard or 0}
        for option, port in ports.items():
            if not 0 <= port <= 65_535:
                raise ConfigError(f"{option} {port}: use 1 to 65535, or 0 for any free port")


class Supervisor:
    """Runs the deployments and the workers, and a Prefect server unless the user has configured one."""

    def __init__(self, settings: Settings, config: Path, options: Options) -> None:
        self._settings = settings
        self._config = config
        self._options = options
        self._home = access.prefect_home(settings.root)
        self._lock_path = access.supervisor_lock_path(self._home)
        self._logs = self._home / "logs"
        self._server: ServerProcess | None = None
        self._dashboard: DashboardProcess | None = None
        self._live: LiveProcess | None = None
        self._workers = WorkerGroup(self._logs, self._lock_path)
        self._lock: IO[str] | None = None  # until this process ends
        self._access: access.ServerAccess | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._in_haste = False
        self._runs_stopped = False
        self.on_terminal_lost: Callable[[], object] = lambda: None

    async def start(self) -> None:
        """Start the server, deploy, start the workers. Raises ConfigError, WarehouseError, ProcessExited."""
        for folder in (self._home, self._logs):
            access.make_private(folder)
        self._hold_lock()
        open_log(self._logs, self._options.log_format, self.on_terminal_lost)
        if self._options.dashboard is not None:
            if self._settings.shared is not None:  # its process has no keys, and a lake needs some
                raise ConfigError(
                    "`floorline up --dashboard` shows the warehouse of one machine: with [shared], run"
                    " `floorline dashboard` beside it"
                )
            self._dashboard = DashboardProcess(
                self._settings.root,
                self._logs,
                self._lock_path,
                port=self._options.dashboard,
            )
        # Prefect reads its settings when it is imported: this module imports Prefect inside functions only.
        os.environ.update(environment.base_env(os.environ, self._home))
        os.environ[logs.SETTING] = str(logs.write_logging_config(self._home))
        if address := read_api_url(with_profile=False):  # a profile may name any server, and for all folders
            os.environ["PREFECT_API_URL"] = address
            await self._connect()
        else:
            await self._start_server()
        await self._schedule()
        if self._settings.live_baskets:
            self._live = LiveProcess(self._config, self._logs, self._lock_path)
            self._live.start(self._home)
            names = ", ".join(basket.name for basket in self._settings.live_baskets)
            report("live.starting", f"Live: {names}")
        if self._dashboard is not None:
            self._dashboard.start(self._home)
            address = self._dashboard.address
            report("dashboard.starting", f"Dashboard: {address}", address=address)

    async def supervise(self) -> None:
        """Restart dead workers, and report what happens, until ProcessExited is raised."""
        async with open_client() as client:  # one for all: a client takes a while to make
            runs = RunWatcher(client, None if self._owns_server else self._config)
            pool = PoolWatcher(client, self._note_pause)
            checks = [runs.report_changes, AlertWatcher(self._settings).report_changes, pool.report_changes]
            if self._owns_server:
                checks.append(LostRunWatcher(client).mark_lost_runs)
            self._tasks = [asyncio.create_task(repeat(WATCH_INTERVAL, check)) for check in checks]
            self._tasks.append(asyncio.create_task(repeat(SILENCE_INTERVAL, self._check_silence)))
            self._tasks.append(asyncio.create_task(repeat(METRICS_INTERVAL, self._write_metrics)))
            while True:
                await asyncio.sleep(CHECK_INTERVAL)
                if self._server is not None:
                    self._server.check()
                self._workers.restart_dead(self._home)
                for part in (self._dashboard, self._live):
                    if part is not None:
                        part.restart_dead(self._home)

    async def stop(self) -> None:
        """Pause the schedules; then stop the runs, the workers and the server, in this order."""
        if self._lock is None:  # the files are those of another `floorline up`
            return
        for task in self._tasks:
            task.cancel()
        parts = [part.process for part in (self._dashboard, self._live) if part is not None]
        for process in parts:
            process.terminate()
        server = self._server.process if self._server is not None else None
        # Only the server knows the processes of the runs.
        if self._workers.processes and (server is None or server.returncode is None):
            await self._stop_runs()
        self._runs_stopped = True
        await self._workers.stop()
        for process in parts:
            await asyncio.to_thread(process.shut_down, STOP_TIMEOUT, STOP_TIMEOUT)
        if server is None:
            self._remove_files()
            return
        # No worker is left: a run that is still active for the server has no process.
        if self._workers.processes and server.returncode is None:
            await self._crash_orphaned_runs("`floorline up` was stopped")
        server.terminate()
        await asyncio.to_thread(server.shut_down, STOP_TIMEOUT, STOP_TIMEOUT)
        self._remove_files()

    def hasten(self) -> None:
        """Stop at once: wait for no run, and kill the processes once the runs are stopped."""
        self._in_haste = True
        if self._runs_stopped:
            parts = (self._server, self._dashboard, self._live)
            others = [part.process for part in parts if part is not None]
            for process in (*self._workers.processes, *others):
                process.signal_all(signal.SIGKILL)

    def _hold_lock(self) -> None:
        """Hold the lock until this process ends.

        Raises ConfigError where another process holds it, and WarehouseUnusable.
        """
        try:
            self._lock = supervisor_lock.hold(self._lock_path, LOCK_TIMEOUT)
        except supervisor_lock.SupervisorLockHeld as error:
            first = access.read_access(self._home)
            where = f"PID {error}{f', {first.page}' if first is not None else ''}"
            raise ConfigError(
                f"`floorline up` runs already for this warehouse ({where}): end it first"
            ) from None
        except OSError as error:
            raise WarehouseUnusable(
                f"cannot lock {self._lock_path}: {error.strerror}", self._lock_path
            ) from None
        access.remove_access(self._home)  # of one that was killed

    async def _start_server(self) -> None:
        """Start our own server; its address is known before the server is ready."""
        if not environment.has_own_database():
            check_home(Path(os.environ["PREFECT_HOME"]))
        options = self._options
        self._server = ServerProcess(
            self._home, self._logs, self._lock_path, host=options.host, port=options.port
        )
        self._publish_access(self._server.access)
        page = self._server.access.page
        report("server.starting", f"Prefect: {page} (`floorline ui` shows the password)", address=page)
        if self._server.access.host is not None:
            warn(
                "server.exposed",
                f"the server listens on {options.host}: whoever has the password can have this machine run"
                " commands, and nothing encrypts the password; put a proxy with TLS before the server",
            )
        report("server.waiting", "starting the Prefect server, a few seconds")
        await asyncio.to_thread(import_prefect)  # the environment is complete now
        await self._server.wait_until_ready()

    async def _connect(self) -> None:
        """Check the server of the user, which must answer at once."""
        await asyncio.to_thread(import_prefect)
        await check_prefect_reachable(REACH_TIMEOUT)
        url = prefect_url() or ""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._publish_access(access.ServerAccess(without_user(url), None, pid=os.getpid(), started_at=now))
        page = mask_secrets(url).removesuffix("/api")
        report("server.found", f"Prefect: {page}", address=page)
        if await answers_without_credentials(os.environ["PREFECT_API_URL"]):
            warn(
                "server.open",
                f"{mask_secrets(url)} answers without credentials: whoever reaches it can run commands here",
            )

    async def _schedule(self) -> None:
        """Install the work pool, the automations and the deployments; start the workers meanwhile."""
        from floorline.up.server import deploy, prepare_pool, remove_stale, start_overdue

        report("deploying", "the Prefect server answers; deploying the baskets")
        await self._crash_orphaned_runs("`floorline up` ended without a shutdown")
        await prepare_pool()
        await remove_stale(self._config, self._settings.deployments, self._settings.sales_every)
        self._workers.start(self._options.workers, self._home)  # a worker is ready some seconds later
        # Workers of other machines may have their Python elsewhere.
        command = shlex.join(supervisor_lock.command("prefect.engine")) if self._owns_server else None
        await deploy(self._settings, self._config, self._home, command)
        started = await start_overdue(self._settings, datetime.now(UTC))
        names = ", ".join(sorted(basket.name for basket in self._settings.baskets))
        report("scheduled", f"Scheduled: {names}. Logs: {self._logs}. Ctrl-C stops everything.")
        if started:
            report("overdue", f"a first run begins now, because none is recent: {', '.join(started)}")
        self._recommend_postgres()

    def _recommend_postgres(self) -> None:
        busy = [one.name for one in self._settings.baskets if one.every.total_seconds() < BUSY]
        if self._owns_server and len(busy) > 1:
            report(
                "database.busy",
                f"{len(busy)} baskets run every few minutes: PostgreSQL is better for Prefect's database than"
                " SQLite; set PREFECT_SERVER_DATABASE_CONNECTION_URL, see docs/how-to-schedule.md",
            )

    async def _stop_runs(self) -> None:
        """Stop the runs. An error of the server must not end the shutdown."""
        from floorline.up.server import pause_work_pool

        pids = [pid for worker in self._workers.processes if (pid := worker.pid) is not None]
        workers = None if self._owns_server else pids
        with contextlib.suppress(Exception):
            if self._owns_server:
                await pause_work_pool()
            await RunShutdown(workers, lambda: self._in_haste).stop_runs()

    async def _crash_orphaned_runs(self, message: str) -> None:
        from floorline.up.server import crash_orphaned_runs

        if self._owns_server:
            with contextlib.suppress(Exception):
                await crash_orphaned_runs(message)

    @property
    def _owns_server(self) -> bool:
        """Whether all workers are ours: workers of other machines may share a database or a user's server."""
        return self._server is not None and not environment.has_own_database()

    def _publish_access(self, new: access.ServerAccess) -> None:
        if self._dashboard is not None:
            new = dataclasses.replace(new, dashboard=self._dashboard.address)
        self._access = new
        access.write_access(self._home, new)

    def _remove_files(self) -> None:
        """Remove the files that say that `floorline up` runs."""
        access.remove_access(self._home)
        with contextlib.suppress(OSError):
            (self._home / FILE).unlink()

    def _note_pause(self, paused: bool) -> None:
        if self._access is not None:
            self._publish_access(dataclasses.replace(self._access, pool_paused=paused))

    async def _write_metrics(self) -> None:
        """Write the metrics that the server serves at /metrics, and that a collector may read as a file."""
        from floorline.monitoring.metrics import build_registry, write_metrics
        from floorline.monitoring.status import read_status

        status = self._access.status if self._access is not None else None

        def write() -> None:
            report = read_status(self._settings, datetime.now(UTC), status)
            write_metrics(build_registry(self._settings, report), self._home / FILE)

        await asyncio.to_thread(write)

    async def _check_silence(self) -> None:
        """Raise alerts for silent baskets: a run that does not start cannot raise an alert."""
        from pipelines.alerts.silence import check_silence

        await asyncio.to_thread(check_silence, self._settings, datetime.now(UTC))
