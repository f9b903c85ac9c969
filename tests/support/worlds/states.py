"""The history and the last state of each key of a world, and when each was last confirmed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from tests.support.worlds.events import Event, World
from tests.support.worlds.landings import Landing
from tests.support.worlds.observed import Book, Key, Observation, Sighting, book_of

TICK = timedelta(microseconds=1)
FRESH_INTERVALS = 3


@dataclasses.dataclass(frozen=True, slots=True)
class State:
    """What is known of a key after an event; without a price it is closed."""

    lowest_ask: int | None
    price: Decimal | None
    quantity: int | None
    changed_at: datetime | None
    last_updated: datetime | None
    url: str | None
    run_id: str


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """A row of the history."""

    state: State
    valid_from: datetime
    origin: str


@dataclasses.dataclass(frozen=True, slots=True)
class StoredObservation:
    """An observation as the view shows it: the shards of one run and scope together."""

    run_id: str
    book: Book
    scope: str
    observed_from: datetime
    observed_to: datetime
    complete: bool
    reason: str | None
    rows: int
    newest_last_updated: datetime | None


def follow_states(key: Key, events: Sequence[Event]) -> tuple[list[Change], State]:
    """Return the history of a key and its last state."""
    first, *others = events
    state = state_after(first)
    changes = [Change(state, first.moment, first.landing.header.flow)]
    for event in others:
        new = state_after(event)
        new = dataclasses.replace(new, url=new.url or state.url)
        if is_change(key.currency, state, new):
            valid_from = max(event.moment, changes[-1].valid_from + TICK)
            changes.append(Change(new, valid_from, event.landing.header.flow))
            state = new
        elif key.currency != "USD" and is_newer_answer(state, new):
            times = [time for time in (state.changed_at, new.changed_at) if time is not None]
            state = dataclasses.replace(new, changed_at=max(times, default=None))
        else:
            state = dataclasses.replace(state, url=new.url)
    return changes, state


def state_after(event: Event) -> State:
    """Return the state that an event alone gives."""
    if event.sighting is None:
        return State(None, None, 0, None, None, None, event.landing.run_id)
    row = event.sighting.row
    price = row.price if row.price is not None else Decimal(row.cents) / 100
    return State(
        row.cents, price, row.quantity, row.timestamp, row.last_updated, row.url, event.landing.run_id
    )


def is_change(currency: str, old: State, new: State) -> bool:
    """Return whether a state differs in what counts: a converted amount moves with the exchange rate."""
    if (old.price is None) != (new.price is None) or old.quantity != new.quantity:
        return True
    if currency == "USD" or (old.changed_at is None and new.changed_at is None):
        return old.price != new.price
    if old.changed_at is None or new.changed_at is None:
        return new.changed_at is not None
    return new.changed_at.replace(microsecond=0) > old.changed_at.replace(microsecond=0)


def is_newer_answer(old: State, new: State) -> bool:
    """Return whether a state that is no change has another amount or a newer time."""
    newer = new.changed_at is not None and (old.changed_at is None or new.changed_at > old.changed_at)
    return newer or (old.price, old.lowest_ask) != (new.price, new.lowest_ask)


class Confirmations:
    """The observations of a world as they are stored, and what they confirm."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._confirming: dict[Key, list[Observation]] = {}
        groups: dict[object, list[Observation]] = {}
        for observation in world.observations:
            groups.setdefault(_scope_of(observation), []).append(observation)
        self.stored = {scope: self._store(same) for scope, same in groups.items()}
        self._by_shard = {(o.run_id, o.shard, o.book): self.stored[_scope_of(o)] for o in world.observations}

    def _store(self, same: Sequence[Observation]) -> StoredObservation:
        """Merge the observations of one run and scope; those that requested the provider decide."""
        deciding = [o for o in same if o.requested] or same
        reasons = [reason for o in deciding if (reason := self._reason(o)) is not None]
        times = [s.row.last_updated for o in same for s in o.sightings if s.row.last_updated is not None]
        first = same[0]
        kind = "listing" if first.spec.listing else "catalog"
        return StoredObservation(
            first.run_id,
            first.book,
            kind if first.spec.items is None else "items",
            observed_from=min(o.observed_from for o in deciding),
            observed_to=max(o.observed_to for o in deciding),
            complete=all(o.complete and not self._world.is_held(o) for o in deciding),
            reason=max(reasons, default=None),
            rows=sum(len(o.sightings) for o in same),
            newest_last_updated=max(times, default=None),
        )

    def _reason(self, observation: Observation) -> str | None:
        dark = observation.down or self._world.is_held(observation)
        return observation.reason or ("provider dark" if dark else None)

    def newest(self, source: str) -> datetime:
        """Return the end of the newest observation of a source."""
        return max(o.observed_to for o in self.stored.values() if o.book.source == source)

    def observed_at(self, key: Key) -> datetime:
        """Return when a key was last observed: the last time that one of its rows confirms."""
        return max(map(self._confirmed_to, self._world.sightings_of[key]))

    def fresh_until(self, key: Key) -> datetime | None:
        """Return until when a key is fresh: until the slowest basket that covers it should see it again.

        A complete observation that did not bring the key since its last sighting counts for nothing.
        """
        sightings = self._world.sightings_of[key]
        limits = [_limit(self._confirmed_to(sighting), sighting.landing) for sighting in sightings]
        last, runs = max(s.moment for s in sightings), {s.landing.run_id for s in sightings}
        for observation in self._may_confirm(key):
            stored = self.stored[_scope_of(observation)]
            lacks = observation.run_id not in runs and observation.observed_to > last
            if stored.complete and not lacks:
                limits.append(_limit(stored.observed_to, observation.landing))
        return max((limit for limit in limits if limit is not None), default=None)

    def _confirmed_to(self, sighting: Sighting) -> datetime:
        """Return until when a row confirms its key: by every observation of its run that covers the key."""
        run_id = sighting.landing.run_id
        confirming = [self._by_shard[run_id, sighting.shard, book_of(sighting.key)]]
        confirming += [
            self.stored[_scope_of(o)] for o in self._may_confirm(sighting.key) if o.run_id == run_id
        ]
        ends = [observation.observed_to for observation in confirming if observation.complete]
        return max([sighting.moment, *ends])

    def _may_confirm(self, key: Key) -> list[Observation]:
        if key not in self._confirming:
            self._confirming[key] = self._world.may_confirm(key)
        return self._confirming[key]


def _limit(time: datetime, landing: Landing) -> datetime | None:
    """Return the end of the freshness that a run gives at a time; None where it has no interval."""
    interval = landing.header.interval_seconds
    return None if interval is None else time + FRESH_INTERVALS * timedelta(seconds=interval)


def _scope_of(observation: Observation) -> object:
    spec = observation.spec
    requested = None if spec.items is None else tuple(sorted(spec.items, key=str))
    return observation.run_id, observation.book, spec.listing, requested
