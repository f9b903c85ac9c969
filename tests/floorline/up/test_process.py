"""The processes of `floorline up`: process groups, private logs, restarts, and environment variables."""

from __future__ import annotations

import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from floorline.up import environment
from floorline.up.access import ServerAccess
from floorline.up.process import ManagedProcess, group_is_alive
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow
# Starts a child, and prints a line; with an argument, both processes ignore SIGTERM.
PARENT = """
import signal, subprocess, sys, time
if len(sys.argv) > 1:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("a line\\x1b[31m", flush=True)
time.sleep(600)
"""


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ManagedProcess]:
    """Return a running process that has a child."""
    yield from started(tmp_path)


@pytest.fixture
def stubborn(tmp_path: Path) -> Iterator[ManagedProcess]:
    """Return a running process that ignores SIGTERM."""
    yield from started(tmp_path, "stubborn")


def started(tmp_path: Path, *arguments: str) -> Iterator[ManagedProcess]:
    process = ManagedProcess("worker-1", [sys.executable, "-c", PARENT, *arguments], env={}, logs=tmp_path)
    process.start(tmp_path)
    wait_until(lambda: "a line" in process.tail(), every=0.02)
    yield process
    process.signal_all(signal.SIGKILL)
    assert process.wait_for_group(10)


def test_log_is_private_and_safe_to_print(process: ManagedProcess) -> None:
    assert stat.S_IMODE(process.log.stat().st_mode) == 0o600
    assert process.tail() == r"  a line\x1b[31m"


def test_shutdown_ends_the_children(process: ManagedProcess) -> None:
    process.terminate()
    process.shut_down(0.5, 10)
    assert process.returncode == -signal.SIGTERM
    assert process.wait_for_group(10)


def test_shutdown_kills_a_process_that_ignores_sigterm(stubborn: ManagedProcess) -> None:
    stubborn.shut_down(0, 0.5)
    assert stubborn.returncode == -signal.SIGKILL
    assert stubborn.wait_for_group(10)


def test_restart_keeps_track_of_the_children_of_the_dead_process(
    process: ManagedProcess, tmp_path: Path
) -> None:
    process.signal_all(signal.SIGSTOP)  # so that the child survives its parent
    first = process._groups[0]
    assert process._process is not None
    process._process.kill()
    wait_until(lambda: process.returncode is not None, every=0.02)
    assert "worker-1 died, killed by SIGKILL" in process.describe_exit()
    process.start(tmp_path)
    assert group_is_alive(first)
    process.signal_all(signal.SIGKILL)
    assert process.wait_for_group(10)
    assert not group_is_alive(first)


def test_process_that_was_never_started_has_ended(tmp_path: Path) -> None:
    process = ManagedProcess("server", ["nothing"], env={}, logs=tmp_path)
    process.shut_down(600, 600)  # it waits for nothing
    assert process.returncode is None


def test_users_own_prefect_settings_are_kept(tmp_path: Path) -> None:
    defaults = environment.base_env({}, tmp_path)
    assert defaults["PREFECT_HOME"] == str(tmp_path)
    assert defaults["DO_NOT_TRACK"] == "1"
    given = {"PREFECT_HOME": "/home/x", "DO_NOT_TRACK": "0"}
    assert environment.base_env(given, tmp_path).keys().isdisjoint(given)


@pytest.mark.parametrize("setting", ["CONNECTION_URL", "PASSWORD"])  # all but the first case are new
@pytest.mark.parametrize("prefix", ["PREFECT_SERVER_DATABASE", "PREFECT_API_DATABASE"])
def test_only_the_server_gets_the_address_and_the_password_of_the_database(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, prefix: str, setting: str
) -> None:
    monkeypatch.setenv(f"{prefix}_{setting}", "planted")
    access = ServerAccess("http://127.0.0.1:4200/api", "floorline:x")
    assert "planted" in environment.server_env(access, tmp_path).values()
    assert "planted" not in environment.client_env(tmp_path).values()
