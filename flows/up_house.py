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

from connectors.errors import ConfigError
from flows import show, up_env
from flows.config import Settings
from flows.up_parts import Part, alive, parent

CODE: Final = Path(__file__).resolve().parent.parent  # the entrypoints of prefect.yaml start from here
STARTING: Final = 120.0  # seconds that a server may take to answer: a first start makes its database
FINISHING: Final = 10.0  # seconds in which runs may come to their end by themselves
ENDING: Final = 10.0  # seconds in which a part may end by itself, and again at SIGTERM
LANDING: Final = 15.0  # seconds in which runs that were told to stop may load what arrived
DEATHS: Final = 3  # of one worker within WINDOW seconds; one more is no accident
POOL: Final = "floorline"  # as flows/deployments.py has it, which imports Prefect
WINDOW: Final = 300.0
LOOK_EVERY: Final = 60.0


class PartDied(Exception):  # noqa: N818 - says what happened
    """A part ended that is needed; the text says which and how."""


class House:
    """A server (unless a Prefect API is configured), its deployments, and workers."""

    def __init__(self, settings: Settings, config: Path, port: int, workers: int) -> None:
        self._settings = settings
        self._config = config
        self._port = port
        self._home = settings.root.resolve() / "prefect"
        self._logs = self._home / "logs"
        self._server: Part | None = None
        self._number = workers
        self._workers: list[Part] = []
        self._deaths: dict[str, list[float]] = {}
        self._hurry = False
        self._runs_ended = False

    def start(self) -> None:
        """Start the server, apply the deployments, start the workers. Raises ConfigError and PartDied."""
        for folder in (self._home, self._logs):
            folder.mkdir(mode=0o700, exist_ok=True)
        own_server = not os.environ.get("PREFECT_API_URL")
        os.environ.update(up_env.common(os.environ, self._home, self._port))
        if own_server:
            self._start_server()
        self._wait_for_server()
        self._deploy()
        for number in range(1, self._number + 1):
            self._start_worker(f"worker-{number}")
        baskets = ", ".join(basket.name for basket in self._settings.baskets)
        show.line(f"Scheduled: {baskets}. Logs: {self._logs}. Ctrl-C stops everything.")
        sys.stdout.flush()

    def watch(self) -> None:
        """Start workers anew that died, and look out for silent baskets; ends only by raising PartDied."""
        looked = time.monotonic()
        while True:
            time.sleep(0.5)
            self._check_server()
            for worker in self._workers:
                if worker.code is not None:
                    self._revive(worker)
            if time.monotonic() - looked >= LOOK_EVERY:
                looked = time.monotonic()
                self._look_for_silence()

    def stop(self) -> None:
        """No more ticks; the runs come to an end, then the workers, then the server."""
        if self._workers and (self._server is None or self._server.code is None):
            self._end_runs()
        for worker in self._workers:
            worker.terminate()
        for worker in self._workers:
            worker.finish(ENDING, ENDING)
        if self._server is None:
            return
        if self._workers and self._server.code is None:
            self._give_up_runs("`floorline up` was stopped")
        self._server.terminate()
        self._server.finish(ENDING, ENDING)

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
        from flows.up_server import stop_ticks

        with contextlib.suppress(Exception):
            if self._alone:
                asyncio.run(stop_ticks())
            for patience, number in ((FINISHING, signal.SIGTERM), (LANDING, signal.SIGKILL)):
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
        from flows.up_server import running

        workers = {worker.pid for worker in self._workers}
        found = asyncio.run(running())
        return [pid for pid in found if alive(pid) and (self._alone or parent(pid) in workers)]

    def _start_server(self) -> None:
        _ensure_free(self._port)
        address = ["--host", "127.0.0.1", "--port", str(self._port)]
        self._server = self._part("server", ["server", "start", *address], up_env.server_env())
        self._server.start(CODE)

    def _wait_for_server(self) -> None:
        """Return as soon as the API answers; a configured one must answer at once."""
        from flows.up_server import answers

        until = time.monotonic() + (STARTING if self._server else 0)
        while not asyncio.run(answers()):
            self._check_server()
            if time.monotonic() > until:
                url = os.environ["PREFECT_API_URL"]
                raise ConfigError(f"no Prefect API answers at {url}: see {self._logs}, or start it")
            time.sleep(0.3)
        show.line(f"Prefect: {os.environ['PREFECT_API_URL'].removesuffix('/api')}")
        sys.stdout.flush()

    def _deploy(self) -> None:
        """Put pool, automations and deployments in place, and take away what is left of other times."""
        from flows.deployments import prefect_yaml
        from flows.up_server import prepare, tidy

        self._give_up_runs("`floorline up` ended without a stop")
        asyncio.run(prepare(self._settings, CODE))
        file = self._home / "prefect.yaml"
        file.write_text(prefect_yaml(self._settings, self._config), "utf-8")
        arguments = ["--no-prompt", "deploy", "--all", "--prefect-file", str(file)]
        deploy = self._part("deploy", arguments, up_env.client_env())
        deploy.start(CODE)
        try:
            code = deploy.wait()
        finally:
            deploy.signal_all(signal.SIGKILL)
        if code:
            raise PartDied(f"the deployments could not be applied; {deploy.log} ends with\n{deploy.tail()}")
        baskets = {basket.name for basket in self._settings.baskets}
        asyncio.run(tidy(self._config, baskets, self._settings.sales_every))

    def _start_worker(self, name: str) -> None:
        of_pool = ["--pool", POOL, "--type", "process", "--name", f"{POOL}-{name}"]
        worker = self._part(name, ["worker", "start", *of_pool], up_env.client_env())
        self._workers.append(worker)
        worker.start(CODE)

    def _part(self, name: str, arguments: Sequence[str], env: dict[str, str]) -> Part:
        return Part(name, [sys.executable, "-m", "prefect", *arguments], env, self._logs)

    def _give_up_runs(self, why: str) -> None:
        """Leave no run under way that nobody works at."""
        from flows.up_server import give_up_runs

        if self._alone:
            asyncio.run(give_up_runs(why))

    @property
    def _alone(self) -> bool:
        """Whether no other machine's workers can be there: they may share a database, or a user's server."""
        return self._server is not None and not os.environ.get(up_env.DATABASE)

    def _check_server(self) -> None:
        if self._server is not None and self._server.code is not None:
            raise PartDied(self._server.obituary())

    def _revive(self, worker: Part) -> None:
        """Start a worker again, unless it keeps dying."""
        now = time.monotonic()
        deaths = [*(at for at in self._deaths.get(worker.name, ()) if now - at < WINDOW), now]
        self._deaths[worker.name] = deaths
        if len(deaths) > DEATHS:
            raise PartDied(f"{worker.obituary()}\nIt died {len(deaths)} times in {WINDOW / 60:.0f} minutes.")
        show.complain(f"{worker.obituary()}\nIt is started again.")
        worker.start(CODE)

    def _look_for_silence(self) -> None:
        """Raise the alert of a basket that nobody looks at; the baskets' runs cannot do that themselves."""
        from flows.failures import told
        from flows.silence import watch

        try:
            watch(self._settings, datetime.now(UTC))
        except Exception as error:  # noqa: BLE001 - told() raises again what is a bug
            show.complain(told(error)[0])


def _ensure_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigError(
                f"port {port} on loopback cannot be used ({error.strerror}): choose another one with --port"
            ) from None
