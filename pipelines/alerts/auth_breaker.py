"""The auth breaker stops requests with a rejected key and raises the alerts that cannot wait for a load."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from common.clock import Clock, elapsed
from common.errors import (
    AccountDisabled,
    AccountUnverified,
    AddressDenied,
    AuthRejected,
    KeyInvalid,
    KeyMissing,
    KeyRevoked,
)
from common.warehouse_errors import WarehouseError
from connectors.http.auth import Key
from pipelines.alerts.notify import deliver
from pipelines.alerts.rules import CAUSE_BY_STATE, NEXT_KEY, raise_alerts
from pipelines.config import Settings
from pipelines.results import RunResult
from warehouse.state.alerts import Alert, AlertStore, KeyRejection
from warehouse.state.database import open_state

# Rejections that can end without a new key: worth one request an hour, which costs no quota.
RECOVERABLE: Final = (AccountDisabled, AddressDenied)
PROBE_EVERY: Final = timedelta(hours=1)
ERRORS_BY_NAME: Final = {
    kind.__name__: kind
    for kind in (
        AuthRejected,
        KeyInvalid,
        KeyRevoked,
        KeyMissing,
        AccountDisabled,
        AccountUnverified,
        AddressDenied,
    )
}


class AuthBreaker:
    """The stored circuit breaker of rejected keys, shared by all processes of a warehouse."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._alerts = AlertStore(open_state(settings.paths))
        self._clock = clock

    def check(self, source: str, key: Key) -> None:
        """Raise the AuthRejected that is still active for this key, if any.

        When the hourly probe of a recoverable rejection is due, one caller of all processes may pass.
        """
        # The rejection is of one key: a new key has another fingerprint and may pass.
        rejection, now = self._alerts.get_rejection(source), self._clock.now()
        if rejection is None or rejection.key_print != key.fingerprint:
            return
        kind = ERRORS_BY_NAME.get(rejection.kind, AuthRejected)
        is_due = issubclass(kind, RECOVERABLE) and elapsed(rejection.asked_at, now) >= PROBE_EVERY
        if is_due and self._alerts.claim_probe(rejection, now):
            return
        since = f"no request sent since {rejection.asked_at:%Y-%m-%d %H:%M} UTC"
        raise kind(f"{rejection.detail} ({since})", source, code=rejection.code, status=rejection.status)

    def reset(self, source: str) -> None:
        """Record that the source accepts its key; the alert stays open until a run succeeds."""
        self._alerts.delete_rejection(source)

    def is_superseded(self, source: str, key: Key) -> bool:
        """Return whether the next key has replaced this key, which the source rejected for good."""
        return any(alert.subject == key.fingerprint for alert in self._failover_alerts(source))

    async def record_failover(self, source: str, key: Key, following: Key, error: AuthRejected) -> None:
        """Raise and deliver the alert that `following` replaces the rejected key."""
        alert = Alert(
            NEXT_KEY,
            source,
            key.fingerprint,
            message=f"the key …{key.tail} is no longer accepted, and …{following.tail} takes its place",
            code=error.code,
            guidance="Put the new key where `key` points, and remove it from where `key_next` points.",
        )
        with contextlib.suppress(WarehouseError):
            await asyncio.to_thread(self._raise_now, alert)

    def clear_failover(self, source: str) -> None:
        """Resolve the alerts of a failover: the source accepts its first key."""
        for alert in self._failover_alerts(source):
            self._alerts.resolve(NEXT_KEY, source, alert.subject, now=self._clock.now())

    async def report_failures(self, results: Sequence[RunResult], rejected_key: Key | None) -> None:
        """Raise and deliver alerts for the runs of one source that auth, quota or plan stopped.

        `rejected_key` is the key that the source has just rejected, if any. On a full disk nothing is stored;
        the load raises the alerts then.
        """
        stopped = [result for result in results if result.state in CAUSE_BY_STATE]
        if stopped:
            with contextlib.suppress(WarehouseError):
                await asyncio.to_thread(self._report, stopped, rejected_key)

    def _failover_alerts(self, source: str) -> list[Alert]:
        alerts = self._alerts.list_alerts(open_only=True)
        return [alert for alert in alerts if (alert.cause, alert.source) == (NEXT_KEY, source)]

    def _raise_now(self, alert: Alert) -> None:
        now = self._clock.now()
        self._alerts.raise_alert(alert, now)
        deliver(self._settings, self._alerts, now)

    def _report(self, stopped: Sequence[RunResult], rejected_key: Key | None) -> None:
        now = self._clock.now()
        errors = [result.error for result in stopped if isinstance(result.error, AuthRejected)]
        if errors and rejected_key is not None:  # the rejection is active while the alert is open
            error = errors[0]
            rejection = KeyRejection(
                stopped[0].source,
                rejected_key.fingerprint,
                type(error).__name__,
                code=error.code,
                status=error.status,
                detail=error.detail,
                asked_at=now,
            )
            self._alerts.record_rejection(rejection)
        raise_alerts(self._alerts, stopped, [], now=now)
        deliver(self._settings, self._alerts, now)
