"""The events of each key of a world: its sightings, and the closures that the misses of observations make."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import Enum, auto
from functools import cached_property

from tests.support.worlds.dimensions import Dimensions
from tests.support.worlds.landings import Landing
from tests.support.worlds.observed import (
    Book,
    Identity,
    Key,
    Observation,
    Reject,
    Sighting,
    book_of,
    find_observations,
    find_rejects,
    find_sightings,
)

DAY = timedelta(days=1)
MANY, LARGE_SHARE = 100, 0.3


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """A sighting or, without one, a closure of a key by a run."""

    moment: datetime
    landing: Landing
    sighting: Sighting | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Candidate:
    """What may be an event: a sighting, a miss, a sighting of the item's replacement, or an acceptance."""

    moment: datetime
    landing: Landing
    sighting: Sighting | None = None
    miss: Observation | None = None
    accepted: bool = False

    @property
    def order(self) -> tuple[datetime, int, datetime, str]:
        """By moment; at one moment misses, acceptances, replacements, sightings; then by the run's start."""
        ranks = [self.miss is not None, self.accepted, self.sighting is None, True]
        return self.moment, ranks.index(True), self.landing.header.started_at, self.landing.run_id


class Miss(Enum):
    """What a miss is: one of several that agree over a day, or one that may be an error of the source."""

    SETTLED = auto()
    DOUBTED = auto()


