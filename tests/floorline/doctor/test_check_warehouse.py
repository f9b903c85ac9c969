"""The doctor on the warehouse: database, loader, landings, disk and alerts."""

from __future__ import annotations

import os
import shutil
import threading
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from common.clock import SystemClock
from floorline.doctor.check_warehouse import (
    check_age,
    check_alerts,
    check_database,
    check_disk,
    check_landings,
    check_loader,
)
from floorline.doctor.findings import Finding
from sandbox.core import Sandbox
from tests.support.clocks import NOON
from tests.support.snapshots import Bench, basket
from tests.support.warehouse import DAY, Quote, create_warehouse, land, land_and_load, minute, observe
from tests.support.warehouse_failures import HOLD_DATABASE, HOLD_LOCK, fill_disk, process_holding
from warehouse.loading.pipeline import load_pending
from warehouse.paths import WarehousePaths
from warehouse.state.alerts import Alert, AlertStore

WAIT = timedelta(seconds=60)


@pytest.fixture
def home(tmp_path: Path) -> WarehousePaths:
    """Return a warehouse with one run loaded."""
    home = create_warehouse(tmp_path)
    land_and_load(home, "a", observe(minute(0), Quote("1"), Quote("2")))
    return home


def looked(home: WarehousePaths) -> list[Finding]:
    return check_loader(home, SystemClock().now(), WAIT)


def test_all_is_well(home: WarehousePaths) -> None:
    before = {path: path.stat().st_mtime_ns for path in home.root.rglob("*") if path.is_file()}
    found = [
        *check_database(home),
        *looked(home),
        *check_landings(home),
        *check_disk(home, 1),
        *check_alerts(home),
    ]
    assert [one.verdict for one in found] == ["ok"] * 5
    assert "2 quotes" in found[0].seen
    after = {path: path.stat().st_mtime_ns for path in home.root.rglob("*") if path.is_file()}
    assert {path for path in before | after if before.get(path) != after.get(path)} <= {home.lock}


def test_before_the_first_run(tmp_path: Path) -> None:
    home = WarehousePaths(tmp_path / "data")
    found = [
        *check_database(home),
        *looked(home),
        *check_landings(home),
        *check_disk(home, 1),
        *check_alerts(home),
    ]
    assert [one.verdict for one in found] == ["warn", "ok", "ok", "ok", "ok"]
    assert "run `floorline snapshot`" in found[0].advice
    assert not home.root.exists()


def test_the_database_held_by_another_process(home: WarehousePaths) -> None:
    with process_holding(home, HOLD_DATABASE) as holder:
        (found,) = looked(home)
    assert found.verdict == "fail"
    assert f"(PID {holder.pid})" in found.seen
    assert "end that process" in found.advice


def test_the_published_copy_held_by_another_process(home: WarehousePaths) -> None:
    home.published.chmod(0o644)
    with process_holding(WarehousePaths(home.root), HOLD_DATABASE.replace("/writer/", "/")) as holder:
        (found,) = check_database(home)
    assert (found.verdict, f"(PID {holder.pid})" in found.seen) == ("fail", True)


def test_a_loader_at_work_and_one_that_is_stuck(home: WarehousePaths) -> None:
    with process_holding(home, HOLD_LOCK) as holder:
        (working,) = looked(home)
        begun = SystemClock().now().timestamp() - 600
        os.utime(home.lock.with_name("lock.holder"), (begun, begun))
        (stuck,) = looked(home)
    assert (working.verdict, f"PID {holder.pid} is loading" in working.seen) == ("warn", True)
    assert (stuck.verdict, f"PID {holder.pid} has held" in stuck.seen) == ("fail", True)
    assert "for 10m" in stuck.seen


def test_a_load_that_starts_meanwhile_is_not_turned_away(home: WarehousePaths) -> None:
    """It waits for the doctor's look at the loader's database, and the doctor for the load."""
    through = threading.Event()

    def keep_looking() -> None:
        while not through.is_set():
            looked(home)

    looking = threading.Thread(target=keep_looking)
    looking.start()
    try:
        for number in range(1, 6):
            land(home, f"b{number}", observe(minute(10 * number), Quote("3", cents=number)))
            assert len(load_pending(home, now=lambda: minute(600), keep=DAY, wait=30)) == 1
    finally:
        through.set()
        looking.join()


@pytest.mark.parametrize("which", ["published", "writer"])
def test_a_file_that_is_no_database(home: WarehousePaths, which: str) -> None:
    path = home.published if which == "published" else home.writer
    path.chmod(0o644)
    path.write_bytes(b"not a database" * 1000)
    (found,) = check_database(home) if which == "published" else looked(home)
    assert (found.verdict, str(path) in found.seen) == ("fail", True)


