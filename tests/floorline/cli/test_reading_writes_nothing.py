"""Commands that read work on a read-only mount and on a full disk, and change no file."""

from __future__ import annotations

import contextlib
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.core import Sandbox
from tests.support.cases import slow_but_first
from tests.support.snapshots import Bench, CommandOutput, basket, main_with
from tests.support.warehouse import minute
from tests.support.warehouse_failures import fill_disk
from warehouse.paths import WarehousePaths
from warehouse.state.alerts import Alert, AlertStore
from warehouse.state.database import open_state

pytestmark = [pytest.mark.file_warehouse("files of one machine"), pytest.mark.usefixtures("no_prefect")]
READING = {
    "status": ("status",),
    "status as JSON": ("status", "--json"),
    "alerts list": ("alerts", "list", "--all"),
    "alerts show": ("alerts", "show", "1"),
    "watches list": ("watches", "list"),
    "query": ("query", "SELECT count(*), sum(price) FROM quotes"),
    "price": ("price", "ak redline ft"),
    "plan": ("plan",),
    "plan offline": ("plan", "--offline"),
    "items search": ("items", "search", "ak"),
    "providers": ("providers",),
    "config check": ("config", "check"),
    "config show": ("config", "show"),
    "key status": ("key", "status"),
    "rejects list": ("rejects", "list"),
    "backfill list": ("backfill", "list"),
}

CHANGING = re.compile("ago|age|a day|requests_per_day|used_up_at|days left")
FOLDERS = re.compile(r"^\w+ +folders .*", re.MULTILINE)
AGE = re.compile(r" \d+s +")


@pytest.fixture
def bench(small_disk: Path, sandbox: Sandbox) -> Bench:
    """Return a project on a small disk, with a snapshot and an alert."""
    bench = Bench.at(small_disk, sandbox, basket(), source={"tier": "pro"})
    bench.snapshot()
    AlertStore(open_state(bench.paths)).raise_alert(Alert("silence", "cs2cap", "core", "no run"), minute(0))
    return bench


def run(bench: Bench, *arguments: str) -> CommandOutput:
    return main_with(*arguments, "--config", str(bench.config))


def contents(paths: WarehousePaths) -> dict[str, bytes]:
    """Return every file of the warehouse, but those that processes share while they use SQLite."""
    return {
        str(path.relative_to(paths.root)): path.read_bytes()
        for path in paths.root.rglob("*")
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }


def without_times(output: CommandOutput) -> tuple[int, list[str]]:
    """Return the exit code and the lines of an output that do not depend on the time of the day."""
    lines = [line for line in output.out.splitlines() if not CHANGING.search(line)]
    return output.code, [AGE.sub("AGE", line) for line in lines]


def leave_clean(_paths: WarehousePaths) -> None:
    """Leave `state.db` as a process that has ended leaves it."""


def leave_log(paths: WarehousePaths) -> None:
    """Leave the log of `state.db` and the file that processes share, as a killed process does."""
    state, saved = paths.state, paths.root.with_name("saved")
    saved.mkdir()
    with contextlib.closing(sqlite3.connect(state)) as db:
        db.execute("UPDATE alert SET repeats = repeats")
        db.commit()
        for name in ("state.db", "state.db-wal", "state.db-shm"):
            shutil.copy(state.with_name(name), saved / name)
    for file in saved.iterdir():
        shutil.copy(file, state.with_name(file.name))


def make_read_only(bench: Bench) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(bench.folder)], check=True)


def make_full(bench: Bench) -> None:
    fill_disk(bench.folder, 0)


@pytest.mark.slow
@pytest.mark.parametrize("state", slow_but_first(leave_log, leave_clean))
@pytest.mark.parametrize("spoil", slow_but_first(make_read_only, make_full))
def test_reading_commands_work(
    bench: Bench, spoil: Callable[[Bench], None], state: Callable[[WarehousePaths], None]
) -> None:
    """All but `query`, `plan` and `rejects list` failed before on a read-only mount."""
    expected = {name: without_times(run(bench, *arguments)) for name, arguments in READING.items()}
    assert {code for code, _ in expected.values()} == {0}
    state(bench.paths)
    spoil(bench)
    before = contents(bench.paths)
    outputs = {name: run(bench, *arguments) for name, arguments in READING.items()}
    assert {name: output.err for name, output in outputs.items() if output.err} == {}
    assert {name: without_times(output) for name, output in outputs.items()} == expected
    assert contents(bench.paths) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "reason"), [(make_read_only, "Read-only file system"), (make_full, "No space left on device")]
)
def test_doctor_names_the_folders_that_a_run_cannot_write(
    bench: Bench, spoil: Callable[[Bench], None], reason: str
) -> None:
    (line,) = FOLDERS.findall(run(bench, "doctor").out)
    assert line.startswith("ok ")
    spoil(bench)
    before = contents(bench.paths)
    output = run(bench, "doctor")
    (line,) = FOLDERS.findall(output.out)
    assert (output.code, output.err) == (1, "")
    assert f"{bench.paths.root}: {reason}: ., writer, landing, catalog" in line.replace(
        ", state.db, writer/market.duckdb, writer/lock", ""
    )
    assert line.startswith("fail ")
    assert "this check broke" not in output.out
    assert contents(bench.paths) == before
