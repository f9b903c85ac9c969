"""Ctrl-C at any moment is one line and the exit code 130, also while the command still imports its libraries.

Cases are new: there was a traceback, "this is a bug", or no line at all.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cases import slow_but
from tests.support.snapshots import clean_env
from tests.support.warehouse import create_warehouse
from warehouse.publish import publish

INTERRUPTED = "floorline: interrupted\n"
# Run the command again and again; raise the signal at a later import each time, until there are no more.
PROGRAM = """
import os, signal, sys
from floorline.__main__ import main

def raise_at_import(number):
    imports = iter(range(number))
    def count(event, arguments):
        if event == "import" and next(imports, None) == number - 1:
            signal.raise_signal(signal.SIGINT)
    sys.addaudithook(count)

first, step = int(sys.argv.pop(1)), int(sys.argv.pop(1))
for number in range(first, 5_000, step):
    child = os.fork()
    if child == 0:
        output = os.open(f"{number}.txt", os.O_WRONLY | os.O_CREAT)
        os.dup2(output, 1)
        os.dup2(output, 2)
        raise_at_import(number)
        main()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(number, code, flush=True)
    if code == 0:
        break
"""


@pytest.mark.parametrize(
    ("first", "step"), slow_but({"some imports"}, {"some imports": (30, 200), "many imports": (1, 23)})
)
def test_interrupt_during_an_import_is_one_line(tmp_path: Path, first: int, step: int) -> None:
    publish(create_warehouse(tmp_path))
    (tmp_path / "floorline.toml").write_text('[warehouse]\npath = "."\n')
    command = [sys.executable, "-c", PROGRAM, str(first), str(step), "query", "SELECT 1"]
    done = subprocess.run(command, cwd=tmp_path, env=clean_env(), capture_output=True, text=True, check=True)
    *interrupted, ended = [line.split() for line in done.stdout.splitlines()]
    assert [code for _, code in interrupted] == ["130"] * len(interrupted)
    assert {(tmp_path / f"{number}.txt").read_text() for number, _ in interrupted} == {INTERRUPTED}
    assert ended[1] == "0"
