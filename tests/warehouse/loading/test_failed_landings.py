"""A landing that cannot be loaded stops no other: it is tried by itself, then set aside with an alert.

Each case is new but where it is called a guard.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from common.warehouse_errors import DatabaseIncomplete, WarehouseError, WarehouseFull, WarehouseLocked
from connectors.cs2cap.contract import ASKS
from pipelines.loading import parse_raw_rows
from tests.support import row_parsers
from tests.support.cases import slow_but
from tests.support.clocks import NOON
from tests.support.stream_rows import stream_line
from tests.support.waiting import wait_until
from tests.support.warehouse import (
    DAY,
    Quote,
    ShardSpec,
    create_warehouse,
    land,
    minute,
    observe,
    query_rows,
    run_header,
)
from warehouse.database import WRITER_SETTINGS
from warehouse.integrity import count_missing_runs, is_whole
from warehouse.landing.inventory import landings_set_aside, pending_landings, release
from warehouse.landing.ndjson import RowParser
from warehouse.landing.set_aside import find_set_aside, release_landings
from warehouse.landing.tries import MAX_FAILED, MAX_UNFINISHED, Tries, read_tries, write_tries
from warehouse.landing.writer import LandingWriter
from warehouse.loading.pipeline import load_pending
from warehouse.loading.run import LoadReport
from warehouse.paths import WarehousePaths
from warehouse.rebuild import rebuild
from warehouse.state.alerts import read_alerts
from warehouse.state.database import open_state

pytestmark = pytest.mark.server  # a landing that failed is loaded in a process of its own

of_one_machine = pytest.mark.file_warehouse("a released landing of a queue is tried as often as a new one")
of_a_lock = pytest.mark.file_warehouse("looks at DuckDB's lock of the file; lake/test_kills.py is for a lake")
of_a_rebuild = pytest.mark.file_warehouse("a rebuild makes the database's file anew")
of_memory = pytest.mark.file_warehouse("has the memory of a file's writer")

LOAD = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tests.support import row_parsers
from warehouse.loading.pipeline import load_pending
from warehouse.paths import WarehousePaths
load_pending(WarehousePaths(Path(sys.argv[1])), now=lambda: datetime.now(UTC), keep=timedelta(days=1),
             row_parser=getattr(row_parsers, sys.argv[2]))
"""


def land_odd_rows(paths: WarehousePaths, run: str = "odd") -> Path:
    """Land a stream that must be parsed row by row: the parser of a load decides what becomes of it."""
    with LandingWriter(paths.landing, run_header(run, NOON)) as landing:
        writer = landing.open_shard(ShardSpec([]).header(1))
        writer.ndjson_writer.append(
            [stream_line()], None, written=ASKS.wire_names, observed_at=NOON, landed_at=NOON
        )
        writer.finish(complete=True, reason=None)
        landing.finish("done")
    return landing.folder


def load(paths: WarehousePaths, row_parser: RowParser = parse_raw_rows) -> dict[str, LoadReport]:
    reports = load_pending(paths, now=lambda: minute(600), keep=365 * DAY, wait=0, row_parser=row_parser)
    return {report.run_id: report for report in reports}


def kill_a_load(paths: WarehousePaths, parser: str) -> int:
    """Load in another process, with a parser of tests/support/row_parsers.py; return its exit code."""
    command = [sys.executable, "-c", LOAD, str(paths.root), parser]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=root) as load:
        begun = paths.landing / "odd" / row_parsers.BEGUN
        wait_until(lambda: load.poll() is not None or begun.exists(), 120)
        load.kill()
        begun.unlink(missing_ok=True)
        # A process that loads a landing by itself outlives its parent by a moment.
        wait_until(lambda: not is_locked(paths.writer))
        return load.wait()


def is_locked(database: Path) -> bool:
    try:
        duckdb.connect(database, read_only=True).close()
    except duckdb.IOException:
        return True
    return False


