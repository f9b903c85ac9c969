"""One connection to a live feed: what it is told, and when it ends."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from sandbox.clock import SECOND, iso, micros
from sandbox.cs2cap.feed.events import PING, FeedEvent, FeedScope, events_of, render_event
from sandbox.cs2cap.feed.faults import FeedFaults, flood_event
from sandbox.cs2cap.keys import ApiKey
from sandbox.http_types import ApiError, Json
from sandbox.market.market import Market


@dataclass(slots=True)
class SentEvent:
    """An event that a connection was told at a time (microseconds)."""

    at: int
    event: FeedEvent


@dataclass(slots=True)
class FeedConnection:
    """A connection of a key, opened at a time (microseconds).

    `sent` are its events in the order in which they were sent. Nothing is told of what was before it opened.
    """

    number: int
    market: Market
    key: ApiKey
    scope: FeedScope
    opened: int
    ping_every: float
    closed: int | None = None
    end: str | None = None
    breaks_in_event: bool = False  # half of the next event is sent
    sent: list[SentEvent] = field(default_factory=list)
    faults: FeedFaults = field(default_factory=FeedFaults)
    _state: int = field(init=False)  # states of the index that are read
    _sent: tuple[int, float] = field(init=False)  # when something was sent last: sandbox's time, real time

    def __post_init__(self) -> None:
        self._state = len(self.market.epochs)
        self._sent = self.opened, time.monotonic()

    def as_dict(self) -> dict[str, Json]:
        """Return the fields of the JSON."""
        return {
            "number": self.number,
            "path": f"/v1/feed/{self.scope.side.name}",
            "key": self.key.label or self.key.text[-4:],
            "opened": iso(self.opened),
            "closed": None if self.closed is None else iso(self.closed),
            "events": len(self.sent),
            "items": sum(len(sent.event.items) for sent in self.sent),
        }

    def poll(self, now: datetime) -> list[bytes]:
        """Return the events since the last call, or a ping after a long silence; end with an invalid key."""
        at = micros(now)
        chunks = list(self._send_events(at))
        stalled = self.faults.acting("feed_stall", len(self.sent)) is not None
        if not chunks and not stalled and self._is_idle(at):
            chunks.append(PING)
        if chunks:
            self._sent = at, time.monotonic()
        if self.end is None and not stalled and not _is_usable(self.key, now):
            self.end = "close"
        return [part for chunk in chunks for part in self.faults.split(chunk)]

    def _send_events(self, at: int) -> Iterator[bytes]:
        """Yield what is told now; what comes after the end of the connection, or in a stall, is lost."""
        for event in self._new_events(at):
            if self._is_over():
                return
            text = render_event(self.market.board, self.scope.side, event)
            # Of the faults, those that break in an event: the others have ended the connection before.
            if self.breaks_in_event or self.faults.acting("feed_break", len(self.sent)):
                self.end = "drop"
                yield text[: len(text) // 2]
                return
            self.sent.append(SentEvent(at, event))
            yield text
        self._is_over()

    def _is_over(self) -> bool:
        """Return whether nothing more is told; faults end the connection here, between two events."""
        sent = len(self.sent)
        fault = self.faults.acting("feed_break", sent)
        if self.end is None and fault is not None and fault.text("how") != "middle":
            self.end = fault.text("how", "drop")
        if self.end is None and self.faults.acting("feed_revoke", sent):
            self.key.state, self.end = "revoked", "close"
        return self.end is not None or self.faults.acting("feed_stall", sent) is not None

    def _new_events(self, at: int) -> Iterator[FeedEvent]:
        states = self.market.epochs[self._state :]
        self._state += len(states)
        events = (event for state in states for event in events_of(self.market.board, state, self.scope))
        return self.faults.arrange(events, at, partial(flood_event, self.market, self.scope, now=at))

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
