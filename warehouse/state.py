"""What several processes touch between loads, in SQLite (DuckDB shuts every other process out): alerts."""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from shutil import disk_usage

from warehouse.errors import WarehouseFull, WarehouseLocked, WarehouseUnfit

SCHEMA = """
CREATE TABLE IF NOT EXISTS alert (
    alert_id INTEGER PRIMARY KEY,
    cause TEXT NOT NULL, source TEXT NOT NULL, subject TEXT NOT NULL,
    code TEXT, message TEXT NOT NULL, guidance TEXT, run_id TEXT,
    opened_at TEXT NOT NULL, last_at TEXT NOT NULL, repeats INTEGER NOT NULL, closed_at TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS one_open_alert ON alert (cause, source, subject) WHERE closed_at IS NULL;
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Alert:
    """What someone must know. One is open for each (cause, source, subject); repeats raise its count.

    `cause` is one of `auth.failed`, `quota.exhausted`, `plan.forbids`, `snapshot.incomplete`,
    `contract.changed`, `provider.dark`, `landing.unreadable`; `subject` is a basket, a provider or a run, or
    empty for the whole source.
    Times are UTC.
    """

    cause: str
    source: str
    subject: str
    message: str
    code: str | None = None
    guidance: str | None = None
    run_id: str | None = None
    alert_id: int | None = None
    opened_at: datetime | None = None
    last_at: datetime | None = None
    repeats: int = 0
    closed_at: datetime | None = None


COLUMNS = tuple(field.name for field in dataclasses.fields(Alert))
MOMENTS = ("opened_at", "last_at", "closed_at")


class State:
    """The file `state.db`. Safe for several processes; every call is its own transaction.

    Raises WarehouseFull, WarehouseLocked (after half a minute) and WarehouseUnfit.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._open() as db:
            with contextlib.suppress(sqlite3.OperationalError):  # another process is just doing it
                db.execute("PRAGMA journal_mode = WAL")
            db.executescript(SCHEMA)

    def raise_alert(self, alert: Alert, now: datetime) -> bool:
        """Open an alert, or count a repeat of the one that stands open; True where it is new."""
        told = (alert.message, alert.code, alert.guidance, alert.run_id, now.isoformat())
        key = (alert.cause, alert.source, alert.subject)
        with self._open() as db:
            repeated = db.execute(
                "UPDATE alert SET message = ?, code = ?, guidance = ?, run_id = ?, last_at = ?,"
                " repeats = repeats + 1 WHERE cause = ? AND source = ? AND subject = ? AND closed_at IS NULL",
                (*told, *key),
            ).rowcount
            if not repeated:
                db.execute(
                    "INSERT INTO alert (message, code, guidance, run_id, last_at, cause, source, subject,"
                    " opened_at, repeats) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
                    (*told, *key, now.isoformat()),
                )
        return not repeated

    def resolve(self, cause: str, source: str, subject: str, now: datetime) -> bool:
        """Close the open alert of this cause; True where there was one."""
        with self._open() as db:
            closed = db.execute(
                "UPDATE alert SET closed_at = ?"
                " WHERE cause = ? AND source = ? AND subject = ? AND closed_at IS NULL",
                (now.isoformat(), cause, source, subject),
            )
            return closed.rowcount > 0

    def clear(self, alert_id: int, now: datetime) -> bool:
        """Close an alert by its number; True where it stood open."""
        with self._open() as db:
            closed = db.execute(
                "UPDATE alert SET closed_at = ? WHERE alert_id = ? AND closed_at IS NULL",
                (now.isoformat(), alert_id),
            )
            return closed.rowcount > 0

    def alerts(self, *, open_only: bool = False) -> list[Alert]:
        """Alerts, the newest first."""
        where = "WHERE closed_at IS NULL" if open_only else ""
        with self._open() as db:
            rows = db.execute(f"SELECT {', '.join(COLUMNS)} FROM alert {where} ORDER BY alert_id DESC")  # noqa: S608
            return [_alert(dict(zip(COLUMNS, row, strict=True))) for row in rows]

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            opened = sqlite3.connect(self._path, timeout=30, isolation_level="IMMEDIATE")
            with contextlib.closing(opened) as db, db:
                yield db
        except sqlite3.OperationalError as error:
            raise _explain(error, self._path) from None


def _explain(error: sqlite3.OperationalError, path: Path) -> Exception:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte; the rest says more than matters here
    # SQLite calls a log that cannot grow an I/O error
    cramped = code == sqlite3.SQLITE_IOERR and disk_usage(path.parent).free < 1 << 16
    if code == sqlite3.SQLITE_FULL or cramped:
        return WarehouseFull(f"no space left on the disk of {path}", path)
    if code == sqlite3.SQLITE_BUSY:
        return WarehouseLocked(f"{path} is locked by another process", path)
    if code in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}:
        return WarehouseUnfit(f"cannot write to {path}: {error}", path)
    return error


def _alert(fields: dict[str, object]) -> Alert:
    moments = {
        name: datetime.fromisoformat(str(fields[name])) if fields[name] is not None else None
        for name in MOMENTS
    }
    return Alert(**{**fields, **moments})  # type: ignore[arg-type]
