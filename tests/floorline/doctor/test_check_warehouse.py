"""The doctor's checks of the warehouse: database, loader, landings, disk and alerts."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
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
    check_folders,
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
from warehouse.state.database import open_state

WAIT = timedelta(seconds=60)


@pytest.fixture
def paths(tmp_path: Path) -> WarehousePaths:
    """Return a warehouse with one run loaded."""
    paths = create_warehouse(tmp_path)
    land_and_load(paths, "a", observe(minute(0), Quote("1"), Quote("2")))
    return paths


def check_loader_now(paths: WarehousePaths) -> list[Finding]:
    return check_loader(paths, SystemClock().now(), WAIT)


def test_every_check_is_ok_and_writes_no_file(paths: WarehousePaths) -> None:
    before = {path: path.stat().st_mtime_ns for path in paths.root.rglob("*") if path.is_file()}
    findings = [
        *check_database(paths),
        *check_loader_now(paths),
        *check_landings(paths),
        *check_disk(paths, 1),
        *check_folders(paths),
        *check_alerts(paths),
    ]
    assert [finding.verdict for finding in findings] == ["ok"] * 6
    assert "2 quotes" in findings[0].seen
    after = {path: path.stat().st_mtime_ns for path in paths.root.rglob("*") if path.is_file()}
    assert {path for path in before | after if before.get(path) != after.get(path)} <= {paths.lock}


def _link_to_nothing(paths: WarehousePaths) -> None:
    shutil.rmtree(paths.root)
    paths.root.symlink_to(paths.root.with_name("nothing"))


def _link_to_itself(paths: WarehousePaths) -> None:
    shutil.rmtree(paths.root)
    paths.root.symlink_to(paths.root)


def _lock_folder(paths: WarehousePaths) -> None:
    paths.lock.unlink()
    paths.lock.mkdir()


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (_link_to_nothing, "a link to nothing: ."),
        (_link_to_itself, "a link to nothing: ."),
        (_lock_folder, "not a file: writer/lock"),
    ],
)
def test_path_that_no_run_can_use(
    paths: WarehousePaths, spoil: Callable[[WarehousePaths], None], problem: str
) -> None:
    spoil(paths)
    (finding,) = check_folders(paths)
    if paths.root.is_symlink():
        paths.root.unlink()  # pytest removes no folder with a link to itself, and hides its summary
    assert finding.verdict == "fail"
    assert problem in finding.seen


def test_checks_before_the_first_run(tmp_path: Path) -> None:
    paths = WarehousePaths(tmp_path / "data")
    findings = [
        *check_database(paths),
        *check_loader_now(paths),
        *check_landings(paths),
        *check_disk(paths, 1),
        *check_folders(paths),
        *check_alerts(paths),
    ]
    assert [finding.verdict for finding in findings] == ["warn", "ok", "ok", "ok", "ok", "ok"]
    assert "run `floorline snapshot`" in findings[0].advice
    assert not paths.root.exists()


def test_loader_database_that_another_process_holds(paths: WarehousePaths) -> None:
    with process_holding(paths, HOLD_DATABASE) as holder:
        (finding,) = check_loader_now(paths)
    assert finding.verdict == "fail"
    assert f"(PID {holder.pid})" in finding.seen
    assert "end that process" in finding.advice


def test_published_copy_that_another_process_holds(paths: WarehousePaths) -> None:
    paths.published.chmod(0o644)
    with process_holding(WarehousePaths(paths.root), HOLD_DATABASE.replace("/writer/", "/")) as holder:
        (finding,) = check_database(paths)
    assert (finding.verdict, f"(PID {holder.pid})" in finding.seen) == ("fail", True)


@pytest.mark.slow
def test_running_load_is_a_warning_and_a_stuck_load_fails(paths: WarehousePaths) -> None:
    with process_holding(paths, HOLD_LOCK) as holder:
        (running,) = check_loader_now(paths)
        ten_minutes_ago = SystemClock().now().timestamp() - 600
        os.utime(paths.lock.with_name("lock.holder"), (ten_minutes_ago, ten_minutes_ago))
        (stuck,) = check_loader_now(paths)
    assert (running.verdict, f"PID {holder.pid} is loading" in running.seen) == ("warn", True)
    assert (stuck.verdict, f"PID {holder.pid} has held" in stuck.seen) == ("fail", True)
    assert "for 10m" in stuck.seen


@pytest.mark.slow
def test_load_that_starts_during_the_check_does_not_fail(paths: WarehousePaths) -> None:
    """The load waits until the check has released the lock, and the check waits for the load."""
    loaded = threading.Event()

    def check_repeatedly() -> None:
        while not loaded.wait(0.06):  # longer than the poll of the load for the lock
            check_loader_now(paths)

    checker = threading.Thread(target=check_repeatedly)
    checker.start()
    try:
        for number in range(1, 6):
            land(paths, f"b{number}", observe(minute(10 * number), Quote("3", cents=number)))
            assert len(load_pending(paths, now=lambda: minute(600), keep=DAY, wait=30)) == 1
    finally:
        loaded.set()
        checker.join()


@pytest.mark.parametrize("which", ["published", "writer"])
def test_file_that_is_no_database(paths: WarehousePaths, which: str) -> None:
    path = paths.published if which == "published" else paths.writer
    path.chmod(0o644)
    path.write_bytes(b"not a database" * 1000)
    (finding,) = check_database(paths) if which == "published" else check_loader_now(paths)
    assert (finding.verdict, str(path) in finding.seen) == ("fail", True)


def test_database_of_another_program(paths: WarehousePaths) -> None:
    for path in (paths.published, paths.writer):
        path.unlink()
        duckdb.connect(str(path)).close()
    for (finding,) in (check_database(paths), check_loader_now(paths)):
        assert (finding.verdict, "maintain load" in finding.advice) == ("fail", True)


def test_database_with_a_damaged_block(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    land_and_load(
        paths, "a", observe(minute(0), *(Quote(str(n), url=f"https://a.com/{n**3}") for n in range(5000)))
    )
    paths.published.chmod(0o644)
    content = bytearray(paths.published.read_bytes())
    for offset in range(3 * 4096 + 64, len(content), 262_144):
        content[offset : offset + 64] = bytes(64)
    paths.published.write_bytes(content)
    (finding,) = check_database(paths)
    assert finding.verdict == "fail", finding


def test_landing_that_is_not_loaded(paths: WarehousePaths) -> None:
    land(paths, "b", observe(minute(10), Quote("1")))
    (finding,) = check_landings(paths)
    assert (finding.verdict, finding.seen) == (
        "warn",
        "1 landing is not loaded yet, since 2026-06-01 12:10:00 UTC",
    )
    assert "floorline maintain load" in finding.advice
    land(paths, "c", observe(minute(20), Quote("1")), state=None)
    assert "2 landings are not loaded yet, since 2026-06-01 12:10:00 UTC" in check_landings(paths)[0].seen


def test_landing_that_cannot_be_read(paths: WarehousePaths) -> None:
    folder = land(paths, "b", observe(minute(10), Quote("1")))
    (folder / "0001.json").write_text("{")
    (before,) = check_landings(paths)
    (folder / "unreadable").write_text("JSONDecodeError: no end")
    (finding,) = check_landings(paths)
    assert (before.verdict, finding.verdict) == ("fail", "fail")
    assert finding.seen == "set aside: b: JSONDecodeError: no end"
    assert "floorline maintain retry" in finding.advice
    (folder / "loaded").touch()
    assert check_landings(paths)[0].verdict == "ok"


def test_disk_that_fills_up(small_disk: Path) -> None:
    paths = WarehousePaths(small_disk)  # without a database, a run needs no more than `least_free`
    assert check_disk(paths, 15_000_000)[0].verdict == "ok"
    fill_disk(small_disk, 20_000_000)
    (low,) = check_disk(paths, 15_000_000)
    (small_disk / "ballast").unlink()
    fill_disk(small_disk, 10_000_000)
    (full,) = check_disk(paths, 15_000_000)
    assert (low.verdict, full.verdict) == ("warn", "fail")
    assert "10 MB free" in full.seen
    assert "a run needs 15 MB" in full.seen
    assert "free some space" in full.advice


def test_required_space_depends_on_the_size_of_the_database(paths: WarehousePaths) -> None:
    with paths.writer.open("r+b") as file:
        file.truncate(shutil.disk_usage(paths.root).free)
    assert check_disk(paths, 1)[0].verdict == "fail"


def test_open_alerts(paths: WarehousePaths) -> None:
    alerts = AlertStore(open_state(paths))
    alerts.raise_alert(Alert("provider.dark", "cs2cap", "steam", message="steam vanished"), NOON)
    alerts.raise_alert(
        Alert("auth.failed", "cs2cap", "", message="revoked", guidance="Issue a new key"), NOON
    )
    alerts.raise_alert(Alert("quota.exhausted", "cs2cap", "", message="used up"), NOON)
    alerts.resolve("quota.exhausted", "cs2cap", "", now=NOON)
    key, dark = check_alerts(paths)
    assert (key.verdict, key.seen) == ("fail", "auth.failed, cs2cap since 2026-06-01 12:00 UTC: revoked")
    assert key.advice.startswith("Issue a new key (if the key is accepted by now, the next run")
    assert (dark.verdict, dark.advice) == ("warn", "see `floorline alerts show 1`")


def test_age_of_the_published_copy(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = Bench.at(tmp_path, sandbox, basket(every="1h"), basket("often", every="10m"))
    assert check_age(bench.paths, bench.settings, NOON) == []
    bench.snapshot()
    os.utime(bench.paths.published, (NOON.timestamp(), NOON.timestamp()))
    (fresh,) = check_age(bench.paths, bench.settings, NOON + timedelta(minutes=30))
    (old,) = check_age(bench.paths, bench.settings, NOON + timedelta(minutes=31))
    assert (fresh.verdict, old.verdict) == ("ok", "warn")
    assert old.seen == "published 31m ago; the shortest interval is 10m"
