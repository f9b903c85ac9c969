"""The processes of a soak: a long-lived one, and those that end by themselves or by a signal."""

from __future__ import annotations

import json
import random
import resource
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

HANG: Final = 180.0  # seconds
SIGNALS: Final = (*[signal.SIGKILL] * 8, signal.SIGTERM, signal.SIGINT)


class Resident:
    """The process of `bench.soak.resident`."""

    def __init__(self, config: Path, env: Mapping[str, str]) -> None:
        command = [sys.executable, "-m", "bench.soak.resident", str(config)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, text=True)

    def take_snapshot(self, basket: str) -> tuple[str, dict[str, float]]:
        """Return the outcome of a snapshot and what the process uses. Raises RuntimeError."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{basket}\n")
        self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], HANG)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            raise RuntimeError(f"the long-lived process {'has ended' if ready else 'hangs'}")
        figures = json.loads(line)
        return figures.pop("outcome"), figures

    def kill(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


def run_command(command: Sequence[str], env: Mapping[str, str], rng: random.Random | None) -> tuple[int, str]:
    """Run a command; return its exit code and its output.

    With `rng`, it may get a file-size limit, and be ended by a signal.
    """
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, env=env, stdout=output, stderr=output)
        if rng and rng.random() < 0.1:
            limit = rng.randrange(1, 300_000)
            with suppress(ProcessLookupError):
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, limit))
        code = _end(process, rng)
        output.seek(0)
        return code, output.read().decode(errors="replace")


def _end(process: subprocess.Popen[bytes], rng: random.Random | None) -> int:
    """Let a process end by itself or, with `rng`, perhaps by a signal; return its exit code."""
    if rng and rng.random() < 0.6:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(rng.uniform(0.2, 4))
        process.send_signal(rng.choice(SIGNALS))
    try:
        return process.wait(HANG)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)
        return process.wait()


def find_processes(variable: str) -> Iterator[str]:
    """Yield the command lines of the processes that have this variable, `NAME=VALUE`."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if variable.encode() in (folder / "environ").read_bytes().split(b"\0"):
                yield (folder / "cmdline").read_text("utf-8").replace("\0", " ")
