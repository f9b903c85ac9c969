"""Warehouses with millions of rows of history over a year, made once by snapshots and nightly sealing."""

from __future__ import annotations

import hashlib
import shutil
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Final

from bench.market import Move, land_market, load_landing, make_catalogs
from bench.suite.environments import cache_folder
from bench.suite.measurement import log
from bench.support import write_config
from pipelines.config import load_settings
from pipelines.maintenance import seal_months
from warehouse.database import open_writer
from warehouse.paths import WarehousePaths

YEAR: Final = timedelta(days=365)
SHARE: Final = 0.0375  # as many quotes move as those of the last round move back: 7.5% change
CODE: Final = Path(__file__).parents[2]
OF_VIEWS: Final = ("views", "comments")
# A run every five minutes of the year that found everything as it was.
RUNS_WITHOUT_CHANGE: Final = """
CREATE TEMP TABLE quiet_run AS
WITH known AS (
    SELECT min(started_at) AS start, max(started_at) AS stop, max(run_key) AS last_key FROM store.run
), moment AS (
    SELECT unnest(generate_series(start, stop - INTERVAL 1 SECOND, INTERVAL 5 MINUTE)) AS at_time, last_key
    FROM known
)
SELECT (last_key + row_number() OVER (ORDER BY at_time))::INTEGER AS run_key, at_time FROM moment;

CREATE TEMP TABLE last_run AS FROM store.run WHERE run_key = (SELECT max(run_key) FROM store.run);

INSERT INTO store.observation
SELECT o.* REPLACE (q.run_key AS run_key, q.at_time AS observed_from, q.at_time AS observed_to)
FROM quiet_run q CROSS JOIN (FROM store.observation SEMI JOIN last_run USING (run_key)) o
ORDER BY q.run_key;

INSERT INTO store.run
SELECT r.* REPLACE (q.run_key AS run_key, 'quiet' || q.run_key AS run_id, q.at_time AS started_at,
    q.at_time AS finished_at, q.at_time AS loaded_at, 0 AS rows_changed, 0 AS rows_closed)
FROM quiet_run q CROSS JOIN last_run r
ORDER BY q.run_key;
"""


def copy_history(millions: int, folder: Path) -> tuple[WarehousePaths, Path]:
    """Copy a warehouse with so many million rows of history into a folder; return it and a configuration.

    The copy gets two snapshots: one of two hours ago, in which everything moves once more, and one of now.
    """
    target = folder / f"history-{millions}"
    shutil.copytree(_prepare_history(millions), target)
    # The views of the cached database name the sealed files of the cache: a load names those of the copy.
    paths, now = WarehousePaths(target), datetime.now(UTC)
    land_market(paths, "before", now - timedelta(hours=2), catalogs=make_catalogs())
    load_landing(paths, now - timedelta(hours=2))
    land_market(paths, "now", now, move=Move(1, SHARE))
    load_landing(paths, now)
    return paths, write_config(target, "http://127.0.0.1:9")


def _prepare_history(millions: int) -> Path:
    """Return a cached warehouse with this code's tables, made where there is none."""
    folder = cache_folder() / f"history-{millions}-{_digest()}"
    if folder.exists():
        return folder
    for outdated in cache_folder().glob(f"history-{millions}-*"):
        shutil.rmtree(outdated)
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    _load_snapshots(partial, millions * 1_000_000)
    return partial.rename(folder)


def _load_snapshots(folder: Path, rows: int) -> None:
    """Load snapshots in which every quote moves, evenly over a year, until the history is long enough."""
    paths = WarehousePaths(folder)
    paths.prepare()
    settings = load_settings(write_config(folder, "http://127.0.0.1:9"))
    end = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    at, changed = end - YEAR, 0
    for number in count(1):
        land_market(paths, f"history{number}", at, move=Move(number, 1.0))
        changed += load_landing(paths, at, timedelta(0)).rows_changed
        seal_months(settings, at)
        log(f"history: {changed:,} of {rows:,} rows, {at:%Y-%m-%d}")
        if changed >= rows:
            break
        at = min(at + YEAR * (changed / number) / rows, end)
    with open_writer(paths.writer) as db:
        db.execute(RUNS_WITHOUT_CHANGE)


def _digest() -> str:
    """Return a digest of what decides about the tables: the load of a copy makes the views anew."""
    sql = (path for path in (CODE / "warehouse" / "sql").rglob("*.sql") if path.parent.name not in OF_VIEWS)
    files = [*sorted(sql), CODE / "bench" / "market.py", Path(__file__)]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]
