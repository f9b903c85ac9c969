"""One connection to a live feed: what it is told, and when it ends."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from sandbox.clock import SECOND, micros
from sandbox.cs2cap.feed.events import PING, FeedEvent, FeedScope, events_of, render_event
from sandbox.cs2cap.keys import ApiKey
from sandbox.http_types import ApiError
from sandbox.market.market import Market


@dataclass(slots=True)
class ToldEvent:
    """An event that a connection was told at a time (microseconds)."""

    at: int
    event: FeedEvent


@dataclass(slots=True)
class FeedConnection:
    """A connection of a key, opened at a time (microseconds) after so many states of the index.

    `told` are its events in the order in which they were sent. Nothing is told of what was before it opened.
    """

    number: int
    market: Market
    key: ApiKey
    scope: FeedScope
    opened: int
    ping_every: float
    closed: int | None = None
    end: str | None = None
    told: list[ToldEvent] = field(default_factory=list)
    _state: int = field(init=False)
    _sent: tuple[int, float] = field(init=False)  # when something was sent last: sandbox's time, real time

    def __post_init__(self) -> None:
        self._state = len(self.market.epochs)
        self._sent = self.opened, time.monotonic()

    def poll(self, now: datetime) -> list[bytes]:
        """Return the events since the last call, or a ping after a long silence; end with an invalid key."""
        at = micros(now)
        chunks = [self._tell(event, at) for event in self._new_events()]
        if not chunks and self._is_idle(at):
            chunks.append(PING)
        if chunks:
            self._sent = at, time.monotonic()
        if not _is_usable(self.key, now):
            self.end = "close"
        return chunks

    def _new_events(self) -> Iterator[FeedEvent]:
        states = self.market.epochs[self._state :]
        self._state += len(states)
        for state in states:
            yield from events_of(self.market.board, state, self.scope)

    def _tell(self, event: FeedEvent, at: int) -> bytes:
        self.told.append(ToldEvent(at, event))
        return render_event(self.market.board, self.scope.side, event)

    def _is_idle(self, at: int) -> bool:
        # A frozen clock never gets there, but its clients wait in real time.
        sandbox_time, real_time = self._sent
        silence = max((at - sandbox_time) / SECOND, time.monotonic() - real_time)
        return silence >= self.ping_every


def _is_usable(key: ApiKey, now: datetime) -> bool:
    try:
        key.check_usable(now)
    except ApiError:
        return False
    return True
