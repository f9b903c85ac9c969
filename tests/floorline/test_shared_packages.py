"""Without [shared] in the configuration, no process imports what only [shared] needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.snapshots import Bench

PACKAGES = ("psycopg", "obstore")


@pytest.mark.slow
def test_commands_of_one_machine_import_no_package_of_many(
    bench: Bench, tmp_path: Path, no_prefect: None
) -> None:
    trap, marks = tmp_path / "trap", tmp_path / "marks"
    trap.mkdir()
    marks.mkdir()
    for package in PACKAGES:  # found first, by the processes that a command starts as well
        (trap / f"{package}.py").write_text(f"open({str(marks / package)!r}, 'w').close()\nraise ImportError")

    def run(*arguments: str) -> None:
        command = [sys.executable, *arguments]
        environment = {**os.environ, "PYTHONPATH": str(trap), "FLOORLINE_CONFIG": str(bench.config)}
        subprocess.run(command, check=True, capture_output=True, env=environment, timeout=300)

    run("-m", "floorline", "--help")
    run("-m", "floorline", "snapshot", "--no-prefect")
    run("-m", "floorline", "query", "SELECT count(*) FROM quotes")
    run("-m", "floorline", "status")
    assert list(marks.iterdir()) == []
    with pytest.raises(subprocess.CalledProcessError):
        run("-c", "import psycopg")
    assert [mark.name for mark in marks.iterdir()] == ["psycopg"]
