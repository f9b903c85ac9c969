"""The shutdown of `floorline up`: every run gets its signal."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from floorline.up import shutdown
from floorline.up.shutdown import RunShutdown


def start_run(code: str) -> subprocess.Popen[bytes]:
    """Start a process in a process group of its own, as Prefect starts a run."""
    return subprocess.Popen([sys.executable, "-c", code], start_new_session=True)


def test_run_that_just_ended_does_not_keep_the_signal_from_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended, running = start_run("pass"), start_run("import time; time.sleep(600)")
    ended.wait()

    async def run_pids(_: RunShutdown) -> list[int]:
        return [ended.pid, running.pid] if running.poll() is None else []

    monkeypatch.setattr(shutdown, "FINISH_TIMEOUT", 0)
    monkeypatch.setattr(RunShutdown, "run_pids", run_pids)
    try:
        asyncio.run(RunShutdown(None, lambda: False).stop_runs())
        assert running.poll() == -signal.SIGTERM
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
