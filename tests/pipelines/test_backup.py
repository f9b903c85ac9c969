"""Backup, more snapshots, a lost disk, restore: equal to the backup, and the next run goes on from there."""

from __future__ import annotations

import shutil
from fnmatch import fnmatch
from pathlib import Path

import pytest

from common import supervisor_lock
from floorline.up.access import prefect_home, supervisor_lock_path
from tests.support.backfills import (
    DAY,
    bench_at,
    history_requests,
    loaded_points,
    market_points,
    points_request,
    run_backfill,
)
from tests.support.backups import dump_views
from tests.support.clocks import NOON
from tests.support.database_damage import overwrite
from tests.support.json_outputs import read_result
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, CommandOutput, basket, catalog_of, ledger, main_with

pytestmark = [
    pytest.mark.file_warehouse("a backup is of one machine's folder"),
    pytest.mark.usefixtures("no_prefect"),
]
PROVIDERS = ("steam", "buff163")


def run(bench: Bench, *arguments: str) -> CommandOutput:
    return main_with(*arguments, "--config", str(bench.config))


def lose_disk(bench: Bench) -> None:
    """Lose the project but its key, which no backup has."""
    shutil.rmtree(bench.paths.root)
    bench.config.unlink()


def causes(bench: Bench) -> list[str]:
    return [alert.cause for alert in bench.alerts()]


