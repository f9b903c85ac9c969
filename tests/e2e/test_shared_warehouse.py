"""Two homes are two machines: they share PostgreSQL and an object store, and fill one lake."""

from __future__ import annotations

import contextlib
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import obstore
import pytest

from sandbox.core import Sandbox
from sandbox.server import serve
from tests.support.live import PROVIDERS, following, is_current
from tests.support.object_store import SECRET_KEY, ObjectStore
from tests.support.postgres import PASSWORD, Postgres, needs_postgres
from tests.support.sandboxes import MakeSandbox, quiet
from tests.support.shared import Shared
from tests.support.snapshots import FLOORLINE, Bench, basket, catalog_of, clean_env
from tests.support.waiting import wait_until
from warehouse.landing.inventory import pending_landings
from warehouse.landing.object_store import open_object_store
from warehouse.landing.queue import LandingQueue
from warehouse.transfer.comparison import find_differences, fingerprint_views

pytestmark = [pytest.mark.slow, pytest.mark.server, needs_postgres]


@pytest.fixture
def shared(postgres: Postgres, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Shared:
    """Return an empty database and an empty bucket, with their secrets in the environment."""
    created = Shared.create(postgres, object_store)
    for name, value in created.environment.items():
        monkeypatch.setenv(name, value)
    return created


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """Return a sandbox that every test of this module may ask."""
    with serve(quiet(items=60)) as sandbox:
        yield sandbox


def find_secrets(*folders: Path) -> list[Path]:
    """Return the files below folders that have the password of the database or the key of the store."""
    files = (file for folder in folders for file in folder.rglob("*") if file.is_file())
    secrets = (PASSWORD.encode(), SECRET_KEY.encode())
    return [file for file in files if any(secret in file.read_bytes() for secret in secrets)]


def test_a_machine_loads_what_another_one_fetched(shared: Shared, box: Sandbox, tmp_path: Path) -> None:
    one = shared.machine(tmp_path / "one", box, basket("one"))
    two = shared.machine(tmp_path / "two", box, catalog_of("steam", "skinport", name="two"), load=False)
    alone = Bench.at(tmp_path / "alone", box, basket("one"), catalog_of("steam", "skinport", name="two"))

    queue = LandingQueue(one.paths.shared or pytest.fail("not shared"))
    two.command("snapshot", "--quiet")
    assert len(queue.list_waiting()) == 1
    one.command("snapshot", "--quiet")
    assert queue.list_waiting() == []
    alone.command("snapshot", "two", "--quiet")
    alone.command("snapshot", "one", "--quiet")

    rows = "SELECT item, provider, currency, delivery, lowest_ask, price, quantity FROM quotes ORDER BY ALL"
    assert one.query(rows) == two.query(rows) == alone.query(rows) != []
    assert one.query("SELECT basket, state, rows_fetched FROM runs ORDER BY ALL") == alone.query(
        "SELECT basket, state, rows_fetched FROM runs ORDER BY ALL"
    )
    # Each command of a reader works on either machine.
    for command in (["status"], ["query", "FROM best_ask LIMIT 1"], ["price", "ak redline ft"]):
        assert two.command(*command).stdout
    refusals = {
        ("up", "--dashboard"): "run `floorline dashboard` beside it",
        ("backup", str(tmp_path / "backup")): "its PostgreSQL database, and then its bucket",
        ("maintain", "rebuild"): "restore its PostgreSQL database and its bucket",
    }
    for words, advice in refusals.items():
        assert advice in one.command(*words, check=2).stderr
    store = open_object_store(one.paths.shared or pytest.fail("not shared"))
    kept = [meta["path"] for part in obstore.list(store, "loaded") for meta in part]
    assert len(kept) == 2
    obstore.put(store, kept[0].replace(kept[0].split("/")[1], "2020-01-01"), b"")  # of a run long ago
    one.command("maintain", "seal")
    assert [meta["path"] for part in obstore.list(store, "loaded") for meta in part] == kept
    exported = tmp_path / "exported.duckdb"
    two.command("export", str(exported))
    assert (
        find_differences(fingerprint_views(exported), fingerprint_views(one.paths.published_database)) == []
    )
    assert find_secrets(one.folder, two.folder) == []


def test_a_warehouse_moves_to_many_machines(shared: Shared, box: Sandbox, tmp_path: Path) -> None:
    bench = Bench.at(tmp_path / "machine", box, basket("one"), catalog_of("steam", "skinport", name="all"))
    for _ in range(2):
        bench.command("snapshot", "--quiet")
    bench.command("backfill", "--series", "prices", "--basket", "one", "--since", "3d", "--quiet", check=None)
    before = fingerprint_views(bench.paths.published_database)
    alerts = [(alert.cause, alert.opened_at) for alert in bench.alerts()]
    alone = bench.config.read_text("utf-8")

    shared.add_to(bench)
    environment = clean_env()
    command = [FLOORLINE, "migrate", "--yes", "--config", str(bench.config)]
    chance = random.Random(7)
    for _ in range(3):  # the whole takes some seconds
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0.5, 6))
        process.kill()
        process.communicate()
    if not (bench.paths.root / "moved").exists():
        bench.command("migrate", "--yes")
    assert fingerprint_views(bench.paths.published_database) == before
    assert [(alert.cause, alert.opened_at) for alert in bench.alerts()] == alerts

    # Without [shared], every command says where the warehouse went.
    bench.config.write_text(alone, "utf-8")
    for words in (["snapshot"], ["query", "FROM quotes"], ["status"]):
        ended = bench.command(*words, check=6)
        assert f"was moved to {shared.storage}; add the table [shared]" in ended.stderr
    shared.add_to(bench)
    again = bench.command("migrate", "--yes", check=2)
    assert "was moved before" in again.stderr

    other = shared.machine(tmp_path / "other", box, basket("one"))
    other.command("snapshot", "--quiet")
    assert len(bench.query("FROM runs WHERE flow = 'snapshot'")) == 5
    assert find_secrets(bench.folder, other.folder) == []


