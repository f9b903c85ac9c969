"""Ctrl-C at any moment is one line and the exit code 130, also while the command still imports its libraries.

Cases are new: there was a traceback, "this is a bug", or no line at all.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cases import slow_but
from tests.support.snapshots import clean_env
from tests.support.warehouse import create_warehouse
from warehouse.publish import publish

INTERRUPTED = "floorline: interrupted\n"
# Run the command again and again; raise the signal later each time, until the command comes to its end.
PROGRAM = """
import os, signal, sys
from floorline.__main__ import main

def raise_at_import(number):
    imports = iter(range(number))
    def count(event, arguments):
        if event == "import" and next(imports, None) == number - 1:
            signal.raise_signal(signal.SIGINT)
    sys.addaudithook(count)

def raise_at_millisecond(number):
    signal.signal(signal.SIGPROF, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_PROF, number / 1000)

raise_at = {"import": raise_at_import, "millisecond": raise_at_millisecond}[sys.argv.pop(1)]
first, step = int(sys.argv.pop(1)), int(sys.argv.pop(1))
for number in range(first, 5_000, step):
    child = os.fork()
    if child == 0:
        output = os.open(f"{number}.txt", os.O_WRONLY | os.O_CREAT)
        os.dup2(output, 1)
        os.dup2(output, 2)
        raise_at(number)
        main()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(number, code, flush=True)
    if code != 130:
        break
"""


@pytest.mark.parametrize(
    ("what", "first", "step"),
    slow_but(
        {"some imports"},
        {
            "some imports": ("import", 30, 200),
            "many imports": ("import", 1, 23),
            "many moments": ("millisecond", 5, 12),
        },
    ),
)
def test_interrupt_while_the_command_loads_is_one_line(
    tmp_path: Path, what: str, first: int, step: int
) -> None:
    publish(create_warehouse(tmp_path))
    (tmp_path / "floorline.toml").write_text('[warehouse]\npath = "."\n')
    command = [sys.executable, "-c", PROGRAM, what, str(first), str(step), "query", "SELECT 1"]
    done = subprocess.run(command, cwd=tmp_path, env=clean_env(), capture_output=True, text=True, check=True)
    *interrupted, ended = [line.split() for line in done.stdout.splitlines()]
    outputs = {(tmp_path / f"{number}.txt").read_text() for number, _ in interrupted}
    assert all(output.endswith(INTERRUPTED) for output in outputs)
    # A signal that comes late finds the answer printed.
    assert {output.removesuffix(INTERRUPTED) for output in outputs} <= {"", "1\n1\n1 row\n"}
    # Nobody handles the timer's signal any more once Python finalizes.
    assert int(ended[1]) in {0, -signal.SIGPROF}


def test_failure_after_an_interrupt_keeps_its_exit_code() -> None:
    """New: the exit code was 130, whatever the line said."""
    program = """
import floorline.cli.app as app
from common.machine_errors import DiskFailed
from floorline.__main__ import main
from floorline.cli.endings import end_command
from floorline.streams import prepare_streams

def run():
    prepare_streams()
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        try:
            raise DiskFailed("the disk failed")
        except DiskFailed as error:
            end_command("status", error)

app.run = run
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env=clean_env(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 6
    assert done.stderr.startswith("floorline: the disk failed")
