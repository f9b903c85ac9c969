"""ManagedProcess: a child process with its own process group and log file."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import IO, Final

from common.addresses import mask_secrets
from common.text import sanitize
from floorline.up.lines import PrivateRotatingFile

TAIL_LINES: Final = 12
DRAIN_TIMEOUT: Final = 2.0  # seconds for the last lines of a process that has ended


class ProcessExited(Exception):
    """A necessary process has exited; the message says which process and how."""


class ManagedProcess:
    """A process and its descendants, in a process group that a terminal's Ctrl-C does not reach."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str],
        logs: Path,
        descriptors: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.log = logs / f"{name}.log"
        self._arguments = arguments
        self._env = env
        self._descriptors = descriptors  # open files that the process inherits
        self._process: subprocess.Popen[bytes] | None = None
        self._groups: list[int] = []
        self._copier: Thread | None = None

    def start(self, cwd: Path) -> None:
        """Start or restart the process; append its output to the log file, which only its owner can read."""
        file = PrivateRotatingFile(self.log)
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
            self._arguments,
            env=dict(self._env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=self._descriptors,
            start_new_session=True,
        )
        arguments = (self._process.stdout, file)
        self._copier = Thread(target=_copy_lines, args=arguments, name=f"{self.name}-log", daemon=True)
        self._copier.start()
        # A process that died can leave descendants: remember the groups of earlier starts.
        self._groups = [*(group for group in self._groups if group_is_alive(group)), self._process.pid]

    @property
    def returncode(self) -> int | None:
        """The exit code of the process; None while the process runs."""
        return self._process.poll() if self._process is not None else None

    @property
    def pid(self) -> int | None:
        """The id of the process; None before the start."""
        return self._process.pid if self._process is not None else None

    def terminate(self) -> None:
        """Send SIGTERM to the process, and not to its descendants."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to the process and all descendants, also to those of earlier starts."""
        for group in self._groups:
            try:
                os.killpg(group, number)
            except ProcessLookupError:
                continue

    def wait_for_group(self, seconds: float) -> bool:
        """Wait for the end of the process and all descendants; return whether they ended in time."""
        if self._process is None:
            return True
        deadline = time.monotonic() + seconds
        # Only children can be waited for, and descendants are not children: poll.
        while self._process.poll() is None or any(map(group_is_alive, self._groups)):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True

    def shut_down(self, wait: float, grace: float) -> None:
        """Wait `wait` seconds for the end; then send SIGTERM; `grace` seconds later send SIGKILL."""
        if self.wait_for_group(wait):
            return
        self.signal_all(signal.SIGTERM)
        if not self.wait_for_group(grace):
            self.signal_all(signal.SIGKILL)
            self.wait_for_group(grace)

    def describe_exit(self) -> str:
        """Return how the process died, with the last lines of its log."""
        code = self.returncode or 0  # a negative code is the number of a signal
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return f"{self.name} died, {how}; {self.log} ends with\n{self.tail()}"

    def tail(self) -> str:
        """Return the last lines of the log, sanitized and without secrets in addresses."""
        if self._copier is not None and self.returncode is not None:
            self._copier.join(DRAIN_TIMEOUT)  # descendants may keep the pipe open
        lines = self.log.read_text("utf-8", errors="replace").splitlines()[-TAIL_LINES:]
        return "\n".join("  " + sanitize(mask_secrets(line), 300) for line in lines)


def _copy_lines(output: IO[bytes], file: PrivateRotatingFile) -> None:
    """Copy the output of a process into its log file until the process and its descendants end."""
    with output:
        for line in output:
            text = line.decode("utf-8", errors="replace").rstrip("\n")
            file.emit(logging.LogRecord(file.name or "", logging.INFO, "", 0, text, None, None))
    file.close()


def group_is_alive(group: int) -> bool:
    """Return whether a process group has a member; a zombie counts."""
    try:
        os.killpg(group, 0)  # signal 0 is only checked, not sent
    except ProcessLookupError:
        return False
    return True


def parent_pid(pid: int) -> int | None:
    """Return the id of a process's parent; None if the process has ended."""
    ps = subprocess.run(  # noqa: S603 - a number is all that is passed
        ["ps", "-o", "ppid=", "-p", str(pid)],  # noqa: S607 - wherever the system has it
        capture_output=True,
        text=True,
        check=False,
    )
    return int(ps.stdout) if ps.stdout.strip() else None
