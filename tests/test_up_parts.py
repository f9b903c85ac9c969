"""The parts of `floorline up`: ended with all that they started, logged privately, given what they need."""

from __future__ import annotations

import signal
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows import up_env
from flows.up_parts import Part, alive
from tests.up_kit import until

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
def part(tmp_path: Path) -> Iterator[Part]:
    """A part that was started, with a process of its own below it."""
    yield from started(tmp_path)


@pytest.fixture
def stubborn(tmp_path: Path) -> Iterator[Part]:
    """One that takes no notice of SIGTERM."""
    yield from started(tmp_path, "stubborn")


def started(tmp_path: Path, *arguments: str) -> Iterator[Part]:
    part = Part("worker-1", [sys.executable, "-c", PARENT, *arguments], {}, tmp_path)
    part.start(tmp_path)
    until(lambda: "a line" in part.tail(), 20, every=0.02)
    yield part
    part.signal_all(signal.SIGKILL)
    assert part.ended(10)


def test_its_log_is_its_owner_s_alone_and_safe_to_print(part: Part) -> None:
    assert stat.S_IMODE(part.log.stat().st_mode) == 0o600
    assert part.tail() == "  a line [31m"


def test_what_it_started_is_ended_with_it(part: Part) -> None:
    part.terminate()
    part.finish(0.5, 10)
    assert part.code == -signal.SIGTERM
    assert part.ended(10)


def test_one_that_does_not_listen_is_killed(stubborn: Part) -> None:
    stubborn.finish(0, 0.5)
    assert stubborn.code == -signal.SIGKILL
    assert stubborn.ended(10)


def test_what_a_dead_one_started_is_not_forgotten_by_a_restart(part: Part, tmp_path: Path) -> None:
    part.signal_all(signal.SIGSTOP)  # so that the child stays while the parent dies
    first = part._groups[0]
    assert part._process is not None
    part._process.kill()
    until(lambda: part.code is not None, 10, every=0.02)
    assert "worker-1 died, killed by SIGKILL" in part.obituary()
    part.start(tmp_path)
    assert alive(first)
    part.signal_all(signal.SIGKILL)
    assert part.ended(10)
    assert not alive(first)


def test_a_part_that_never_started_has_ended(tmp_path: Path) -> None:
    part = Part("server", ["nothing"], {}, tmp_path)
    began = time.monotonic()
    part.finish(5, 5)
    assert time.monotonic() - began < 1
    assert part.code is None


def test_a_prefect_of_the_user_s_own_is_left_as_it_is(tmp_path: Path) -> None:
    own = up_env.common({}, tmp_path, 4200)
    assert own["PREFECT_HOME"] == str(tmp_path)
    assert own["PREFECT_API_URL"] == "http://127.0.0.1:4200/api"
    assert own["DO_NOT_TRACK"] == "1"
    given = {"PREFECT_HOME": "/home/x", "PREFECT_API_URL": "http://prefect:4200/api"}
    assert up_env.common(given, tmp_path, 4200).keys().isdisjoint(given)


def test_the_database_s_address_reaches_the_server_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(up_env.DATABASE, "postgresql+asyncpg://prefect:secret@127.0.0.1/prefect")
    assert up_env.DATABASE in up_env.server_env()
    assert "secret" not in str(up_env.client_env())
