"""What several processes touch between loads, in SQLite (DuckDB shuts every other process out): alerts.

What was told of an alert, and what a rejected key is, stand beside it and go with it.
"""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from pathlib import Path

from common.sqlite import open_state_db, state_transaction

# A process that was to tell of an alert and says no more of it within this time is taken for dead.
CLAIM = timedelta(minutes=1)
SELECT_UNDELIVERED = """
SELECT alert_id FROM alert LEFT JOIN (SELECT * FROM telling WHERE channel = ?) USING (alert_id)
WHERE CASE WHEN closed_at IS NULL THEN opening_told IS NULL
           ELSE opening_told IS NOT NULL AND closing_told IS NULL END
    AND (claimed_at IS NULL OR claimed_at <= ?)
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Alert:
    """What someone must know. One is open for each (cause, source, subject); repeats raise its count.

    `cause` is one of `auth.failed`, `quota.exhausted`, `plan.forbids`, `snapshot.incomplete`,
    `contract.changed`, `provider.dark`, `landing.unreadable`, `silence`, `key.next`; `subject` is a basket, a
    provider, a run or a key's fingerprint, or empty for the whole source. Times are UTC.
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


@dataclasses.dataclass(frozen=True, slots=True)
class KeyRejection:
    """How a source turned a key down: whose fingerprint, what it said, and when it was last asked (UTC).

    `kind` is the name of the error's class. It holds while the source's alert `auth.failed` stands open.
    """

    source: str
    key_print: str
    kind: str
    code: str
    status: int | None
    detail: str
    asked_at: datetime


COLUMNS = tuple(field.name for field in dataclasses.fields(Alert))
REJECTED = tuple(field.name for field in dataclasses.fields(KeyRejection))
MOMENTS = ("opened_at", "last_at", "closed_at")


class AlertStore:
    """The file `state.db`. Safe for several processes; every call is its own transaction.

    Raises WarehouseFull, WarehouseLocked (after half a minute) and WarehouseUnfit.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        open_state_db(path).close()

    def raise_alert(self, alert: Alert, now: datetime) -> bool:
        """Open an alert, or count a repeat of the one that stands open; True where it is new.

        What one run says twice is no repeat.
        """
        told = (alert.message, alert.code, alert.guidance, alert.run_id, now.isoformat())
        key = (alert.cause, alert.source, alert.subject)
        with state_transaction(self._path) as db:
            repeated = db.execute(
                "UPDATE alert SET repeats = repeats + (run_id IS NULL OR run_id IS NOT ?4),"
                " message = ?1, code = ?2, guidance = ?3, run_id = coalesce(?4, run_id), last_at = ?5"
                " WHERE cause = ?6 AND source = ?7 AND subject = ?8 AND closed_at IS NULL",
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
        with state_transaction(self._path) as db:
            closed = db.execute(
                "UPDATE alert SET closed_at = ?"
                " WHERE cause = ? AND source = ? AND subject = ? AND closed_at IS NULL",
                (now.isoformat(), cause, source, subject),
            )
            return closed.rowcount > 0

    def clear(self, alert_id: int, now: datetime) -> bool:
        """Close an alert by its number, and tell nobody; True where it stood open."""
        with state_transaction(self._path) as db:
            closed = db.execute(
                "UPDATE alert SET closed_at = ? WHERE alert_id = ? AND closed_at IS NULL",
                (now.isoformat(), alert_id),
            )
            db.execute("UPDATE telling SET closing_told = ? WHERE alert_id = ?", (now.isoformat(), alert_id))
            return closed.rowcount > 0

    def claim_undelivered(self, channel: str, now: datetime) -> list[Alert]:
        """Alerts whose opening, or whose end, a channel has not told yet; nobody else gets them for a while.

        Say `told` of each that got through. One that closed before it was told of is not among them.
        """
        with state_transaction(self._path) as db:
            found = {
                number for (number,) in db.execute(SELECT_UNDELIVERED, (channel, (now - CLAIM).isoformat()))
            }
            for number in found:
                db.execute(
                    "INSERT INTO telling (alert_id, channel, claimed_at) VALUES (?, ?, ?)"
                    " ON CONFLICT DO UPDATE SET claimed_at = excluded.claimed_at",
                    (number, channel, now.isoformat()),
                )
        return [alert for alert in reversed(self.list_alerts()) if alert.alert_id in found]

    def mark_delivered(self, alert: Alert, channel: str, now: datetime) -> None:
        """Note that a channel told of an alert, as it stood when it was claimed."""
        told = "opening_told" if alert.closed_at is None else "closing_told"
        with state_transaction(self._path) as db:
            db.execute(
                f"UPDATE telling SET {told} = ?, claimed_at = NULL WHERE alert_id = ? AND channel = ?",  # noqa: S608
                (now.isoformat(), alert.alert_id, channel),
            )

    def record_rejection(self, rejection: KeyRejection) -> None:
        """Note how a source turned a key down; what it said of an earlier one is forgotten."""
        values = dataclasses.astuple(rejection)
        marks = ", ".join("?" for _ in values)
        with state_transaction(self._path) as db:
            db.execute(
                f"INSERT OR REPLACE INTO rejection VALUES ({marks})",  # noqa: S608
                (*values[:-1], rejection.asked_at.isoformat()),
            )

    def get_rejection(self, source: str) -> KeyRejection | None:
        """How the source turned its key down, while the alert of it stands open."""
        with state_transaction(self._path) as db:
            rows = db.execute(
                "SELECT rejection.* FROM rejection JOIN alert USING (source)"
                " WHERE source = ? AND cause = 'auth.failed' AND closed_at IS NULL",
                (source,),
            ).fetchall()
        for row in rows:
            fields = dict(zip(REJECTED, row, strict=True))
            return KeyRejection(**{**fields, "asked_at": datetime.fromisoformat(fields["asked_at"])})
        return None

    def delete_rejection(self, source: str) -> None:
        """Forget how the source turned a key down."""
        with state_transaction(self._path) as db:
            db.execute("DELETE FROM rejection WHERE source = ?", (source,))

    def claim_probe(self, rejection: KeyRejection, now: datetime) -> bool:
        """Take it on oneself to ask the source again; False where another process was faster."""
        with state_transaction(self._path) as db:
            claimed = db.execute(
                "UPDATE rejection SET asked_at = ? WHERE source = ? AND asked_at = ?",
                (now.isoformat(), rejection.source, rejection.asked_at.isoformat()),
            )
            return claimed.rowcount > 0

    def list_alerts(self, *, open_only: bool = False) -> list[Alert]:
        """Alerts, the newest first."""
        where = "WHERE closed_at IS NULL" if open_only else ""
        with state_transaction(self._path) as db:
            rows = db.execute(f"SELECT {', '.join(COLUMNS)} FROM alert {where} ORDER BY alert_id DESC")  # noqa: S608
            return [_alert(dict(zip(COLUMNS, row, strict=True))) for row in rows]


def _alert(fields: dict[str, object]) -> Alert:
    moments = {
        name: datetime.fromisoformat(str(fields[name])) if fields[name] is not None else None
        for name in MOMENTS
    }
    return Alert(**{**fields, **moments})  # type: ignore[arg-type]
