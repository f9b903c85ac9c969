"""A damaged, cut or missing `state.db` is made anew from its whole rows and the published alerts."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from common.shards import Item, SeriesShard
from common.sqlite import find_damage, open_state_db
from common.state_schema import copied_tables
from common.warehouse_errors import StateDamaged, WarehouseError
from connectors.ratelimit.ledger import RequestLedger, read_usage
from tests.support.clocks import NOON
from tests.support.database_damage import cut, flip_random_bit
from tests.support.warehouse import Quote, create_warehouse, land_and_load, minute, observe
from warehouse.paths import WarehousePaths
from warehouse.state.alerts import Alert, AlertStore, KeyRejection, read_alerts
from warehouse.state.backfills import BackfillStore
from warehouse.state.database import open_state
from warehouse.state.mending import mend_state

pytestmark = pytest.mark.file_warehouse("mends the file state.db")

DAY = timedelta(days=1)


def execute(path: Path, script: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(script)


def shards(items: int) -> list[SeriesShard]:
    return [
        SeriesShard("USD", NOON - DAY, NOON, item=Item(str(number), f"item {number}", None), provider="steam")
        for number in range(items)
    ]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> WarehousePaths:
    """Return a warehouse with alerts, a rejected key, two backfills, a budget; its alerts are published."""
    paths = create_warehouse(tmp_path_factory.mktemp("template"))
    alerts = AlertStore(open_state(paths))
    for number in range(40):
        alerts.raise_alert(Alert("silence", "cs2cap", f"basket {number}", "x" * 80), minute(number))
    alerts.resolve("silence", "cs2cap", "basket 3", now=minute(50))
    alerts.record_rejection(KeyRejection("cs2cap", "f00d", "KeyRevoked", "REVOKED", 401, "revoked", NOON))
    backfills = BackfillStore(paths)
    for number in range(2):
        backfills.begin_or_find(
            str(number), series="points", source="cs2cap", request={"a": 1}, cost=(1, 2), shards=shards(50)
        )
    ledger = RequestLedger(open_state(paths), "f00d", "cs2cap")
    ledger.set_rate(100)
    ledger.close()
    land_and_load(paths, "a", observe(minute(0), Quote()))
    return paths


@pytest.fixture
def paths(template: WarehousePaths, tmp_path: Path) -> WarehousePaths:
    shutil.copytree(template.root, tmp_path / "home")
    return WarehousePaths(tmp_path / "home")


def state_of(paths: WarehousePaths) -> tuple[object, ...]:
    """Return what the readers of the state return, but for the alerts about the state itself."""
    backfills = BackfillStore(paths)
    records = backfills.list_all()
    return (
        [alert for alert in read_alerts(open_state(paths)) if alert.cause != "database.restored"],
        AlertStore(open_state(paths)).get_rejection("cs2cap"),
        records,
        [backfills.list_shards(record.backfill_id) for record in records],
    )


def restored(paths: WarehousePaths) -> list[str]:
    return [alert.message for alert in read_alerts(open_state(paths)) if alert.cause == "database.restored"]


def test_whole_state_is_left_alone(paths: WarehousePaths) -> None:
    before = paths.state.read_bytes()
    mend_state(paths, minute(100))
    assert paths.state.read_bytes() == before
    assert not paths.root.joinpath("state.lock").exists()


DAMAGE: dict[str, Callable[[WarehousePaths], object]] = {
    "is text (new)": lambda paths: paths.state.write_bytes(b"text" * 10_000),
    "is empty (new)": lambda paths: paths.state.write_bytes(b""),
    "is missing (new)": lambda paths: paths.state.unlink(),
    "is cut in the middle (new)": lambda paths: cut(paths.state, 0.5),
    "is cut to its header (new)": lambda paths: cut(paths.state, 100),
    "has another version (new)": lambda paths: execute(paths.state, "PRAGMA user_version = 99"),
    "has an older version (new)": lambda paths: execute(paths.state, "PRAGMA user_version = 1"),
    "lacks a table (new)": lambda paths: execute(paths.state, "DROP TABLE backfill_shard"),
    "lacks a trigger (new)": lambda paths: execute(paths.state, "DROP TRIGGER check_alert"),
    "lacks its copies (new)": lambda paths: execute(paths.state, "DELETE FROM row_copy WHERE key > '2'"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damaged_state_is_made_anew(
    paths: WarehousePaths, damage: Callable[[WarehousePaths], object]
) -> None:
    alerts = state_of(paths)[0]
    damage(paths)
    mend_state(paths, minute(100))

    assert find_damage(paths.state) is None
    assert state_of(paths)[0] == alerts
    (message,) = restored(paths)
    assert "state.db was made anew: " in message
    assert "\n" not in message
    mend_state(paths, minute(200))
    assert restored(paths) == [message]
    RequestLedger(open_state(paths), "f00d", "cs2cap").close()


def test_row_that_differs_from_its_copy_is_never_read_or_updated(paths: WarehousePaths) -> None:
    _, rejection, records, all_shards = state_of(paths)
    assert isinstance(records, list)
    damaged = records[0].backfill_id
    table = next(table for table in copied_tables() if table.name == "backfill_shard")
    execute(
        paths.state,
        "DROP TRIGGER check_backfill_shard; DROP TRIGGER update_backfill_shard;"
        f"UPDATE backfill_shard SET page = 7 WHERE backfill_id = '{damaged}' AND number = 3;"
        + table.create_triggers(),
    )
    assert find_damage(paths.state) == "1 rows of backfill_shard are not what was written"
    with pytest.raises(StateDamaged, match=r"not what was written.*floorline maintain load"):
        BackfillStore(paths).finish_shard(damaged, 3, "done")
    mend_state(paths, minute(100))

    after = state_of(paths)
    assert isinstance(all_shards, list)
    assert after[1:] == (rejection, records[1:], all_shards[1:])


@pytest.mark.parametrize("flips", [25, pytest.param(200, marks=pytest.mark.slow)])
def test_flipped_bits_are_never_read(template: WarehousePaths, tmp_path: Path, flips: int) -> None:
    """Readers see what was written, or raise one line; after mending they see it, or do not see it at all."""
    expected = state_of(template)
    for seed in range(flips):
        home = tmp_path / str(seed)
        home.mkdir()
        for path in (template.state, template.published):
            shutil.copy(path, home / path.name)
        paths = WarehousePaths(home)
        flip_random_bit(paths.state, seed)
        read: tuple[object, ...] | None = None
        with contextlib.suppress(StateDamaged):
            read_usage(open_state(paths), "cs2cap")
            read = state_of(paths)
        assert read in (None, expected), seed
        found = find_damage(paths.state)
        assert found is not None or read == expected, seed
        try:
            mend_state(paths, minute(100))
        except WarehouseError as error:
            pytest.fail(f"{seed}: {error}")
        alerts, rejection, records, all_shards = state_of(paths)
        assert alerts == expected[0], seed
        assert rejection in (expected[1], None), seed
        assert isinstance(records, list)
        assert isinstance(expected[2], list)
        assert isinstance(expected[3], list)
        kept = [number for number, record in enumerate(expected[2]) if record in records]
        assert [record.backfill_id for record in records] == [expected[2][n].backfill_id for n in kept], seed
        assert all_shards == [expected[3][number] for number in kept], seed
        assert len(restored(paths)) == (found is not None), seed
        shutil.rmtree(home)


def test_several_processes_make_one_state_anew(paths: WarehousePaths) -> None:
    expected = state_of(paths)
    execute(paths.state, "DROP TRIGGER check_alert")
    with ThreadPoolExecutor(4) as pool:  # a FileLock is one per thread, as it is one per process
        list(pool.map(lambda _: mend_state(paths, minute(100)), range(4)))
    assert state_of(paths) == expected
    assert len(restored(paths)) == 1
    assert len(list(paths.root.glob("state.before-*.db"))) == 1


def test_no_other_user_can_read_the_state_and_the_folders(tmp_path: Path) -> None:
    paths = WarehousePaths(tmp_path / "data")
    paths.prepare()
    land_and_load(paths, "a", observe(minute(0), Quote()))
    BackfillStore(paths).list_all()
    everything = [paths.root, *paths.root.rglob("*")]
    assert len(everything) > 10
    assert {path.name: oct(path.stat().st_mode & 0o077) for path in everything} == dict.fromkeys(
        (path.name for path in everything), "0o0"
    )


def test_state_of_an_older_version_is_closed_to_other_users(tmp_path: Path) -> None:
    paths = WarehousePaths(tmp_path)
    open_state_db(paths.state).close()
    paths.state.chmod(0o644)
    paths.prepare()
    assert paths.state.stat().st_mode & 0o777 == 0o600
