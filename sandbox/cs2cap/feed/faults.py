"""The faults of one connection to a live feed: what they do to its events, and how they end it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import cycle, islice
from typing import NamedTuple

from sandbox.clock import SECOND
from sandbox.cs2cap.feed.events import FeedEvent, FeedItem, FeedScope
from sandbox.faults import ScheduledFault
from sandbox.market.market import Market
from sandbox.market.providers import INDEX, KEYS

# The parameters of each kind. `after_events`: so many events of the connection pass before the fault acts;
# `every`: from then on it acts on each so manieth event, not on one only.
FEED_KINDS = {
    "feed_connections": frozenset({"retry_after"}),
    "feed_break": frozenset({"after_events", "how"}),
    "feed_stall": frozenset({"after_events"}),
    "feed_revoke": frozenset({"after_events"}),
    "feed_flood": frozenset({"after_events", "every", "provider", "items"}),
    "feed_repeat": frozenset({"after_events", "every"}),
    "feed_late": frozenset({"after_events", "every", "seconds"}),
    "feed_split": frozenset({"bytes"}),
    "feed_silence": frozenset({"provider"}),
}


class _HeldEvent(NamedTuple):
    """An event that is held back, at the latest until a time (microseconds)."""

    event: FeedEvent
    until: int


class FeedFaults:
    """The faults of one connection, and the events that they hold back."""

    def __init__(self, faults: Sequence[ScheduledFault] = ()) -> None:
        self._faults = faults
        self._arrived = 0
        self._held: dict[int, _HeldEvent] = {}  # by provider (position)

    def of_kind(self, kind: str) -> list[ScheduledFault]:
        """Return the faults of one kind."""
        return [fault for fault in self._faults if fault.kind == kind]

    def acting(self, kind: str, sent: int) -> ScheduledFault | None:
        """Return a fault that acts once so many events are told, if that is so."""
        return next((fault for fault in self.of_kind(kind) if sent >= _after(fault)), None)

    def arrange(
        self, events: Iterable[FeedEvent], now: int, flood: Callable[..., FeedEvent]
    ) -> Iterator[FeedEvent]:
        """Yield what is told for events: each once, twice, late or never, and floods after all of them.

        `flood` returns the event of a flood, from `provider` and `items`; `now` in microseconds.
        """
        floods: list[tuple[ScheduledFault, int]] = []
        for event in events:
            if any(KEYS[event.provider] == fault.text("provider") for fault in self.of_kind("feed_silence")):
                continue
            self._arrived += 1
            yield from self._reorder(event, now)
            floods += [(each, event.provider) for each in self.of_kind("feed_flood") if self._acts(each)]
        for provider in [each for each, held in self._held.items() if held.until <= now]:
            yield self._held.pop(provider).event
        # A flood tells what is listed now, so that it comes after all that led to that.
        for fault, provider in floods:
            chosen = INDEX.get(fault.text("provider"), provider)
            yield flood(provider=chosen, items=int(fault.number("items", 0)))

    def _reorder(self, event: FeedEvent, now: int) -> list[FeedEvent]:
        """Return an event once or twice, and one that was held back; nothing if it is held back itself."""
        events = [event, event] if any(map(self._acts, self.of_kind("feed_repeat"))) else [event]
        held = self._held.pop(event.provider, None)
        if held is not None:
            # At one and the same time no event is late, and their order counts.
            late = held.event
            return [*events, late] if event.seen_at > late.seen_at else [late, *events]
        for fault in filter(self._acts, self.of_kind("feed_late")):
            until = now + round(fault.number("seconds", 60) * SECOND)
            self._held[event.provider] = _HeldEvent(event, until)
            return []
        return events

    def split(self, chunk: bytes) -> list[bytes]:
        """Return the parts in which a chunk is sent."""
        for fault in self.of_kind("feed_split"):
            size = max(1, int(fault.number("bytes", 7)))
            return [chunk[start : start + size] for start in range(0, len(chunk), size)]
        return [chunk]

    def _acts(self, fault: ScheduledFault) -> bool:
        """Return whether a fault acts on the event that arrived last."""
        passed, every = self._arrived - _after(fault) - 1, int(fault.number("every", 0))
        return passed == 0 or (passed > 0 and every > 0 and passed % every == 0)


def flood_event(market: Market, scope: FeedScope, *, provider: int, now: int, items: int) -> FeedEvent:
    """Return one event with all that a provider (position) lists in a scope, as if all of it had changed.

    `items`: so many entries, by repeating quotes or leaving some out; 0: each quote once.
    """
    index = scope.side.of(market.index(now))
    places = [place for place in market.listed((provider,)) if scope.includes(market.board, place)]
    quotes = ((place, index.quotes[place]) for place in places)
    entries = [FeedItem(place, "updated", quote) for place, quote in quotes if quote is not None]
    return FeedEvent(provider, now, tuple(islice(cycle(entries), items or len(entries))))


def _after(fault: ScheduledFault) -> int:
    return int(fault.number("after_events", 0))
