"""The parts of `floorline up`: ended with all that they started, logged privately, given what they need."""

from __future__ import annotations

import signal
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from floorline.up import environment
from floorline.up.process import ManagedProcess, group_is_alive
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow
# Starts a process of its own that outlives it, and says so; with an argument both refuse to end by SIGTERM.
PARENT = """
import signal, subprocess, sys, time
if len(sys.argv) > 1:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("a line\\x1b[31m", flush=True)
time.sleep(600)
"""


@pytest.fixture
def part(tmp_path: Path) -> Iterator[ManagedProcess]:
    """A part that was started, with a process of its own below it."""
    yield from started(tmp_path)


@pytest.fixture
def stubborn(tmp_path: Path) -> Iterator[ManagedProcess]:
    """One that takes no notice of SIGTERM."""
    yield from started(tmp_path, "stubborn")


def started(tmp_path: Path, *arguments: str) -> Iterator[ManagedProcess]:
    part = ManagedProcess("worker-1", [sys.executable, "-c", PARENT, *arguments], {}, tmp_path)
    part.start(tmp_path)
    wait_until(lambda: "a line" in part.tail(), 20, every=0.02)
    yield part
    part.signal_all(signal.SIGKILL)
    assert part.wait_for_group(10)


def test_its_log_is_its_owner_s_alone_and_safe_to_print(part: ManagedProcess) -> None:
    assert stat.S_IMODE(part.log.stat().st_mode) == 0o600
    assert part.tail() == "  a line [31m"


def test_what_it_started_is_ended_with_it(part: ManagedProcess) -> None:
    part.terminate()
    part.shut_down(0.5, 10)
    assert part.returncode == -signal.SIGTERM
    assert part.wait_for_group(10)


def test_one_that_does_not_listen_is_killed(stubborn: ManagedProcess) -> None:
    stubborn.shut_down(0, 0.5)
    assert stubborn.returncode == -signal.SIGKILL
    assert stubborn.wait_for_group(10)


def test_what_a_dead_one_started_is_not_forgotten_by_a_restart(part: ManagedProcess, tmp_path: Path) -> None:
    part.signal_all(signal.SIGSTOP)  # so that the child stays while the parent dies
    first = part._groups[0]
    assert part._process is not None
    part._process.kill()
    wait_until(lambda: part.returncode is not None, 10, every=0.02)
    assert "worker-1 died, killed by SIGKILL" in part.describe_exit()
    part.start(tmp_path)
    assert group_is_alive(first)
    part.signal_all(signal.SIGKILL)
    assert part.wait_for_group(10)
    assert not group_is_alive(first)


def test_a_part_that_never_started_has_ended(tmp_path: Path) -> None:
    part = ManagedProcess("server", ["nothing"], {}, tmp_path)
    began = time.monotonic()
    part.shut_down(5, 5)
    assert time.monotonic() - began < 1
    assert part.returncode is None


def test_a_prefect_of_the_user_s_own_is_left_as_it_is(tmp_path: Path) -> None:
    own = environment.base_env({}, tmp_path, 4200)
    assert own["PREFECT_HOME"] == str(tmp_path)
    assert own["PREFECT_API_URL"] == "http://127.0.0.1:4200/api"
    assert own["DO_NOT_TRACK"] == "1"
    given = {"PREFECT_HOME": "/home/x", "PREFECT_API_URL": "http://prefect:4200/api"}
    assert environment.base_env(given, tmp_path, 4200).keys().isdisjoint(given)


def test_the_database_s_address_reaches_the_server_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(environment.DATABASE, "postgresql+asyncpg://prefect:secret@127.0.0.1/prefect")
    assert environment.DATABASE in environment.server_env()
    assert "secret" not in str(environment.client_env())
