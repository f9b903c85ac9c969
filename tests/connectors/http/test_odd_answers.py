"""Any answer ends as a response or in one line: no traceback, no hang, a rejected key sent once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.odd_answers import check_examples

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
@pytest.mark.server  # which is not seen through the property test
def test_some_odd_answers() -> None:
    check_examples(25)


@pytest.mark.slow
def test_a_thousand_odd_answers_in_300_megabytes() -> None:
    """Each example is two answers. In a process of its own, whose peak of memory is known.

    The server of the answers is in this process, too, with a thread for each answer: two arenas of malloc
    keep what these threads leave behind from counting again and again.
    """
    command = [sys.executable, "-m", "tests.support.odd_answers", "500"]
    env = {**os.environ, "MALLOC_ARENA_MAX": "2"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, env=env)
    assert done.returncode == 0, done.stdout[-5_000:] + done.stderr[-5_000:]
    assert int(done.stdout) < 300


@pytest.mark.slow
def test_eight_bombs_at_once_in_300_megabytes() -> None:
    """Eight responses of 300 MB each, compressed, and eight without end at the same time."""
    command = [sys.executable, "-m", "tests.support.bombs"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout[-5_000:] + done.stderr[-5_000:]
    assert int(done.stdout) < 300
