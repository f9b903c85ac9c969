"""The lock of a supervisor: whatever kills a supervisor ends its processes, and theirs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from common import supervisor_lock
from tests.support.waiting import wait_until

# A supervisor with a process whose child has its own session, and follows the lock itself or not.
SUPERVISOR = """
import os, subprocess, sys, time
from pathlib import Path
from common import supervisor_lock
path = Path(sys.argv[1])
held = supervisor_lock.hold(path, 0)
env = {**os.environ, supervisor_lock.VARIABLE: str(path)}
command = supervisor_lock.command("timeit", "-n", "1", "-r", "1", sys.argv[2])
print(subprocess.Popen(command, env=env, start_new_session=True).pid, flush=True)
time.sleep(600)
"""
CHILD = """import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {code!r}], start_new_session=True)
print(child.pid, flush=True)
time.sleep(600)"""
PLAIN, FOLLOWING = "import time; time.sleep(600)", "import flows, time; time.sleep(600)"


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def start(path: Path, code: str) -> tuple[subprocess.Popen[str], int, int]:
    command = [sys.executable, "-c", SUPERVISOR, str(path), CHILD.format(code=code)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    child, grandchild = (int(process.stdout.readline()) for _ in range(2))
    process.stdout.close()
    return process, child, grandchild


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_death_of_the_supervisor_ends_its_processes_and_theirs(
    tmp_path: Path, number: signal.Signals
) -> None:
    process, child, grandchild = start(tmp_path / "lock", PLAIN)
    assert [is_running(pid) for pid in (child, grandchild)] == [True, True]
    process.send_signal(number)
    process.wait()
    wait_until(lambda: not is_running(child) and not is_running(grandchild))


def test_process_whose_parent_died_first_follows_the_lock_too(tmp_path: Path) -> None:
    process, child, grandchild = start(tmp_path / "lock", FOLLOWING)
    os.kill(child, signal.SIGKILL)
    wait_until(lambda: not is_running(child))
    assert is_running(grandchild)
    process.kill()
    process.wait()
    wait_until(lambda: not is_running(grandchild))


def test_supervisor_lock_has_one_holder_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not supervisor_lock.is_held(path)
    with supervisor_lock.hold(path, 0):
        assert supervisor_lock.is_held(path)
        with pytest.raises(supervisor_lock.SupervisorLockHeld, match=str(os.getpid())):
            supervisor_lock.hold(path, 0)
    assert not supervisor_lock.is_held(path)
    supervisor_lock.hold(path, 0).close()


def test_process_without_a_supervisor_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    command = supervisor_lock.command("timeit", "-n", "1", "-r", "1", "print('done')")
    env = {name: value for name, value in os.environ.items() if name != supervisor_lock.VARIABLE}
    assert "done" in subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
