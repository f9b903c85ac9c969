"""Alerts in the state database, with their deliveries and the rejection of each rejected key.

They are not in the warehouse because several processes write them between loads, and DuckDB admits only one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from common.clock import MAX_CLOCK_SKEW
from common.state_database import StateDatabase, StateRow

# A process that has claimed a delivery and not reported it within this time counts as dead.
CLAIM_TIMEOUT: Final = timedelta(minutes=1)
# An alert that closed before a channel delivered its opening is never delivered there.
CLAIM_UNDELIVERED: Final = """
INSERT INTO telling (alert_id, channel, claimed_at)
SELECT alert_id, :channel, :now
FROM alert LEFT JOIN (SELECT * FROM telling WHERE channel = :channel) AS told USING (alert_id)
WHERE CASE WHEN closed_at IS NULL THEN opening_told IS NULL
           ELSE opening_told IS NOT NULL AND closing_told IS NULL END
    AND (claimed_at IS NULL OR claimed_at <= :expired OR claimed_at > :latest)
ON CONFLICT (alert_id, channel) DO UPDATE SET claimed_at = excluded.claimed_at
RETURNING alert_id
"""
REPEAT_ALERT: Final = """
UPDATE alert SET repeats = repeats + CASE WHEN run_id = :run_id THEN 0 ELSE 1 END,
    message = :message, code = :code, guidance = :guidance, run_id = coalesce(:run_id, run_id), last_at = :now
WHERE cause = :cause AND source = :source AND subject = :subject AND closed_at IS NULL
"""
LAST_DELIVERY: Final = """
SELECT max(at) FROM (
    SELECT opening_told AS at FROM telling WHERE channel = :channel
    UNION ALL SELECT closing_told FROM telling WHERE channel = :channel
    UNION ALL SELECT delivered_at FROM channel_trial WHERE channel = :channel
) AS delivery
"""
PRUNE_ALERTS: Final = "DELETE FROM alert WHERE closed_at < ? AND alert_id < (SELECT max(alert_id) FROM alert)"
OPEN_ALERT: Final = """
INSERT INTO alert (cause, source, subject, code, message, guidance, run_id, opened_at, last_at, repeats)
VALUES (:cause, :source, :subject, :code, :message, :guidance, :run_id, :now, :now, 0)
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Alert:
    """A condition that the user must know; at most one is open for each (cause, source, subject).

    `cause` is one of `auth.failed`, `quota.exhausted`, `plan.forbids`, `snapshot.incomplete`,
    `contract.changed`, `provider.dark`, `landing.unreadable`, `database.restored`, `silence`, `key.next`,
    `clock.ahead`, `catalog.doubted`, `channel.failed`, `watch.warning`, `watch.failure`, `watch.broken`,
    `warehouse.damaged`, `holdings.unreadable`, `feed.silent`.
    `subject` is a basket, a provider, that and a feed, a run, a catalog, a channel, a watch or a key's
    fingerprint, or empty for the whole source. `repeats` counts how often an open alert was raised again.
    Times are UTC.
    """

    cause: str
    source: str
    subject: str
    message: str
    _: dataclasses.KW_ONLY
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
    """A source's rejection of a key; it holds while the source has an open alert `auth.failed`.

    `key_print` is the key's fingerprint, `kind` the class name of the error, `asked_at` the time of the last
    request with the key (UTC); the other fields are those of the error.
    """

    source: str
    key_print: str
    kind: str
    code: str
    status: int | None
    detail: str
    asked_at: datetime


PAGE_CHANNEL: Final = "prefect-page"  # the channel whose messages are the pages of alerts in Prefect
RESTORED: Final = "database.restored"
CHECK_DISK: Final = "Check the disk and what else writes into the folder of the warehouse."
ALERT_COLUMNS: Final = tuple(field.name for field in dataclasses.fields(Alert))
PUBLISHED_ALERTS: Final = f"SELECT {', '.join(ALERT_COLUMNS)} FROM store.alert ORDER BY alert_id"  # noqa: S608


def read_alerts(state: StateDatabase, *, open_only: bool = False) -> list[Alert]:
    """Return the alerts in a state database, newest first; an empty list if there is none yet."""
    if not state.exists():
        return []
    with state.read("alert") as db:
        rows = db.execute(
            "SELECT * FROM alert WHERE closed_at IS NULL OR NOT ? ORDER BY alert_id DESC", (open_only,)
        )
        return [_alert_from_row(row) for row in rows]