@pytest.fixture
def paths(tmp_path: Path) -> WarehousePaths:
    """Return a warehouse with a landing that cannot be loaded between two that can."""
    paths = create_warehouse(tmp_path)
    land(paths, "a", observe(minute(-10), Quote("1")))
    land_odd_rows(paths)
    land(paths, "c", observe(minute(10), Quote("2")))
    return paths


def folder_of_loader(paths: WarehousePaths) -> Path:
    """Return the folder where a loader has the odd landing and its tries; a shared one has downloaded it."""
    folder = (paths.landing if paths.shared is None else paths.fetched) / "odd"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def loaded_runs(paths: WarehousePaths) -> list[str]:
    return [run for (run,) in query_rows(paths, "SELECT run_id FROM runs ORDER BY run_id")]


FAILURES: dict[str, tuple[RowParser, str]] = {
    "out of memory": (row_parsers.run_out_of_memory, "MemoryError"),
    "a bug": (row_parsers.fail, "RuntimeError: a bug"),
    "an input error": (row_parsers.fail_to_read, "OSError: [Errno 5] Input/output error"),
}
DEATHS: dict[str, tuple[RowParser, str]] = {
    "SIGSEGV": (row_parsers.segfault, "was killed by SIGSEGV"),
    "SIGKILL": (row_parsers.be_killed, "was killed by SIGKILL, perhaps for lack of memory"),
    "SIGABRT": (row_parsers.abort, "was killed by SIGABRT"),
    "exit": (row_parsers.exit_at_once, "ended with exit code 9"),
}


@pytest.mark.parametrize(("parser", "reason"), slow_but((), {**FAILURES, **DEATHS}))
def test_landing_that_fails_is_set_aside_after_three_tries(
    paths: WarehousePaths, parser: RowParser, reason: str
) -> None:
    if (parser, reason) in DEATHS.values():
        write_tries(folder_of_loader(paths), Tries(unfinished=1))  # as after a load that it killed
    states = [load(paths, parser)["odd"].state for _ in range(MAX_FAILED)]
    assert states == ["waiting", "waiting", "unreadable"]
    assert loaded_runs(paths) == ["a", "c"]
    (alert,) = read_alerts(open_state(paths), open_only=True)
    assert (alert.cause, alert.subject) == ("landing.unreadable", "odd")
    assert reason in alert.message
    assert "(3 tries)" in alert.message
    assert [(aside.run_id, aside.reason) for aside in find_set_aside(paths)] == [("odd", alert.message)]
    assert load(paths, parser) == {}

    release_landings(paths, ["odd"])
    assert load(paths)["odd"].state == "done"
    assert loaded_runs(paths) == ["a", "c", "odd"]
    assert read_alerts(open_state(paths), open_only=True) == []


@of_one_machine
@pytest.mark.slow
def test_released_landing_is_tried_once_more(paths: WarehousePaths) -> None:
    write_tries(paths.landing / "odd", Tries(failed=MAX_FAILED - 1))
    assert load(paths, row_parsers.fail)["odd"].state == "unreadable"
    for run_ids in ([], ["odd"]):
        assert release(paths.landing, run_ids) == ["odd"]
        assert load(paths, row_parsers.fail)["odd"].state == "unreadable"


@of_a_lock
@pytest.mark.slow
def test_landing_that_kills_its_loader_is_tried_by_itself_by_the_next_one(paths: WarehousePaths) -> None:
    assert kill_a_load(paths, "segfault") < 0
    reports = load(paths, row_parsers.segfault)
    assert {run: report.state for run, report in reports.items()} == {"c": "done", "odd": "waiting"}
    assert loaded_runs(paths) == ["a", "c"]
    assert read_tries(paths.landing / "odd") == Tries(failed=1)


