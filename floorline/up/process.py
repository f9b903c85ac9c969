"""The parts of `floorline up`: a process each, with a log file of its own, ended with all that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from common.text import sanitize

TAIL = 12


class ManagedProcess:
    """One process and those that it starts, as a group that a terminal's Ctrl-C does not reach."""

    def __init__(self, name: str, arguments: Sequence[str], env: Mapping[str, str], logs: Path) -> None:
        self.name = name
        self.log = logs / f"{name}.log"
        self._arguments = arguments
        self._env = env
        self._process: subprocess.Popen[bytes] | None = None
        self._groups: list[int] = []

    def start(self, cwd: Path) -> None:
        """Start the process; its output goes to the log file, which only its owner can read."""
        handle = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
                self._arguments,
                env=dict(self._env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=handle,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        finally:
            os.close(handle)
        self._groups = [*(group for group in self._groups if group_is_alive(group)), self._process.pid]

    @property
    def returncode(self) -> int | None:
        """What the process ended with; None while it runs."""
        return self._process.poll() if self._process is not None else None

    def wait(self) -> int:
        """Wait for the end of the process; what it ended with."""
        return self._process.wait() if self._process is not None else 0

    @property
    def pid(self) -> int | None:
        """The process."""
        return self._process.pid if self._process is not None else None

    def terminate(self) -> None:
        """Ask the process itself, and not those that it started, to end."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to the process and all that it, or one of its predecessors, started."""
        for group in self._groups:
            try:
                os.killpg(group, number)
            except ProcessLookupError:
                continue

    def wait_for_group(self, seconds: float) -> bool:
        """Wait so long for the end of the process and of all that it started; whether it came."""
        if self._process is None:
            return True
        until = time.monotonic() + seconds
        while self._process.poll() is None or any(group_is_alive(group) for group in self._groups):
            if time.monotonic() > until:
                return False
            time.sleep(0.1)
        return True

    def shut_down(self, patience: float, grace: float) -> None:
        """See it all end: by itself within `patience` seconds, by SIGTERM within `grace`, or by SIGKILL."""
        if self.wait_for_group(patience):
            return
        self.signal_all(signal.SIGTERM)
        if not self.wait_for_group(grace):
            self.signal_all(signal.SIGKILL)
            self.wait_for_group(grace)

    def describe_exit(self) -> str:
        """That it died, how, and the last lines of its log."""
        code = self.returncode or 0
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return f"{self.name} died, {how}; {self.log} ends with\n{self.tail()}"

    def tail(self) -> str:
        """The last lines of the log, as text that is safe to print."""
        lines = self.log.read_text("utf-8", errors="replace").splitlines()[-TAIL:]
        return "\n".join("  " + sanitize(line, 300) for line in lines)


def group_is_alive(group: int) -> bool:
    """Whether a process group still has a member; one that has ended and was not waited for counts."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def parent_pid(pid: int) -> int | None:
    """Which process started this one; None if it is no more."""
    found = subprocess.run(  # noqa: S603 - a number is all that is passed
        ["ps", "-o", "ppid=", "-p", str(pid)],  # noqa: S607 - wherever the system has it
        capture_output=True,
        text=True,
        check=False,
    )
    return int(found.stdout) if found.stdout.strip() else None
