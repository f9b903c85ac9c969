"""A running `floorline up`: the flow runs in its Prefect API, and its processes."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import pty
import select
import signal
import socket
import subprocess
import termios
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx

from floorline.up.access import prefect_home, read_access
from tests.support.snapshots import FLOORLINE, Bench, clean_env
from tests.support.waiting import wait_until

Record = dict[str, Any]


def free_port() -> int:
    """Return a free port on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclasses.dataclass(frozen=True, slots=True)
class RunningUp:
    """A process of `floorline up`; `api` is the address of its Prefect API, `log` the file of its output."""

    bench: Bench
    process: subprocess.Popen[bytes]
    api: str
    log: Path

    def output(self) -> str:
        """Return what the process has printed so far."""
        return self.log.read_text("utf-8")

    @property
    def secret(self) -> str:
        """The secret of the server, as USER:PASSWORD."""
        access = read_access(prefect_home(self.bench.paths.root))
        assert access is not None
        assert access.secret is not None
        return access.secret

    def request(self, method: str, path: str, origin: str | None = None, **content: Any) -> httpx.Response:
        """Send a request to the API as Prefect's clients do: with the secret and a token against forgery.

        `origin` is what a browser tells about the page. While another write holds the server's SQLite
        database, the server answers 503; then the request is sent again, as Prefect's clients do.
        """
        user, _, password = self.secret.partition(":")
        with httpx.Client(base_url=self.api, auth=(user, password), timeout=120) as client:
            token = client.get("/csrf-token", params={"client": "tests"}).json()["token"]
            headers = {"Prefect-Csrf-Token": token, "Prefect-Csrf-Client": "tests"}
            headers |= {"Origin": origin} if origin else {}
            responses: list[httpx.Response] = []

            def answered() -> bool:
                responses.append(client.request(method, path, headers=headers, **content))
                return responses[-1].status_code != httpx.codes.SERVICE_UNAVAILABLE

            wait_until(answered, 60, every=0.2)
            return responses[-1]

    def query(self, path: str, **filters: object) -> list[Record]:
        """Return the records that match the filters."""
        return list(self.request("POST", f"/{path}/filter", json={"limit": 200, **filters}).json())

    def runs(self, basket: str, *states: str) -> list[Record]:
        """Return the basket's flow runs in these states, in the order of their scheduled times."""
        filters = {"tags": {"all_": [f"basket:{basket}"]}, "state": {"type": {"any_": states}}}
        return self.query("flow_runs", flow_runs=filters, sort="EXPECTED_START_TIME_ASC")

    def run(self, run_id: str) -> Record:
        """Return one flow run."""
        return dict(self.request("GET", f"/flow_runs/{run_id}").json())

    def states(self, run_id: str) -> list[Record]:
        """Return all states of one flow run."""
        return list(self.request("GET", "/flow_run_states/", params={"flow_run_id": run_id}).json())

    def children(self, name: str) -> list[int]:
        """Return the ids of the child processes whose command line contains `name`."""
        return [pid for pid, parent, command in processes() if parent == self.process.pid and name in command]

    def family(self) -> set[int]:
        """Return the ids of the process and of all its descendants."""
        return descendants(self.process.pid)


def descendants(ancestor: int) -> set[int]:
    """Return the ids of a process and of all its descendants."""
    known = new = {ancestor}
    while new:
        new = {pid for pid, parent, _ in processes() if parent in known} - known
        known = known | new
    return known


def still_running(pids: set[int]) -> set[int]:
    """Return which of these processes still run."""
    return {pid for pid, _, command in processes() if pid in pids and "defunct" not in command}


def processes() -> list[tuple[int, int, str]]:
    """Return the id, the parent's id and the command line of every process."""
    columns = ("-o", "pid=", "-o", "ppid=", "-o", "args=")
    ps = subprocess.run(["ps", "-e", "-ww", *columns], capture_output=True, text=True, check=True)
    rows = (line.split(None, 2) for line in ps.stdout.splitlines())
    return [(int(row[0]), int(row[1]), row[2] if len(row) > 2 else "") for row in rows]


@contextlib.contextmanager
def running_up(bench: Bench, *arguments: str, prefix: Sequence[str] = (), **env: str) -> Iterator[RunningUp]:
    """Run `floorline up`; yield once everything is scheduled; stop the process at the end.

    `prefix` is the start of its command, where it runs on another machine.
    """
    port, log = free_port(), bench.folder / "up.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*prefix, FLOORLINE, "up", "--config", str(bench.config), "--port", str(port), *arguments],
            env=clean_env(**env),
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=bench.folder,
        )
    with _scheduled(RunningUp(bench, process, api=f"http://127.0.0.1:{port}/api", log=log)) as up:
        yield up


@contextlib.contextmanager
def up_on_terminal(bench: Bench, **env: str) -> Iterator[tuple[RunningUp, Callable[[], None]]]:
    """Run `floorline up` on a terminal of its own; yield it with a function that closes the terminal."""
    port, log = free_port(), bench.folder / "up.log"
    master, terminal = pty.openpty()
    process = subprocess.Popen(
        [FLOORLINE, "up", "--config", str(bench.config), "--port", str(port)],
        env=clean_env(**env),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        cwd=bench.folder,
        start_new_session=True,
        preexec_fn=_take_terminal,  # noqa: PLW1509 - no thread runs yet
    )
    os.close(terminal)
    log.write_bytes(b"")  # of an earlier start
    closing = threading.Event()
    reader = threading.Thread(target=_copy, args=(master, log, closing))
    reader.start()

    def close() -> None:
        closing.set()
        reader.join()

    try:
        with _scheduled(RunningUp(bench, process, api=f"http://127.0.0.1:{port}/api", log=log)) as up:
            yield up, close
    finally:
        close()


def _take_terminal() -> None:
    """Make the terminal of stdin that of this process, which hears of its loss even under nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _copy(master: int, log: Path, closing: threading.Event) -> None:
    """Copy what a terminal shows to a file; close the terminal when the event is set."""
    with log.open("wb", buffering=0) as file, contextlib.suppress(OSError):  # the process has ended
        while not closing.is_set():
            if select.select([master], [], [], 0.1)[0]:
                file.write(os.read(master, 65536))
    os.close(master)


@contextlib.contextmanager
def _scheduled(up: RunningUp) -> Iterator[RunningUp]:
    process = up.process
    try:
        wait_until(
            lambda: process.poll() is not None or (up.log.exists() and "Scheduled: " in up.output()),
            600,
            every=0.5,
        )
        assert process.poll() is None, up.output()
        yield up
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(240)