class AlertStore:
    """The alerts and rejections in a state database. Safe for several processes.

    Each method is a transaction of its own. Raises WarehouseLocked (after half a minute) and WarehouseError.
    """

    def __init__(self, state: StateDatabase) -> None:
        self._state = state
        state.create()

    def raise_alert(self, alert: Alert, now: datetime) -> bool:
        """Open an alert, or count a repeat of the open one; return True where it was opened.

        A second report of the same run updates the open alert and counts as no repeat.
        """
        values = {**dataclasses.asdict(alert), "now": now.isoformat()}
        with self._state.transaction() as db:
            opened = db.execute(REPEAT_ALERT, values).rowcount == 0
            if opened:
                db.execute(OPEN_ALERT, values)
        return opened

    def resolve(self, cause: str, source: str, subject: str, *, now: datetime) -> bool:
        """Close the open alert of this cause, source and subject; return False where there is none."""
        return self.resolve_all([(cause, source, subject)], now) > 0

    def resolve_all(self, alerts: Iterable[tuple[str, str, str]], now: datetime) -> int:
        """Close the open alerts of these causes, sources and subjects; return how many there were."""
        with self._state.transaction() as db:
            closed = db.executemany(
                "UPDATE alert SET closed_at = ?"
                " WHERE cause = ? AND source = ? AND subject = ? AND closed_at IS NULL",
                [(now.isoformat(), *alert) for alert in alerts],
            )
            return max(closed.rowcount, 0)  # -1 where there are none

    def clear(self, alert_id: int, now: datetime) -> bool:
        """Close an alert without notifying anybody; return False where it is not open."""
        with self._state.transaction() as db:
            closed = db.execute(
                "UPDATE alert SET closed_at = ? WHERE alert_id = ? AND closed_at IS NULL",
                (now.isoformat(), alert_id),
            )
            # A closing that counts as delivered is claimed by no channel. The page notifies nobody.
            db.execute(
                "UPDATE telling SET closing_told = ? WHERE alert_id = ? AND channel <> ?",
                (now.isoformat(), alert_id, PAGE_CHANNEL),
            )
            return closed.rowcount > 0

    def claim_undelivered(self, channel: str, now: datetime) -> list[Alert]:
        """Claim the alerts whose opening or closing a channel has not delivered yet; oldest first.

        No other process gets them for a minute. Call `mark_delivered` for each alert that was delivered.
        """
        with self._state.transaction() as db:
            now = self._state.now(db, now)  # by the clocks of two machines, a claim might be over, or to come
            values = {
                "channel": channel,
                "now": now.isoformat(),
                "expired": (now - CLAIM_TIMEOUT).isoformat(),
                "latest": (now + MAX_CLOCK_SKEW).isoformat(),
            }
            claimed = {alert_id for (alert_id,) in db.execute(CLAIM_UNDELIVERED, values).fetchall()}
        if not claimed:
            return []
        return [alert for alert in reversed(self.list_alerts()) if alert.alert_id in claimed]

    def mark_delivered(self, alert: Alert, channel: str, now: datetime) -> None:
        """Record that a channel delivered an alert: its opening, or its closing where `alert` is closed."""
        column = "opening_told" if alert.closed_at is None else "closing_told"
        with self._state.transaction() as db:
            db.execute(
                f"UPDATE telling SET {column} = ?, claimed_at = NULL WHERE alert_id = ? AND channel = ?",  # noqa: S608
                (now.isoformat(), alert.alert_id, channel),
            )

    def last_delivery(self, channel: str) -> datetime | None:
        """Return when a message reached a channel last (UTC), test messages included, or None."""
        with self._state.read("telling", "channel_trial") as db:
            (at,) = db.execute(LAST_DELIVERY, {"channel": channel}).fetchone()
        return datetime.fromisoformat(at) if at else None

    def record_trial(self, channel: str, now: datetime) -> None:
        """Record that a test message reached a channel."""
        with self._state.transaction() as db:
            db.execute("DELETE FROM channel_trial WHERE channel = ?", (channel,))
            db.execute("INSERT INTO channel_trial VALUES (?, ?)", (channel, now.isoformat()))

    def prune(self, now: datetime, keep: timedelta) -> int:
        """Delete the alerts that closed more than `keep` ago, with their deliveries; return how many.

        The newest alert stays: a number is never given to a second alert.
        """
        with self._state.transaction() as db:
            pruned = db.execute(PRUNE_ALERTS, ((now - keep).isoformat(),)).rowcount
            if pruned:
                db.execute("DELETE FROM telling WHERE alert_id NOT IN (SELECT alert_id FROM alert)")
            return pruned

    def record_rejection(self, rejection: KeyRejection) -> None:
        """Store the rejection of a source's key in place of an earlier one."""
        values = {**dataclasses.asdict(rejection), "asked_at": rejection.asked_at.isoformat()}
        with self._state.transaction() as db:
            db.execute("DELETE FROM rejection WHERE source = ?", (rejection.source,))
            db.execute(
                "INSERT INTO rejection"
                " VALUES (:source, :key_print, :kind, :code, :status, :detail, :asked_at)",
                values,
            )

    def get_rejection(self, source: str) -> KeyRejection | None:
        """Return the rejection of the source's key while its alert is open."""
        with self._state.read("alert", "rejection") as db:
            row = db.execute(
                "SELECT rejection.* FROM rejection JOIN alert USING (source)"
                " WHERE source = ? AND cause = 'auth.failed' AND closed_at IS NULL",
                (source,),
            ).fetchone()
        return KeyRejection(**{**row, "asked_at": datetime.fromisoformat(row["asked_at"])}) if row else None

    def delete_rejection(self, source: str) -> None:
        """Delete the rejection of the source's key."""
        with self._state.transaction() as db:
            db.execute("DELETE FROM rejection WHERE source = ?", (source,))

    def claim_probe(self, rejection: KeyRejection, now: datetime) -> bool:
        """Claim the next request with a rejected key; return False where another process was first."""
        # Two processes may have read the same rejection: only the first one still finds its `asked_at`.
        with self._state.transaction() as db:
            claimed = db.execute(
                "UPDATE rejection SET asked_at = ? WHERE source = ? AND asked_at = ?",
                (now.isoformat(), rejection.source, rejection.asked_at.isoformat()),
            )
            return claimed.rowcount > 0

    def list_alerts(self, *, open_only: bool = False) -> list[Alert]:
        """Return the alerts, newest first."""
        return read_alerts(self._state, open_only=open_only)


def _alert_from_row(row: StateRow) -> Alert:
    times = {
        name: datetime.fromisoformat(row[name]) if row[name] else None
        for name in ("opened_at", "last_at", "closed_at")
    }
    return Alert(**{**row, **times})