class World:
    """The landings of a world together: what was observed, and the events that follow for each key."""

    def __init__(self, landings: Sequence[Landing]) -> None:
        self.landings = landings
        self.sightings: list[Sighting] = []
        self.observations: list[Observation] = []
        self.rejects: list[Reject] = []
        for landing in landings:
            sightings = find_sightings(landing)
            self.sightings += sightings
            self.observations += find_observations(landing, sightings)
            self.rejects += find_rejects(landing)
        self.dimensions = Dimensions(landings)

    @cached_property
    def sightings_of(self) -> dict[Key, list[Sighting]]:
        """The sightings of each key."""
        found: dict[Key, list[Sighting]] = {}
        for sighting in self.sightings:
            found.setdefault(sighting.key, []).append(sighting)
        return found

    @cached_property
    def events(self) -> dict[Key, list[Event]]:
        """The events of each key, in order."""
        return {key: self._follow(key, self.held[book_of(key)])[0] for key in self.sightings_of}

    def is_held(self, observation: Observation) -> bool:
        """Return whether so much was missing in the run that its doubted misses close nothing."""
        return observation.run_id in self.held.get(observation.book, set())

    @cached_property
    def held(self) -> dict[Book, set[str]]:
        """The runs of each book in which too many keys vanished at once."""
        return {book: self._find_held(book, keys) for book, keys in self._keys_of_books.items()}

    def _find_held(self, book: Book, keys: Sequence[Key]) -> set[str]:
        """Decide on the runs in order of their ends; what is not decided yet closes nothing in doubt."""
        ends = {o.run_id: (o.observed_to, o.run_id) for o in self._complete_observations(book)}
        runs = sorted(ends, key=lambda run_id: ends[run_id]) if len(keys) > MANY else []
        held: set[str] = set()
        for number, run_id in enumerate(runs):
            undecided = {*runs[number:]}
            first_misses = [self._follow(key, held | undecided)[1].get(run_id) for key in keys]
            vanished = first_misses.count(Miss.DOUBTED)
            returned = sum(any(s.landing.run_id == run_id for s in self.sightings_of[key]) for key in keys)
            if vanished > MANY and vanished > LARGE_SHARE * (vanished + returned):
                held.add(run_id)
        return held

    def _follow(self, key: Key, held: set[str]) -> tuple[list[Event], dict[str, Miss]]:
        """Return the events of a key and the first miss of each run, where these runs are held."""
        events: list[Event] = []
        listed = False
        misses: list[Observation] = []  # since the last sighting
        first_misses: dict[str, Miss] = {}
        for candidate in self._candidates[key]:
            if candidate.sighting is not None:
                listed, misses = True, []
                events.append(Event(candidate.moment, candidate.landing, candidate.sighting))
                continue
            if not listed:
                continue
            if candidate.miss is not None:
                kind = Miss.SETTLED if is_settled(misses, candidate.miss) else Miss.DOUBTED
                first_misses.setdefault(candidate.miss.run_id, kind)
                misses.append(candidate.miss)
                closes = kind is Miss.SETTLED or candidate.miss.run_id not in held
            else:
                closes = not candidate.accepted or self._last_covering(key, candidate) in misses
            if closes:
                listed = False
                events.append(Event(candidate.moment, candidate.landing))
        return events, first_misses

    @cached_property
    def _candidates(self) -> dict[Key, list[Candidate]]:
        return {key: sorted(self._find_candidates(key), key=lambda c: c.order) for key in self.sightings_of}

    def _find_candidates(self, key: Key) -> list[Candidate]:
        candidates = [Candidate(s.moment, s.landing, sighting=s) for s in self.sightings_of[key]]
        for item in self._items_by_id[key.item.source, key.item.item_id]:
            if item.base_name != key.item.base_name:
                candidates += [Candidate(s.moment, s.landing) for s in self._sightings_of_item[item]]
        for observation in self._covering[key]:
            if self._misses(observation, key):
                candidates.append(Candidate(observation.observed_to, observation.landing, miss=observation))
        for landing in self.landings:
            if landing.source == key.item.source and key.provider in landing.facts.get("accepted", ()):
                candidates.append(Candidate(landing.header.started_at, landing, accepted=True))
        return candidates

    def _misses(self, observation: Observation, key: Key) -> bool:
        """Return whether an observation that covers a key shows that it is not listed, if it was."""
        for sighting in self.sightings_of[key]:
            if sighting.landing.run_id == observation.run_id:
                return False
            if observation.observed_from < sighting.moment < observation.observed_to:
                return False
        return not any(
            reject.landing.run_id == observation.run_id
            and reject.shard == observation.shard
            and self._may_be_about(reject, key)
            for reject in self.rejects
        )

    def _may_be_about(self, reject: Reject, key: Key) -> bool:
        if reject.provider in reject.spec.providers and reject.provider != key.provider:
            return False
        items = self.dimensions.find(key.item.source, reject.item_id, reject.name)
        if items:
            return key.item in items
        return reject.item_id is None or reject.name is None  # with both, it is about a new item

    def may_confirm(self, key: Key) -> list[Observation]:
        """Return the complete observations that cover a key, a catalog also before it had an aggregate."""
        observations = self._complete_observations(book_of(key))
        if any(_is_catalog(o) and self._returned_in_catalog(o.run_id, key) for o in observations):
            return [o for o in observations if _is_catalog(o) or self._covers(o, key)]
        return [o for o in observations if self._covers(o, key)]

    @cached_property
    def _covering(self) -> dict[Key, list[Observation]]:
        """The complete observations that cover each key, in order."""
        return {
            key: [o for o in self._complete_observations(book_of(key)) if self._covers(o, key)]
            for key in self.sightings_of
        }

    def _covers(self, observation: Observation, key: Key) -> bool:
        spec = observation.spec
        if spec.items is not None:
            by_name = (self.dimensions.names[key.item], key.item.phase)
            return any(
                by_name == (name, phase) if item_id is None else item_id == key.item.item_id
                for item_id, name, phase in spec.items
            )
        if spec.listing or not self.dimensions.is_aggregate(key.item):
            return True
        return any(
            _is_catalog(earlier)
            and earlier.observed_to <= observation.observed_from
            and self._returned_in_catalog(earlier.run_id, key)
            for earlier in self._complete_observations(observation.book)
        )

    def _returned_in_catalog(self, run_id: str, key: Key) -> bool:
        """Return whether a run returned a key by a request of the catalog, of whichever provider."""
        shards = [s.landing.shards[s.shard - 1] for s in self.sightings_of[key] if s.landing.run_id == run_id]
        return any(spec.items is None and not spec.listing for spec in shards)

    def _last_covering(self, key: Key, candidate: Candidate) -> Observation | None:
        earlier = [o for o in self._covering[key] if o.observed_to <= candidate.moment]
        return earlier[-1] if earlier else None

    def _complete_observations(self, book: Book) -> list[Observation]:
        return self._complete_by_book.get(book, [])

    @cached_property
    def _complete_by_book(self) -> dict[Book, list[Observation]]:
        found: dict[Book, list[Observation]] = {}
        for observation in sorted(self.observations, key=lambda o: (o.observed_to, o.run_id, o.shard)):
            if observation.complete:
                found.setdefault(observation.book, []).append(observation)
        return found

    @cached_property
    def _keys_of_books(self) -> dict[Book, list[Key]]:
        found: dict[Book, list[Key]] = {}
        for key in self.sightings_of:
            found.setdefault(book_of(key), []).append(key)
        return found

    @cached_property
    def _items_by_id(self) -> dict[tuple[str, str], set[Identity]]:
        found: dict[tuple[str, str], set[Identity]] = {}
        for key in self.sightings_of:
            found.setdefault((key.item.source, key.item.item_id), set()).add(key.item)
        return found

    @cached_property
    def _sightings_of_item(self) -> dict[Identity, list[Sighting]]:
        found: dict[Identity, list[Sighting]] = {}
        for sighting in self.sightings:
            found.setdefault(sighting.key.item, []).append(sighting)
        return found


def _is_catalog(observation: Observation) -> bool:
    return observation.spec.items is None and not observation.spec.listing


def is_settled(misses: Sequence[Observation], observation: Observation) -> bool:
    """Return whether two other runs missed the key since its last sighting, the first one a day ago."""
    others = [miss for miss in misses if miss.run_id != observation.run_id]
    return (
        len({miss.run_id for miss in others}) >= 2
        and min(miss.observed_to for miss in others) <= observation.observed_to - DAY
    )
