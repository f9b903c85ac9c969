"""What does not wait for the load: a source that turned its key down, or whose quota or plan ended a run."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from connectors.auth import Key
from connectors.clock import Clock
from connectors.errors import AuthRejected
from flows import breaker
from flows.alerts import OF_STATE, raise_alerts
from flows.config import Settings
from flows.notify import deliver
from flows.results import RunResult
from warehouse.errors import WarehouseError
from warehouse.home import Home
from warehouse.state import State


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
