"""Every byte of a landing is verified: no damage is loaded as other data, and no damage stops the others.

Each case is new but for `run.json` and other JSON that is no JSON any more.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.loading import parse_raw_rows
from tests.support.landing_damage import (
    DAMAGE,
    FINISHED,
    INTERRUPTED,
    ROWS,
    LandRun,
    flip_bit,
    flip_bits,
    landed_files,
    read_everything,
)
from tests.support.warehouse import DAY, Quote, create_warehouse, land, minute, observe, query_rows
from warehouse.landing.integrity import write_json
from warehouse.landing.inventory import landings_set_aside, list_landings, pending_landings, prune, set_aside
from warehouse.landing.reader import CorruptLanding
from warehouse.landing.tries import Tries, read_tries, write_tries
from warehouse.loading.pipeline import load_pending
from warehouse.loading.run import LoadReport
from warehouse.paths import WarehousePaths
from warehouse.state.alerts import read_alerts
from warehouse.state.database import open_state

KINDS = {**FINISHED, **INTERRUPTED}
# Kinds of damage that look as if the writer of a file had been killed: the complete pages count.
TORN = {"missing", "empty", "cut", "a byte short", "a byte longer", "zeros"}
HISTORY = "SELECT lowest_ask, count(*) FROM quote_history WHERE run_id = ? GROUP BY ALL"


@pytest.fixture
def paths(tmp_path: Path) -> WarehousePaths:
    return create_warehouse(tmp_path)


def load(paths: WarehousePaths) -> list[LoadReport]:
    """Load what is pending, without a process for each landing that fails: damage is final."""
    return load_pending(paths, now=lambda: minute(10_000), keep=365 * DAY, wait=0, row_parser=parse_raw_rows)


def check_flips(paths: WarehousePaths, land_run: LandRun, count: int) -> None:
    """Flip bits of every file of a landing: it is corrupt, or holds what was landed."""
    folder = land_run(paths, "b", 100)
    landed = read_everything(folder)
    for path in landed_files(folder):
        found = [read_or_refuse(folder) for _ in flip_bits(path, count)]
        assert [other for other in found if other not in (None, landed)] == [], path.name
        assert found.count(None) > count // 2, path.name


def read_or_refuse(folder: Path) -> Any:
    """Return all that a landing holds; None where it is corrupt."""
    try:
        return read_everything(folder)
    except CorruptLanding:
        return None


@pytest.mark.parametrize("land_run", KINDS.values(), ids=KINDS)
def test_flipped_bit_is_found(paths: WarehousePaths, land_run: LandRun) -> None:
    check_flips(paths, land_run, 20)


@pytest.mark.slow
@pytest.mark.parametrize("land_run", KINDS.values(), ids=KINDS)
def test_two_hundred_flipped_bits_are_found(paths: WarehousePaths, land_run: LandRun) -> None:
    check_flips(paths, land_run, 200)


@pytest.mark.parametrize("land_run", FINISHED.values(), ids=FINISHED)
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damaged_file_is_found(
    paths: WarehousePaths, land_run: LandRun, damage: Callable[[Path], object]
) -> None:
    folder = land_run(paths, "b", 100)
    copy = folder.with_name("copy")
    for name in [path.name for path in landed_files(folder)]:
        shutil.copytree(folder, copy)
        damage(copy / name)
        with pytest.raises(CorruptLanding):
            read_everything(copy)
        shutil.rmtree(copy)


@pytest.mark.parametrize("land_run", INTERRUPTED.values(), ids=INTERRUPTED)
@pytest.mark.parametrize("damage", DAMAGE, ids=DAMAGE)
def test_damaged_file_of_a_killed_run_is_found_or_loses_its_last_pages(
    paths: WarehousePaths, land_run: LandRun, damage: str
) -> None:
    folder = land_run(paths, "b", 100)
    (data,) = (path for path in landed_files(folder) if path.suffix == ".zst")
    DAMAGE[damage](data)
    found = read_or_refuse(folder)
    if damage in TORN - {"missing"}:
        *_, pages, chunks, _, _ = found
        assert len([page for shard in (*pages, *chunks) for page in shard]) <= 3
    elif damage not in ("missing", "doubled"):  # all pages twice: the later copy of each counts
        assert found is None


@pytest.mark.slow
def test_damaged_landings_are_set_aside_one_by_one(paths: WarehousePaths) -> None:
    land(paths, "first", observe(minute(0), Quote("1")))
    damaged = []
    for kind, land_run in FINISHED.items():
        for damage in DAMAGE:
            folder = land_run(paths, f"{kind} {damage}".replace(" ", "-"), 100)
            DAMAGE[damage](random.Random(folder.name).choice(landed_files(folder)))
            damaged.append(folder.name)
    land(paths, "last", observe(minute(200), Quote("1", 130), Quote("2")))
    states = {report.run_id: report.state for report in load(paths)}

    assert states == {"first": "done", "last": "done"} | dict.fromkeys(damaged, "unreadable")
    assert query_rows(paths, "SELECT run_id FROM runs ORDER BY ALL") == [("first",), ("last",)]
    alerts = {alert.subject: alert.message for alert in read_alerts(open_state(paths), open_only=True)}
    assert {error.folder.name: error.reason for error in landings_set_aside(paths.landing)} == alerts
    assert alerts.keys() == set(damaged)
    assert all(message.isprintable() for message in alerts.values())
    assert load(paths) == []


def check_loaded_flips(paths: WarehousePaths, land_run: LandRun, count: int) -> None:
    """Load as many landings, each with a flipped bit in its data: each has its own price, or is set aside."""
    rng = random.Random(count)
    for number in range(count):
        folder = land_run(paths, f"r{number:03}", 100 + number)
        flip_bit(next(path for path in landed_files(folder) if path.suffix == ".zst"), rng)
    reports = load(paths)
    assert len(reports) == count
    assert [report.state for report in reports].count("unreadable") > count // 2
    for report in reports:
        rows = [(100 + int(report.run_id[1:]), ROWS)] if report.state == "done" else []
        assert query_rows(paths, HISTORY, report.run_id) == rows


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["typed", "raw pages", "stream"])
def test_flipped_bit_is_never_loaded(paths: WarehousePaths, kind: str) -> None:
    check_loaded_flips(paths, FINISHED[kind], 10)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["typed", "raw pages", "stream"])
def test_forty_flipped_bits_are_never_loaded(paths: WarehousePaths, kind: str) -> None:
    check_loaded_flips(paths, FINISHED[kind], 40)


@pytest.mark.parametrize("kind", ["typed", "raw pages", "stream", "points"])
def test_files_of_another_shard_are_refused(paths: WarehousePaths, kind: str) -> None:
    folder = FINISHED[kind](paths, "b", 100)
    for path in landed_files(folder):
        if "0001" in path.name:
            path.rename(path.with_name(path.name.replace("0001", "0002")))
    write_json(folder / "done.json", {"state": "done"})
    with pytest.raises(CorruptLanding, match=r"0002.* holds shard 1"):
        read_everything(folder)


def test_header_of_another_run_is_refused(paths: WarehousePaths) -> None:
    """The other run is loaded already: this one would count as loaded without its rows."""
    other = land(paths, "a", observe(minute(0), Quote("1")))
    folder = land(paths, "b", observe(minute(10), Quote("2")))
    shutil.copyfile(other / "run.json", folder / "run.json")
    assert {report.run_id: report.state for report in load(paths)} == {"a": "done", "b": "unreadable"}
    assert not (folder / "loaded").exists()


def test_landing_without_its_header_is_neither_forgotten_nor_pruned(paths: WarehousePaths) -> None:
    folder = land(paths, "b", observe(minute(10), Quote("2")))
    (folder / "run.json").unlink()
    (report,) = load(paths)
    assert (report.state, report.reason) == ("unreadable", "run.json is missing")
    assert prune(paths.landing, 0 * DAY) == 0
    assert list_landings(paths.landing) == [folder]


def flips_of_each_bit(path: Path) -> Iterator[None]:
    """Flip one bit of a small file after the other; the file is as it was afterwards."""
    content = path.read_bytes()
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        yield
    path.write_bytes(content)


def test_flipped_bit_in_the_count_of_tries_counts_as_one_try(paths: WarehousePaths) -> None:
    folder = land(paths, "b", observe(minute(10), Quote("2")))
    tries = Tries(failed=1, unfinished=4)
    write_tries(folder, tries)
    found = [read_tries(folder) for _ in flips_of_each_bit(folder / "tries.json")]
    assert len(found) > 200
    assert set(found) == {tries, Tries(unfinished=1)}
    assert found.count(tries) < len(found) // 2


def test_flipped_bit_in_the_mark_of_a_landing_that_is_set_aside_changes_its_reason_only(
    paths: WarehousePaths,
) -> None:
    """A guard."""
    folder = land(paths, "b", observe(minute(10), Quote("2")))
    set_aside(CorruptLanding(folder, "0000.arrow.zst does not match its checksums"))
    for _ in flips_of_each_bit(folder / "unreadable"):
        (error,) = landings_set_aside(paths.landing)
        assert str(error).isprintable()
        assert pending_landings(paths.landing) == []


@pytest.mark.parametrize("damage", ["a folder", "a pipe", "a circle of links"])
@pytest.mark.parametrize("name", ["lock", "loaded", "unreadable"])
def test_damaged_mark_stops_nothing(paths: WarehousePaths, name: str, damage: str) -> None:
    folder = land(paths, "b", observe(minute(10), Quote("2")))
    land(paths, "c", observe(minute(20), Quote("3")))
    (folder / name).touch()
    DAMAGE[damage](folder / name)
    assert [report.run_id for report in load(paths) if report.state == "done"][-1] == "c"
    assert pending_landings(paths.landing) == []
    assert len(landings_set_aside(paths.landing)) == (name == "unreadable")
    prune(paths.landing, 0 * DAY)
