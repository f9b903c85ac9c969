"""What does not wait for the load: a source that turned its key down, or whose quota or plan ended a run."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from common.clock import Clock
from common.errors import (
    AccountDisabled,
    AddressDenied,
    AuthRejected,
    KeyInvalid,
    KeyMissing,
    KeyRevoked,
    WarehouseError,
)
from connectors.http.auth import Key
from pipelines.alerts.notify import deliver
from pipelines.alerts.rules import CAUSE_BY_STATE, NEXT_KEY, raise_alerts
from pipelines.config import Settings
from pipelines.results import RunResult
from warehouse.paths import WarehousePaths
from warehouse.state.alerts import Alert, AlertStore, KeyRejection


class AuthBreaker:
    """Keeps rejected keys from being sent to their source again, and raises the alerts that cannot wait."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._notify = settings.alerts.notify
        self._state = AlertStore(WarehousePaths(settings.root).state)
        self._clock = clock

    def check(self, source: str, key: Key) -> None:
        """Let a key pass to its source; raises the AuthRejected that still holds for it."""
        standing = active_rejection(self._state, source, key.fingerprint, self._clock.now())
        if standing is not None:
            raise standing

    def reset(self, source: str) -> None:
        """Note that the source accepts its key again; the alert stays until a run comes through."""
        self._state.delete_rejection(source)

    def is_superseded(self, source: str, key: Key) -> bool:
        """Tell whether another key has taken the place of this one, which the source turned down for good."""
        return any(alert.subject == key.fingerprint for alert in self._successions(source))

    async def record_failover(self, source: str, key: Key, following: Key, error: AuthRejected) -> None:
        """Note and tell that `following` takes the place of a key that was turned down."""
        message = f"the key …{key.tail} is no longer accepted, and …{following.tail} takes its place"
        guidance = "Put the new key where `key` points, and take it away from where `key_next` does."
        alert = Alert(NEXT_KEY, source, key.fingerprint, message, code=error.code, guidance=guidance)
        with contextlib.suppress(WarehouseError):
            await asyncio.to_thread(self._raise, alert)

    def clear_failover(self, source: str) -> None:
        """Note that the source accepts the key that comes first: no other has to stand in for it."""
        for alert in self._successions(source):
            self._state.resolve(NEXT_KEY, source, alert.subject, now=self._clock.now())

    def _successions(self, source: str) -> list[Alert]:
        alerts = self._state.list_alerts(open_only=True)
        return [alert for alert in alerts if (alert.cause, alert.source) == (NEXT_KEY, source)]

    def _raise(self, alert: Alert) -> None:
        now = self._clock.now()
        self._state.raise_alert(alert, now)
        deliver(self._state, self._notify, now)

    async def report_failures(self, results: Sequence[RunResult], tripped_by: Key | None) -> None:
        """Raise and tell what stopped the runs of one source; `tripped_by` is the key that was just rejected.

        A disk that is full now will say so when the run is loaded, and the alert is raised then.
        """
        stopped = [result for result in results if result.state in CAUSE_BY_STATE]
        if stopped:
            with contextlib.suppress(WarehouseError):
                await asyncio.to_thread(self._sound, stopped, tripped_by)

    def _sound(self, stopped: Sequence[RunResult], tripped_by: Key | None) -> None:
        now = self._clock.now()
        rejected = [result for result in stopped if isinstance(result.error, AuthRejected)]
        if rejected and tripped_by is not None:
            error = rejected[0].error
            assert isinstance(error, AuthRejected)  # noqa: S101 - as filtered; this tells the type checker
            trip(self._state, rejected[0].source, tripped_by.fingerprint, error, now)
        raise_alerts(self._state, stopped, [], now)
        deliver(self._state, self._notify, now)


# What can heal without a new key, and is worth one request an hour that costs no quota.
RECOVERABLE: Final = (AccountDisabled, AddressDenied)
PROBE_EVERY: Final = timedelta(hours=1)
ERRORS_BY_NAME: Final = {
    kind.__name__: kind
    for kind in (AuthRejected, KeyInvalid, KeyRevoked, KeyMissing, AccountDisabled, AddressDenied)
}


def active_rejection(state: AlertStore, source: str, key_print: str, now: datetime) -> AuthRejected | None:
    """The rejection that still holds for this key, as the error it was; None where the source may be asked.

    Where it is time for the hourly probe, None is for one caller only, of whatever process.
    """
    rejection = state.get_rejection(source)
    if rejection is None or rejection.key_print != key_print:
        return None
    kind = ERRORS_BY_NAME.get(rejection.kind, AuthRejected)
    due = issubclass(kind, RECOVERABLE) and now - rejection.asked_at >= PROBE_EVERY
    if due and state.claim_probe(rejection, now):
        return None
    since = f"not asked again since {rejection.asked_at:%Y-%m-%d %H:%M} UTC"
    return kind(f"{rejection.detail} ({since})", source, rejection.code, rejection.status)


def trip(state: AlertStore, source: str, key_print: str, error: AuthRejected, now: datetime) -> None:
    """Remember what the source said of this key; raise the alert as well, or it does not hold."""
    kind = type(error).__name__
    state.record_rejection(KeyRejection(source, key_print, kind, error.code, error.status, error.detail, now))
