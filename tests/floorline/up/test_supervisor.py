"""The shutdown of `floorline up`: every run gets its signal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from floorline.up import supervisor as module
from floorline.up.supervisor import Supervisor
from pipelines.config import parse_settings
from tests.support.snapshots import basket


def start_run(code: str) -> subprocess.Popen[bytes]:
    """Start a process in a process group of its own, as Prefect starts a run."""
    return subprocess.Popen([sys.executable, "-c", code], start_new_session=True)


def test_run_that_just_ended_does_not_keep_the_signal_from_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended, running = start_run("pass"), start_run("import time; time.sleep(600)")
    ended.wait()
    settings = parse_settings({"sources": {"cs2cap": {}}, "baskets": [basket()]}, tmp_path)
    supervisor = Supervisor(settings, tmp_path / "floorline.toml", port=4200, workers=1)
    monkeypatch.setattr(module, "FINISH_TIMEOUT", 0)
    monkeypatch.setattr(
        supervisor, "_run_pids", lambda: [ended.pid, running.pid] if running.poll() is None else []
    )
    try:
        supervisor._stop_runs()
        assert running.poll() == -signal.SIGTERM
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