@pytest.mark.slow
def test_next_snapshot_goes_on_after_a_restore(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(limits=True, tier="pro")
    bench = Bench.at(tmp_path / "project", box, catalog_of(*PROVIDERS))
    bench.snapshot()
    box.set_provider_dark("steam")
    bench.snapshot()
    assert causes(bench) == ["provider.dark"]

    assert run(bench, "backup", str(tmp_path / "backup")).code == 0
    expected = dump_views(bench.paths)
    box.set_provider_dark("steam", dark=False)
    box.move(50)
    (lost,) = bench.snapshot()
    assert causes(bench) == []
    lose_disk(bench)

    restored = run(bench, "restore", str(tmp_path / "backup"))
    assert restored.code == 0, restored.err
    assert dump_views(bench.paths) == expected
    assert causes(bench) == ["provider.dark"]
    box.move(50)
    (result,) = bench.snapshot()
    assert result.state == "done"
    assert lost.quota_remaining is not None
    assert result.quota_remaining == lost.quota_remaining - result.requests, "what was spent stays spent"
    assert causes(bench) == []
    assert bench.quotes() == ledger(box, PROVIDERS)
    assert bench.query("SELECT run_id FROM runs GROUP BY ALL HAVING count(*) > 1") == []


@pytest.mark.slow
def test_backfill_goes_on_after_a_restore(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(history="dense")
    bench = bench_at(tmp_path / "project", box)
    items, request = (1, 2, 3, 4), {"days": 0.25}
    first = run_backfill(bench, box, points_request(*items, **request, budget=7))
    landed = {entry.query for entry in history_requests(box)}
    assert run(bench, "backup", str(tmp_path / "backup")).code == 0
    run_backfill(bench, box, points_request(*items, **request))
    lose_disk(bench)
    assert run(bench, "restore", str(tmp_path / "backup")).code == 0
    since = len(box.requests)
    second = run_backfill(bench, box, points_request(*items, **request))
    assert (second.state, second.backfill_id) == ("done", first.backfill_id)
    assert landed.isdisjoint(entry.query for entry in history_requests(box, since))
    assert loaded_points(bench) == market_points(box, items, NOON - DAY / 4, NOON)


CONFIGURATION = """\
# Why this basket: see the wiki.
[alerts]
notify = ["json://user:hunter2@host/x", "env:MY_WEBHOOK"]

[sources.cs2cap]
key = "file:/secret/place"

[[baskets]]
name = "core"
source = "cs2cap"
items = ["file:lists/mine.txt", "file:warehouse/state.db", "file:/elsewhere.txt"]
"""


def test_configuration_is_backed_up_without_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOORLINE_WAREHOUSE__LOCK_WAIT", "1s")
    folder, config = tmp_path / "project", tmp_path / "project" / "floorline.toml"
    (folder / "lists").mkdir(parents=True)
    (folder / "lists" / "mine.txt").write_text("AK-47 | Redline (Field-Tested)\n")
    (folder / "warehouse").mkdir()
    (folder / "warehouse" / "state.db").write_text("an item file of an odd name\n")
    config.write_text(CONFIGURATION)
    (folder / "data" / "writer").mkdir(parents=True)
    backup = tmp_path / "backup"
    output = main_with("backup", str(backup), "--config", str(config), "--json")
    assert output.code == 0, output.err
    assert read_result(output.out)["left_out"] == [
        "the key of cs2cap: file:/secret/place",
        "[alerts] notify: 1 of 2 addresses",
        "the item file /elsewhere.txt",
        "variables of the environment: FLOORLINE_WAREHOUSE__LOCK_WAIT",
    ]
    files = [file for file in backup.rglob("*") if file.is_file()]
    assert not any(b"hunter2" in file.read_bytes() for file in files)

    shutil.rmtree(folder)
    restored = main_with("restore", str(backup), "--config", str(config), "--json")
    assert read_result(restored.out)["root"] == str(folder / "data")
    assert config.read_text() == CONFIGURATION.replace('"json://user:hunter2@host/x", ', "")
    assert (folder / "lists" / "mine.txt").read_text() == "AK-47 | Redline (Field-Tested)\n"
    assert (folder / "warehouse" / "state.db").read_text() == "an item file of an odd name\n"
    assert not (folder / "data" / "state.db").exists()


def test_restore_is_refused_while_up_runs(bench: Bench, tmp_path: Path) -> None:
    bench.snapshot()
    backup = str(tmp_path / "backup")
    assert run(bench, "backup", backup).code == 0
    home = prefect_home(bench.paths.root)
    home.mkdir()
    with supervisor_lock.hold(supervisor_lock_path(home), 0):
        refused = run(bench, "restore", backup, "--replace")
    assert (refused.code, refused.out) == (2, "")
    assert "`floorline up` runs for" in refused.err
    assert run(bench, "restore", backup, "--check").code == 0
    assert run(bench, "restore", backup).code == 2
    replaced = read_result(run(bench, "restore", backup, "--replace", "--json").out)
    assert Path(replaced["aside"], "market.duckdb").exists()


def test_shared_warehouse_is_not_restored(bench: Bench, tmp_path: Path) -> None:
    bench.snapshot()
    backup, alone = str(tmp_path / "backup"), bench.config.read_text("utf-8")
    assert run(bench, "backup", backup).code == 0
    shared = f'[shared]\ndatabase = "env:NO_DATABASE"\nstorage = "file://{tmp_path}/shared"\n'
    bench.config.write_text(shared + alone, "utf-8")
    refused = run(bench, "restore", backup, "--replace")
    assert (refused.code, refused.out) == (2, "")
    assert "its PostgreSQL database and its bucket" in refused.err
    assert run(bench, "restore", backup, "--check").code == 0


def test_commands_say_what_is_wrong(tmp_path: Path) -> None:
    config = tmp_path / "floorline.toml"
    config.write_text(CONFIGURATION)
    (tmp_path / "empty").mkdir()
    cases = {
        ("backup", str(tmp_path / "backup")): (2, "there is no warehouse at"),
        ("restore", str(tmp_path / "empty")): (2, "is no backup, or not a whole one"),
        ("restore", str(tmp_path / "missing"), "--check"): (2, "is no backup, or not a whole one"),
    }
    for arguments, (code, message) in cases.items():
        output = main_with(*arguments, "--config", str(config))
        assert (output.code, output.out) == (code, "")
        assert message in output.err
        assert output.err.count("\n") == 1


# Kinds of files, with patterns of paths in a warehouse, of which no backup has a copy.
LEFT_OUT = {
    "market.duckdb": "a restore publishes the loader's database",
    "writer/checksum": "a restore publishes",
    "writer/lock": "a lock",
    "landing/*/lock": "a lock",
    "backfills/*.lock": "locks",
    "writer/market.before-*": "a database that was replaced",
    "state.before-*": "a state that was damaged",
    "state.lock": "a lock",
}


@pytest.mark.slow
def test_every_kind_of_file_is_backed_up_or_left_out_on_purpose(
    tmp_path: Path, make_sandbox: MakeSandbox
) -> None:
    box = make_sandbox(history="sparse")
    baskets = (basket(currencies=["USD", "EUR"]), catalog_of("steam", name="all"))
    bench = Bench.at(tmp_path / "project", box, *baskets, source={"tier": "pro"})
    bench.snapshot()
    run_backfill(bench, box, points_request(1))
    assert run(bench, "maintain", "rebuild", "--yes").code == 0
    overwrite(bench.paths.state, b"damaged" * 1000)
    bench.snapshot()
    bench.paths.writer.with_name("later").touch()

    assert run(bench, "backup", str(tmp_path / "backup")).code == 0
    copied = relative_files(tmp_path / "backup" / "warehouse")
    others = relative_files(bench.paths.root) - copied
    unknown = {name for name in others if not any(fnmatch(name, pattern) for pattern in LEFT_OUT)}
    assert unknown == {"writer/later"}, (
        "copy the new kind of file in warehouse/backup/contents.py, or list it"
    )
    unused = {pattern for pattern in LEFT_OUT if not any(fnmatch(name, pattern) for name in others)}
    assert unused == set()


def relative_files(root: Path) -> set[str]:
    return {file.relative_to(root).as_posix() for file in root.rglob("*") if file.is_file()}
