"""Make a `state.db` anew that is damaged or missing: from its whole rows, and from the published alerts."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from common.files import require_file, translate_os_errors
from common.sqlite import find_damage, open_state_db, translate_sqlite_errors
from common.state_database import LOCK_TIMEOUT
from common.state_schema import CopiedTable, copied_tables
from common.warehouse_errors import WarehouseError, WarehouseLocked
from warehouse.integrity import has_content
from warehouse.paths import WarehousePaths
from warehouse.queries.runner import run_query
from warehouse.state.alerts import (
    ALERT_COLUMNS,
    CHECK_DISK,
    PUBLISHED_ALERTS,
    RESTORED,
    Alert,
    AlertStore,
)
from warehouse.state.database import open_state

LOGS: Final = ("-wal", "-shm")
BACKFILL_TABLES: Final = frozenset({"backfill", "backfill_shard"})


def mend_state(paths: WarehousePaths, now: datetime) -> None:
    """Make `state.db` anew where it is damaged or lost, with an alert; the damaged file is kept beside it.

    A backfill of which a row is damaged is forgotten: asked for again, it begins anew. Counts of requests are
    those that the sources report next. A state in PostgreSQL is its server's to mend. Raises WarehouseError.
    """
    if paths.shared is not None or _find_problem(paths) is None:
        return
    lock = FileLock(paths.root / "state.lock")
    with translate_os_errors(paths.state), contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lock.acquire(timeout=LOCK_TIMEOUT))
        except Timeout:
            raise WarehouseLocked(f"{paths.state} is made anew by another process", paths.state) from None
        problem = _find_problem(paths)
        if problem is not None:  # no other process was faster
            message = _make_anew(paths, now, problem)
            alert = Alert(RESTORED, "", "state.db", message, guidance=CHECK_DISK)
            AlertStore(open_state(paths)).raise_alert(alert, now)


def _find_problem(paths: WarehousePaths) -> str | None:
    require_file(paths.state)
    if has_content(paths.state):
        return find_damage(paths.state)
    return "it was missing" if has_content(paths.published) else None


def _make_anew(paths: WarehousePaths, now: datetime, problem: str) -> str:
    """Replace the file; return what was done in one line."""
    anew = paths.state.with_name("state.anew.db")
    aside = paths.state.with_name(f"state.before-{now:%Y%m%dT%H%M%SZ}.db")
    for suffix in ("", *LOGS):
        _beside(anew, suffix).unlink(missing_ok=True)
    with contextlib.closing(open_state_db(anew)) as db, translate_sqlite_errors(anew):
        lost = _copy_whole_rows(paths.state, db) if has_content(paths.state) else 0
        _insert_published_alerts(paths, db)
        db.execute("PRAGMA journal_mode = DELETE")  # the file is renamed without its log
    existed = paths.state.exists()
    if existed:  # a copy: whoever is killed now leaves a damaged file, and not none
        shutil.copyfile(paths.state, aside)
    for suffix in LOGS:  # no file opens with the log of another
        if _beside(paths.state, suffix).exists():
            _beside(paths.state, suffix).rename(_beside(aside, suffix))
    anew.replace(paths.state)
    kept = f"; {lost:,} rows are lost; the old file is {aside}" if existed else ""
    return f"{paths.state} was made anew: {problem}{kept}"


def _copy_whole_rows(damaged: Path, db: sqlite3.Connection) -> int:
    """Copy the rows that equal their copies; return how many others there were."""
    lost: dict[str, set[str]] = {}
    with contextlib.closing(sqlite3.connect(f"{damaged.absolute().as_uri()}?mode=rw", uri=True)) as old:
        for table in copied_tables():
            rows = list(_read_until_error(old, table.whole_rows()))
            marks = ", ".join("?" for _ in table.columns)
            db.executemany(f"INSERT INTO {table.name} VALUES ({marks})", [row[1:] for row in rows])  # noqa: S608
            lost[table.name] = _known_keys(old, table) - {key for key, *_ in rows}
    for key in lost["backfill"] | lost["backfill_shard"]:
        for name in BACKFILL_TABLES:
            db.execute(f"DELETE FROM {name} WHERE quote(backfill_id) = ?", (key.rpartition(",")[0] or key,))  # noqa: S608
    return sum(map(len, lost.values()))


def _known_keys(old: sqlite3.Connection, table: CopiedTable) -> set[str]:
    """Return the keys of all rows, and of all copies, that can be read."""
    copies = f"SELECT key FROM row_copy WHERE table_name = '{table.name}'"  # noqa: S608 - a name of ours
    rows = f"SELECT {table.key('r')} FROM {table.name} r"  # noqa: S608
    return {str(key) for query in (copies, rows) for (key,) in _read_until_error(old, query)}


def _read_until_error(db: sqlite3.Connection, query: str) -> Iterator[tuple[str, ...]]:
    # Python cannot decode the message about a damaged name.
    with contextlib.suppress(sqlite3.DatabaseError, UnicodeDecodeError):
        yield from db.execute(query)


def _insert_published_alerts(paths: WarehousePaths, db: sqlite3.Connection) -> None:
    """Insert the alerts of the published copy that were lost."""
    if not has_content(paths.published):
        return
    with contextlib.suppress(WarehouseError):
        alerts = run_query(paths, PUBLISHED_ALERTS).rows
        marks = ", ".join("?" for _ in ALERT_COLUMNS)
        insert = f"INSERT OR IGNORE INTO alert ({', '.join(ALERT_COLUMNS)}) VALUES ({marks})"  # noqa: S608
        db.executemany(insert, [[_stored(value) for value in alert] for alert in alerts])


def _stored(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
