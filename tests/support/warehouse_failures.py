"""Failures around a warehouse: a full disk, and another process that has the database or the lock."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from warehouse.paths import WarehousePaths

HOLD_DATABASE = """
import duckdb, sys
db = duckdb.connect(sys.argv[1] + "/writer/market.duckdb")
print("ready", flush=True)
sys.stdin.read()
"""
HOLD_LOCK = """
import sys
from pathlib import Path
from warehouse.database import writer_lock
from warehouse.paths import WarehousePaths
with writer_lock(WarehousePaths(Path(sys.argv[1])), 0):
    print("ready", flush=True)
    sys.stdin.read()
"""


@contextmanager
def process_holding(paths: WarehousePaths, script: str) -> Iterator[subprocess.Popen[str]]:
    """Run a script in another process until its input ends: HOLD_DATABASE or HOLD_LOCK."""
    with subprocess.Popen(
        [sys.executable, "-c", script, str(paths.root)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process


def fill_disk(disk: Path, leave: int) -> Path:
    """Fill a disk up to some bytes; return the file that can be removed to free the space again."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(65536)) == 65536:
                pass
        except OSError:
            pass
        file.truncate(max(0, file.tell() - leave))
    return ballast