@of_a_lock
@pytest.mark.slow
def test_loads_that_somebody_kills_set_nothing_aside(paths: WarehousePaths) -> None:
    assert [kill_a_load(paths, "wait_to_be_killed") for _ in range(2)] == [-9, -9]
    assert read_tries(paths.landing / "odd") == Tries(unfinished=2)
    assert load(paths)["odd"].state == "done"
    assert pending_landings(paths.landing) == []
    assert not (paths.landing / "odd" / "tries.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("parser", "error"),
    [
        (row_parsers.find_disk_full, WarehouseFull),
        (row_parsers.find_lock_held, WarehouseLocked),
        (row_parsers.lack_descriptors, OSError),
    ],
    ids=["guard: disk full", "guard: lock held", "guard: no descriptors"],
)
@pytest.mark.parametrize("by_itself", [False, True], ids=["together", "by itself"])
def test_failure_of_the_machine_is_no_failure_of_the_landing(
    paths: WarehousePaths, parser: RowParser, error: type[Exception], by_itself: bool
) -> None:
    tries = Tries(failed=int(by_itself))
    write_tries(folder_of_loader(paths), tries)
    for _ in range(MAX_FAILED):
        with pytest.raises(error):
            load(paths, parser)
    assert read_tries(folder_of_loader(paths)) == tries
    assert load(paths)["odd"].state == "done"


@pytest.mark.slow
def test_process_that_somebody_interrupts_is_no_failure(paths: WarehousePaths) -> None:
    write_tries(folder_of_loader(paths), Tries(unfinished=1))
    states = {load(paths, row_parsers.be_interrupted)["odd"].state for _ in range(MAX_FAILED)}
    assert states == {"waiting"}
    assert load(paths)["odd"].state == "done"


@pytest.mark.slow
def test_process_that_cannot_be_started_is_no_failure(
    paths: WarehousePaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tries(folder_of_loader(paths), Tries(unfinished=1))
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(tmp_path / "none"))
        assert "could not be started" in (load(paths)["odd"].reason or "")
    assert loaded_runs(paths) == ["a", "c"]
    assert load(paths)["odd"].state == "done"


def test_landing_whose_every_loader_was_killed_is_set_aside(paths: WarehousePaths) -> None:
    write_tries(folder_of_loader(paths), Tries(unfinished=MAX_UNFINISHED))
    assert load(paths)["odd"].state == "unreadable"
    assert loaded_runs(paths) == ["a", "c"]


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b'{"failed": "x"}'])
def test_damaged_count_of_tries_counts_as_one_try(paths: WarehousePaths, content: bytes) -> None:
    (folder_of_loader(paths) / "tries.json").write_bytes(content)
    assert load(paths)["odd"].state == "done"


def test_folder_that_cannot_be_written_is_reported_and_the_others_load(paths: WarehousePaths) -> None:
    (folder_of_loader(paths) / "tries.json").mkdir()
    assert load(paths)["odd"].state == "unreadable"
    assert loaded_runs(paths) == ["a", "c"]


@of_a_lock
@pytest.mark.slow
def test_landing_without_checksums_is_loaded_by_itself(paths: WarehousePaths) -> None:
    """A flipped bit in the Arrow stream of an older version could crash its reader."""
    folder = paths.landing / "odd"
    header = json.loads((folder / "run.json").read_bytes())
    del header["crc32"]
    (folder / "run.json").write_text(json.dumps(header))
    assert kill_a_load(paths, "segfault") == 0
    assert loaded_runs(paths) == ["a", "c"]
    assert read_tries(folder) == Tries(failed=1)
    assert load(paths)["odd"].state == "done"


@of_a_rebuild
@pytest.mark.slow
def test_rebuild_survives_a_landing_that_kills_its_loader(paths: WarehousePaths) -> None:
    write_tries(paths.landing / "odd", Tries(unfinished=1))
    rebuilt = rebuild(paths, lambda: minute(700), wait=0, row_parser=row_parsers.segfault)
    assert rebuilt.runs == 2
    assert loaded_runs(paths) == ["a", "c"]


