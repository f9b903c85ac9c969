"""Back up while snapshots run, and kill backups and restores: a whole backup or none, and no row lost."""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandbox.core import Sandbox
from tests.support.backups import dump_views
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import FLOORLINE, Bench, catalog_of, clean_env, ledger
from tests.support.waiting import wait_until
from warehouse.database import writer_lock
from warehouse.landing.inventory import list_landings
from warehouse.targets import partial_of

pytestmark = pytest.mark.slow
PROVIDERS = ("steam", "buff163", "csfloat", "skinport")
INCOMPLETE = """
SELECT r.run_id, r.rows_changed, count(h.run_id) FROM runs r
LEFT JOIN quote_history h USING (run_id) GROUP BY ALL HAVING r.rows_changed <> count(h.run_id)
"""


@contextmanager
def snapshots(bench: Bench, box: Sandbox) -> Iterator[None]:
    """Take one snapshot after the other, each in a process, while the market moves."""
    stop = threading.Event()
    codes: list[int] = []

    def take() -> None:
        while not stop.is_set():
            box.move(30)
            codes.append(bench.command("snapshot", "--quiet").returncode)

    thread = threading.Thread(target=take)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert len(codes) > 1
    assert set(codes) == {0}


def run_and_kill(*arguments: str, after: float) -> bool:
    """Run a command and kill it after so many seconds; return whether it had ended by itself."""
    process = subprocess.Popen(
        [FLOORLINE, *arguments], env=clean_env(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        return process.wait(after) == 0
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False


def restored(folder: Path, project: Path, chance: random.Random) -> Bench:
    """Restore a backup as a project of its own; kill the restore twice before."""
    bench = Bench(project, project / "floorline.toml")
    project.mkdir()
    arguments = ("restore", str(folder), "--config", str(bench.config))
    for _ in range(2):
        if run_and_kill(*arguments, after=chance.uniform(0.5, 2.5)):
            return bench
    last = bench.command("restore", str(folder), check=None)
    # The kill may have come when all was done.
    assert last.returncode == 0 or "holds a warehouse already" in last.stderr, last.stderr
    return bench


def test_backups_and_restores_that_are_killed(make_sandbox: MakeSandbox, tmp_path: Path) -> None:
    chance = random.Random(7)
    box = make_sandbox(items=2000)
    # No page of an interrupted run is used again: the market has moved since.
    bench = Bench.at(tmp_path / "project", box, catalog_of(*PROVIDERS, fresh="0s"))
    bench.snapshot()
    folders = [tmp_path / f"backup{number}" for number in range(4)]
    config = ("--config", str(bench.config))
    with snapshots(bench, box):
        for folder in folders:
            longest = 4.0
            while not folder.exists():  # a folder that appears is a whole backup, whenever the kill came
                run_and_kill("backup", str(folder), *config, after=chance.uniform(0.6, longest))
                longest *= 1.5  # a busy machine needs more time for a backup
            time.sleep(chance.uniform(0, 1))
    assert {path for path in tmp_path.iterdir() if path.is_dir()} == {bench.folder, *folders}

    for folder in folders:
        copy = restored(folder, tmp_path / f"restored-{folder.name}", chance)
        views = dump_views(copy.paths)
        assert copy.query(INCOMPLETE) == []
        runs = {run_id for (run_id,) in copy.query("SELECT run_id FROM runs")}
        landed = {landing.name for landing in list_landings(copy.paths.landing)}
        assert runs <= landed, "each run of this test is still landed"
        (result,) = copy.snapshot()
        assert result.state == "done"
        assert copy.query(INCOMPLETE) == []
        assert copy.quotes() == ledger(box, PROVIDERS)
        assert {run_id for (run_id,) in copy.query("SELECT run_id FROM runs")} == {*landed, result.run_id}
        assert len(views["store.history"]) + len(views["store.current"]) <= copy.changes()


def test_backup_that_is_terminated_leaves_nothing(make_sandbox: MakeSandbox, tmp_path: Path) -> None:
    bench = Bench.at(tmp_path / "project", make_sandbox(), catalog_of(*PROVIDERS))
    bench.snapshot()
    target = tmp_path / "backups" / "today"
    with writer_lock(bench.paths, 10):  # the backup waits for it
        process = subprocess.Popen(
            [FLOORLINE, "backup", str(target), "--config", str(bench.config)],
            env=clean_env(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        wait_until(lambda: partial_of(target).exists())
        process.terminate()
        output, _ = process.communicate()
    assert (process.returncode, output) == (143, "floorline: stopped before the end\n")
    assert list(target.parent.iterdir()) == []
