"""What does not wait for the load: a source that turned its key down, or whose quota or plan ended a run."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from connectors.auth import Key
from connectors.clock import Clock
from connectors.errors import AuthRejected
from flows import breaker
from flows.alerts import NEXT_KEY, OF_STATE, raise_alerts
from flows.config import Settings
from flows.notify import deliver
from flows.results import RunResult
from warehouse.errors import WarehouseError
from warehouse.home import Home
from warehouse.state import Alert, State


class Alarm:
    """Keeps rejected keys from being sent to their source again, and raises the alerts that cannot wait."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._notify = settings.alerts.notify
        self._state = State(Home(settings.root).state)
        self._clock = clock

    def admit(self, source: str, key: Key) -> None:
        """Let a key pass to its source; raises the AuthRejected that still holds for it."""
        standing = breaker.standing(self._state, source, key.fingerprint, self._clock.now())
        if standing is not None:
            raise standing

    def accepted(self, source: str) -> None:
        """Note that the source accepts its key again; the alert stays until a run comes through."""
        self._state.forget_rejection(source)

    def superseded(self, source: str, key: Key) -> bool:
        """Tell whether another key has taken the place of this one, which the source turned down for good."""
        return any(alert.subject == key.fingerprint for alert in self._successions(source))

    async def supersede(self, source: str, key: Key, following: Key, error: AuthRejected) -> None:
        """Note and tell that `following` takes the place of a key that was turned down."""
        message = f"the key …{key.tail} is no longer accepted, and …{following.tail} takes its place"
        guidance = "Put the new key where `key` points, and take it away from where `key_next` does."
        alert = Alert(NEXT_KEY, source, key.fingerprint, message, error.code, guidance)
        with contextlib.suppress(WarehouseError):
            await asyncio.to_thread(self._raise, alert)

    def first_is_good(self, source: str) -> None:
        """Note that the source accepts the key that comes first: no other has to stand in for it."""
        for alert in self._successions(source):
            self._state.resolve(NEXT_KEY, source, alert.subject, self._clock.now())

    def _successions(self, source: str) -> list[Alert]:
        alerts = self._state.alerts(open_only=True)
        return [alert for alert in alerts if (alert.cause, alert.source) == (NEXT_KEY, source)]

    def _raise(self, alert: Alert) -> None:
        now = self._clock.now()
        self._state.raise_alert(alert, now)
        deliver(self._state, self._notify, now)

    async def sound(self, results: Sequence[RunResult], tripped_by: Key | None) -> None:
        """Raise and tell what stopped the runs of one source; `tripped_by` is the key that was just rejected.

        A disk that is full now will say so when the run is loaded, and the alert is raised then.
        """
        stopped = [result for result in results if result.state in OF_STATE]
        if stopped:
            with contextlib.suppress(WarehouseError):
                await asyncio.to_thread(self._sound, stopped, tripped_by)

    def _sound(self, stopped: Sequence[RunResult], tripped_by: Key | None) -> None:
        now = self._clock.now()
        rejected = [result for result in stopped if isinstance(result.error, AuthRejected)]
        if rejected and tripped_by is not None:
            error = rejected[0].error
            assert isinstance(error, AuthRejected)  # noqa: S101 - as filtered; this tells the type checker
            breaker.trip(self._state, rejected[0].source, tripped_by.fingerprint, error, now)
        raise_alerts(self._state, stopped, [], now)
        deliver(self._state, self._notify, now)