@of_a_rebuild
@pytest.mark.slow
def test_rebuild_tries_a_landing_as_often_as_loads_do(paths: WarehousePaths) -> None:
    """New: a landing was set aside after its first failure."""
    rebuilt = rebuild(paths, lambda: minute(700), wait=0, row_parser=row_parsers.fail_twice)
    assert (rebuilt.runs, landings_set_aside(paths.landing)) == (3, [])
    assert loaded_runs(paths) == ["a", "c", "odd"]


@of_a_rebuild
@pytest.mark.slow
def test_rebuild_sets_aside_what_fails_as_often_as_loads_try_it(paths: WarehousePaths) -> None:
    """A guard, but for the number of tries."""
    rebuilt = rebuild(paths, lambda: minute(700), wait=0, row_parser=row_parsers.fail)
    (error,) = landings_set_aside(paths.landing)
    assert f"({MAX_FAILED} tries)" in error.reason
    assert (rebuilt.runs, loaded_runs(paths)) == (2, ["a", "c"])


@of_a_rebuild
@pytest.mark.slow
def test_rebuild_whose_process_cannot_be_started_sets_nothing_aside(
    paths: WarehousePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New: a machine without processes put the landing at fault."""
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(paths.root / "none"))
        rebuild(paths, lambda: minute(700), wait=0, row_parser=row_parsers.fail)
    assert (landings_set_aside(paths.landing), loaded_runs(paths)) == ([], ["a", "c"])
    assert load(paths)["odd"].state == "done"


@of_a_rebuild
@pytest.mark.slow
def test_rebuild_that_would_lose_runs_changes_nothing(paths: WarehousePaths) -> None:
    """New: it replaced the loader's database first, and then refused to publish.

    The loader's database is an older one; the published one is damaged in another table than that of runs.
    """
    load(paths)
    older = paths.writer.read_bytes()
    land(paths, "d", observe(minute(30), Quote("3")))
    load(paths)
    shutil.rmtree(paths.landing / "d")
    paths.writer.write_bytes(older)
    damage_another_table(paths)
    files = sorted(paths.writer.parent.iterdir())
    with pytest.raises(DatabaseIncomplete, match="lacks runs"):
        rebuild(paths, lambda: minute(700), wait=0, row_parser=parse_raw_rows)
    assert paths.writer.read_bytes() == older
    assert sorted(paths.writer.parent.iterdir()) == files
    assert landings_set_aside(paths.landing) == []


def damage_another_table(paths: WarehousePaths) -> None:
    """Flip a byte of the published database so that its runs can still be read, and the whole cannot."""
    whole = paths.published.read_bytes()
    paths.published.chmod(0o600)
    for position in range(len(whole) - 200_000, 0, -4096):
        paths.published.write_bytes(whole[:position] + bytes([whole[position] ^ 255]) + whole[position + 1 :])
        with contextlib.suppress(WarehouseError):
            if count_missing_runs(paths.writer, paths.published) and not is_whole(
                paths.published, paths.checksum
            ):
                return
    pytest.fail("no byte is of another table")


@of_memory
@pytest.mark.slow
def test_landing_that_needs_more_memory_loads_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = create_warehouse(tmp_path)
    land(paths, "a", observe(minute(0), Quote("1")))
    land(paths, "large", observe(minute(10), *(Quote(str(number)) for number in range(2, 60_002))))
    land(paths, "c", observe(minute(20), Quote("2")))
    monkeypatch.setitem(WRITER_SETTINGS, "memory_limit", "27MB")
    reports = load(paths)
    assert [*reports] == ["a", "c", "large"]
    assert {report.state for report in reports.values()} == {"done"}
    assert query_rows(paths, "SELECT count(price) FROM quote_history WHERE run_id = 'large'") == [(60_000,)]
    assert not list(paths.writer.parent.glob("*.tmp"))