def test_database_of_another_program(home: WarehousePaths) -> None:
    for path in (home.published, home.writer):
        path.unlink()
        duckdb.connect(str(path)).close()
    for (finding,) in (check_database(home), looked(home)):
        assert (finding.verdict, "maintain rebuild" in finding.advice) == ("fail", True)


def test_a_database_with_a_rotten_block(tmp_path: Path) -> None:
    home = create_warehouse(tmp_path)
    land_and_load(
        home, "a", observe(minute(0), *(Quote(str(n), url=f"https://a.com/{n**3}") for n in range(5000)))
    )
    home.published.chmod(0o644)
    whole = bytearray(home.published.read_bytes())
    for place in range(3 * 4096 + 64, len(whole), 262_144):
        whole[place : place + 64] = bytes(64)
    home.published.write_bytes(whole)
    (found,) = check_database(home)
    assert found.verdict == "fail", found


def test_a_landing_that_waits(home: WarehousePaths) -> None:
    land(home, "b", observe(minute(10), Quote("1")))
    (found,) = check_landings(home)
    assert (found.verdict, found.seen) == ("warn", "one waits for the load, since 2026-06-01 12:10:00 UTC")
    assert "floorline maintain load" in found.advice
    land(home, "c", observe(minute(20), Quote("1")), state=None)
    assert "2 wait for the load, since 2026-06-01 12:10:00 UTC" in check_landings(home)[0].seen


def test_a_landing_that_was_set_aside(home: WarehousePaths) -> None:
    folder = land(home, "b", observe(minute(10), Quote("1")))
    (folder / "0001.json").write_text("{")
    (before,) = check_landings(home)
    (folder / "unreadable").write_text("JSONDecodeError: no end")
    (found,) = check_landings(home)
    assert (before.verdict, found.verdict) == ("fail", "fail")
    assert found.seen == "unreadable: b: JSONDecodeError: no end"
    assert "remove the file `unreadable`" in found.advice
    (folder / "loaded").touch()
    assert check_landings(home)[0].verdict == "ok"


def test_a_disk_that_fills_up(small: Path) -> None:
    home = create_warehouse(small)
    assert check_disk(home, 15_000_000)[0].verdict == "ok"
    fill_disk(small, 20_000_000)
    (low,) = check_disk(home, 15_000_000)
    (small / "ballast").unlink()
    fill_disk(small, 10_000_000)
    (full,) = check_disk(home, 15_000_000)
    assert (low.verdict, full.verdict) == ("warn", "fail")
    assert "10 MB free" in full.seen
    assert "a run needs 15 MB" in full.seen
    assert "make room" in full.advice


def test_a_disk_by_the_size_of_the_database(home: WarehousePaths) -> None:
    with home.writer.open("r+b") as file:
        file.truncate(shutil.disk_usage(home.root).free)
    assert check_disk(home, 1)[0].verdict == "fail"


def test_alerts_that_stand_open(home: WarehousePaths) -> None:
    state = AlertStore(home.state)
    state.raise_alert(Alert("provider.dark", "cs2cap", "steam", "steam vanished"), NOON)
    state.raise_alert(Alert("auth.failed", "cs2cap", "", "revoked", guidance="Issue a new key"), NOON)
    state.raise_alert(Alert("quota.exhausted", "cs2cap", "", "used up"), NOON)
    state.resolve("quota.exhausted", "cs2cap", "", now=NOON)
    key, dark = check_alerts(home)
    assert (key.verdict, key.seen) == ("fail", "auth.failed, cs2cap since 2026-06-01 12:00 UTC: revoked")
    assert key.advice.startswith("Issue a new key (where the key is accepted by now, the next run")
    assert (dark.verdict, dark.advice) == ("warn", "`floorline alerts show 1`")


def test_the_age_of_the_published_copy(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = Bench.at(tmp_path, sandbox, basket(every="1h"), basket("often", every="10m"))
    assert check_age(bench.home, bench.settings, NOON) == []
    bench.snapshot()
    os.utime(bench.home.published, (NOON.timestamp(), NOON.timestamp()))
    (fresh,) = check_age(bench.home, bench.settings, NOON + timedelta(minutes=30))
    (old,) = check_age(bench.home, bench.settings, NOON + timedelta(minutes=31))
    assert (fresh.verdict, old.verdict) == ("ok", "warn")
    assert old.seen == "published 31m ago; the shortest interval is 10m"