def test_a_second_warehouse_cannot_move_into_the_first_one(
    shared: Shared, box: Sandbox, tmp_path: Path
) -> None:
    shared.machine(tmp_path / "first", box, basket("one")).command("snapshot", "--quiet")
    second = Bench.at(tmp_path / "second", box, basket("two"))
    second.command("snapshot", "--quiet")
    shared.add_to(second)
    refused = second.command("migrate", "--yes", check=2)
    assert "has runs of another warehouse" in refused.stderr
    assert not (second.paths.root / "moved").exists()


def test_a_killed_snapshot_is_finished_by_another_machine(
    shared: Shared, box: Sandbox, tmp_path: Path
) -> None:
    """The landing of a killed process goes up with the next run of its machine, and counts once."""
    one = shared.machine(tmp_path / "one", box, catalog_of("steam", name="all"))
    two = shared.machine(tmp_path / "two", box, basket("one"))
    process = subprocess.Popen(
        [FLOORLINE, "snapshot", "--quiet", "--config", str(one.config)],
        env=clean_env(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: any(one.paths.landing.glob("*/done.json")), 120)
    finally:
        process.kill()
        process.wait()
    two.command("snapshot", "--quiet")
    one.command("maintain", "load")
    runs = two.query("SELECT basket, count(*) FROM runs GROUP BY ALL ORDER BY ALL")
    assert runs == [("all", 1), ("one", 1)]
    quotes = two.query("SELECT item_id, phase, provider, delivery FROM quotes")
    assert len(quotes) == len(set(quotes))


def test_lake_follows_the_feed(shared: Shared, make_sandbox: MakeSandbox, tmp_path: Path) -> None:
    box = make_sandbox(tier="quant", items=60)
    machine = shared.machine(tmp_path, box, catalog_of(*PROVIDERS, live=True, every="1h"))
    with following(machine, box) as follower:
        for change in (box.move, box.vanish, box.appear):
            box.advance(1)
            change(12)
        wait_until(lambda: is_current(machine, box), every=0.5)
        box.advance(1)
        box.move(12)
    assert follower.count("broke") == 0
    # What had arrived when it was stopped is loaded.
    assert pending_landings(machine.paths.landing) == []
    assert LandingQueue(machine.paths.shared or pytest.fail("not shared")).list_waiting() == []
