"""A lack of memory or descriptors says nothing of a database: it is not called damaged, and not restored."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from common.errors import FloorlineError
from common.machine_errors import ResourceExhausted, UnexpectedFailure
from common.sqlite import open_state_db
from common.warehouse_errors import DatabaseUnreadable, WarehouseFull, WarehouseLocked, WarehouseUnusable
from floorline.failures import exit_code
from tests.support.warehouse import Quote, create_warehouse, land_and_load, minute, observe
from warehouse.database import open_reader, translate_duckdb_errors
from warehouse.landing.reader import CorruptLanding, refuse_corrupt_files

pytestmark = pytest.mark.file_warehouse("damages the database's file")

# No more address space than the process has: DuckDB cannot connect. At its exit Python needs some again.
RESTORE = """
import resource, sys
from pathlib import Path
import duckdb
from tests.support.warehouse import minute
from warehouse.paths import WarehousePaths
from warehouse.restoration import restore_writer
size = int(Path("/proc/self/status").read_text().partition("VmSize:")[2].split()[0]) << 10
before, most = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (size, most))
try:
    result = f"restored: {restore_writer(WarehousePaths(Path(sys.argv[1])), minute(30))}"
except Exception as error:
    result = type(error).__name__
resource.setrlimit(resource.RLIMIT_AS, (before, most))
print(result)
"""
OPEN = 'Cannot open file "x"'
CASES: dict[str, tuple[Callable[[str], duckdb.Error], str, type[FloorlineError], int]] = {
    "new: memory": (
        duckdb.OutOfMemoryException,
        "could not allocate block of size 256.0 KiB (179.9 MiB/180.0 MiB used)",
        ResourceExhausted,
        1,
    ),
    "new: memory of the system": (
        duckdb.IOException,
        f"{OPEN}: Cannot allocate memory",
        ResourceExhausted,
        1,
    ),
    "new: descriptors": (duckdb.IOException, f"{OPEN}: Too many open files", ResourceExhausted, 1),
    "new: threads": (
        duckdb.IOException,
        "thread: Resource temporarily unavailable",
        ResourceExhausted,
        1,
    ),
    "guard: temporary files": (
        duckdb.OutOfMemoryException,
        "failed to offload data block: exceeds max_temp_directory_size",
        WarehouseFull,
        6,
    ),
    "guard: a lock": (duckdb.IOException, "Could not set lock on file: ...", WarehouseLocked, 6),
    "guard: no permission": (duckdb.IOException, f"{OPEN}: Permission denied", WarehouseUnusable, 2),
    "new: wrong SQL": (duckdb.BinderException, "no column `x`", UnexpectedFailure, 1),
    "guard: damage": (duckdb.IOException, "Corrupt database file: ...", DatabaseUnreadable, 6),
}


@pytest.mark.parametrize(("kind", "text", "expected", "code"), CASES.values(), ids=CASES)
def test_errors_of_duckdb(
    kind: Callable[[str], duckdb.Error], text: str, expected: type[FloorlineError], code: int
) -> None:
    with pytest.raises(FloorlineError) as error, translate_duckdb_errors(Path("x")):
        raise kind(text)
    assert (type(error.value), exit_code(error.value)) == (expected, code)


def test_query_that_needs_more_memory_than_there_is(tmp_path: Path) -> None:
    """New: the database was called damaged."""
    duckdb.connect(tmp_path / "x.duckdb").close()
    sql = "SET memory_limit = '5MB'; SET temp_directory = ''; SELECT list(n) FROM range(10_000_000) t(n)"
    with pytest.raises(ResourceExhausted, match="no memory"), open_reader(tmp_path / "x.duckdb") as db:
        db.execute(sql)


def test_database_is_not_restored_for_lack_of_memory(tmp_path: Path) -> None:
    """New: both files were called damaged."""
    paths = create_warehouse(tmp_path)
    land_and_load(paths, "a", observe(minute(0), *(Quote(str(item), item) for item in range(10))))
    paths.checksum.unlink()  # else the database is not even opened
    before = paths.writer.read_bytes()
    command = [sys.executable, "-c", RESTORE, str(tmp_path)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout == "ResourceExhausted\n"
    assert paths.writer.read_bytes() == before


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(errno.EFBIG, id="new: a limit for files"),
        pytest.param(errno.ENOBUFS, id="new: buffers"),
        pytest.param(errno.ENOSPC, id="guard: space"),
        pytest.param(errno.EMFILE, id="guard: descriptors"),
        pytest.param(errno.ENOMEM, id="guard: memory"),
    ],
)
def test_shortage_is_no_fault_of_a_landing(tmp_path: Path, number: int) -> None:
    with pytest.raises(OSError, match="here") as error, refuse_corrupt_files(tmp_path):
        raise OSError(number, "here")
    assert error.value.errno == number


def test_broken_disk_may_be_the_fault_of_a_landing(tmp_path: Path) -> None:
    """Guard."""
    with pytest.raises(CorruptLanding), refuse_corrupt_files(tmp_path):
        raise OSError(errno.EIO, "here")


def test_state_without_descriptors_is_a_shortage(tmp_path: Path) -> None:
    """New: `state.db` was called unusable."""
    open_state_db(tmp_path / "state.db").close()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as opened:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, limits[0]), limits[1]))
        opened.callback(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        with contextlib.suppress(OSError):
            while True:
                opened.enter_context(Path(os.devnull).open("rb"))
        with pytest.raises(ResourceExhausted, match=r"descriptor left for .*state\.db"):
            open_state_db(tmp_path / "state.db")
