"""What one landing of a world says: sightings, observations, rejects and names."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from tests.support.warehouse import Page, Quote, ShardSpec
from tests.support.worlds.landings import CatalogItem, Landing, shard_reason

CLOCK_SKEW = timedelta(minutes=5)


class Identity(NamedTuple):
    """An item of a source; its finish may be renamed, so only the base of its name is part of it."""

    source: str
    item_id: str
    phase: str | None
    base_name: str


class Key(NamedTuple):
    """A quote: an item in the book of a provider."""

    item: Identity
    provider: str
    currency: str
    delivery: str


class Book(NamedTuple):
    """What a provider lists in one currency and delivery."""

    source: str
    provider: str
    currency: str
    delivery: str


@dataclasses.dataclass(frozen=True, slots=True)
class Sighting:
    """A row that counts, with its times bounded."""

    key: Key
    moment: datetime
    landing: Landing
    shard: int
    row: Quote


@dataclasses.dataclass(frozen=True, slots=True)
class Observation:
    """What a shard observed of a provider and delivery; `returned` are the keys of its rows that count."""

    landing: Landing
    shard: int
    spec: ShardSpec
    book: Book
    requested: bool
    observed_from: datetime
    observed_to: datetime
    sightings: Sequence[Sighting]

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.landing.run_id

    @property
    def down(self) -> bool:
        """Whether the API reported the provider down at the end of the run."""
        return self.book.provider in self.landing.facts.get("down", ())

    @property
    def complete(self) -> bool:
        """Whether a key that the observation lacks was not listed."""
        return is_complete(self.landing, self.spec) and self.requested and not self.down

    @property
    def reason(self) -> str | None:
        """Why the observation is not complete, apart from what happens to its provider."""
        reason = "interrupted" if self.landing.state is None else shard_reason(self.spec)
        return reason if self.requested else reason or "not asked for"


@dataclasses.dataclass(frozen=True, slots=True)
class Reject:
    """A row that could not be read, and what it still names."""

    reject_id: str
    landing: Landing
    shard: int
    spec: ShardSpec
    provider: str | None
    observed_at: datetime
    reason: str
    raw: str
    item_id: str | None
    name: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class Naming:
    """A name of an item at a moment, from a row, a catalog (with attributes), or only from a request."""

    item: Identity
    name: str
    moment: datetime
    run_id: str
    attributes: CatalogItem | None = None
    requested: bool = False


def is_complete(landing: Landing, spec: ShardSpec) -> bool:
    """Return whether a shard ended complete: a process that died leaves none."""
    return spec.complete and landing.state is not None


def bound(moment: datetime, now: datetime) -> datetime:
    return min(moment, now + CLOCK_SKEW)


def landed_at(page: Page) -> datetime:
    return page.landed_at or page.at


def page_moment(page: Page) -> datetime:
    return bound(page.at, landed_at(page))


def base_name(market_hash_name: str) -> str:
    return market_hash_name.split(" | ", maxsplit=1)[0]


def current_pages(spec: ShardSpec) -> list[tuple[int, Page]]:
    """Return the pages that count, with their numbers: of a page fetched twice the last one."""
    last = {(page.request, page.offset): (number, page) for number, page in enumerate(spec.pages)}
    return sorted(last.values(), key=lambda numbered: numbered[0])


def pages_of(landing: Landing) -> list[Page]:
    return [page for spec in landing.shards for _, page in current_pages(spec)]


def find_sightings(landing: Landing) -> list[Sighting]:
    """Return the rows that count: of several rows of a key the latest; in a replay, one for each moment."""
    rows: dict[object, list[Sighting]] = {}
    for sighting in _all_rows(landing):
        one = (sighting.key, sighting.moment) if landing.header.flow == "replay" else sighting.key
        rows.setdefault(one, []).append(sighting)
    return [max(same, key=_lateness) for same in rows.values()]


def _all_rows(landing: Landing) -> Iterator[Sighting]:
    newest = max((landed_at(page) for page in pages_of(landing)), default=landing.header.started_at)
    for number, spec in enumerate(landing.shards, 1):
        for _, page in current_pages(spec):
            for quote in page.quotes:
                item = Identity(landing.source, quote.item, quote.phase, base_name(_name(quote)))
                key = Key(item, quote.provider, spec.currency, quote.delivery)
                row = _without_times_ahead(quote, newest)
                yield Sighting(key, page_moment(page), landing, number, row)


def _name(quote: Quote) -> str:
    return str(quote.row()["market_hash_name"])


def _without_times_ahead(quote: Quote, now: datetime) -> Quote:
    return dataclasses.replace(
        quote,
        timestamp=_unless_ahead(quote.timestamp, now),
        last_updated=_unless_ahead(quote.last_updated, now),
    )


def _unless_ahead(time: datetime | None, now: datetime) -> datetime | None:
    return None if time is not None and time > now + CLOCK_SKEW else time


def _lateness(sighting: Sighting) -> tuple[Any, ...]:
    never = datetime.min.replace(tzinfo=sighting.moment.tzinfo)
    row = sighting.row
    return (row.timestamp or never, row.last_updated or never, sighting.moment)


def find_observations(landing: Landing, sightings: Sequence[Sighting]) -> list[Observation]:
    """Return an observation for each shard, provider and delivery: of all that it requested or returned."""
    observations = []
    for number, spec in enumerate(landing.shards, 1):
        moments = [page_moment(page) for _, page in current_pages(spec)]
        returned = [sighting for sighting in sightings if sighting.shard == number]
        for provider in sorted({*spec.providers, *(sighting.key.provider for sighting in returned)}):
            for delivery in spec.deliveries:
                book = Book(landing.source, provider, spec.currency, delivery)
                observation = Observation(
                    landing,
                    number,
                    spec,
                    book,
                    requested=provider in spec.providers or not spec.providers,
                    observed_from=min(moments),
                    observed_to=max(moments),
                    sightings=[s for s in returned if book_of(s.key) == book],
                )
                observations.append(observation)
    return observations


def book_of(key: Key) -> Book:
    return Book(key.item.source, key.provider, key.currency, key.delivery)


def find_rejects(landing: Landing) -> list[Reject]:
    """Return the rejects of the pages that count. Their provider: theirs, or the only one of the request."""
    rejects = []
    for number, spec in enumerate(landing.shards, 1):
        only = spec.providers[0] if len(spec.providers) == 1 else None
        for page_number, page in current_pages(spec):
            for index, (reason, raw) in enumerate(page.rejects):
                fields = json.loads(raw)
                item_id, name = fields.get("item_id"), fields.get("market_hash_name")
                reject = Reject(
                    f"{landing.run_id}/{number:04}/{page_number}/{index}",
                    landing,
                    number,
                    spec,
                    fields.get("provider") or only,
                    page_moment(page),
                    reason,
                    raw,
                    None if item_id is None else str(item_id),
                    name,
                )
                rejects.append(reject)
    return rejects


def find_names(landing: Landing) -> Iterator[Naming]:
    """Yield every name that a landing gives an item: of a row at its moment, else at the newest one."""
    moment = max(map(page_moment, pages_of(landing)), default=landing.header.started_at)
    for row in _all_rows(landing):
        yield Naming(row.key.item, _name(row.row), row.moment, landing.run_id)
    for entry in landing.items or ():
        item = Identity(landing.source, entry.item_id, entry.phase, base_name(entry.market_hash_name))
        yield Naming(item, entry.market_hash_name, moment, landing.run_id, attributes=entry)
    for spec in landing.shards:
        for item_id, name, phase in spec.items or ():
            if item_id is not None:
                item = Identity(landing.source, item_id, phase, base_name(name))
                yield Naming(item, name, moment, landing.run_id, requested=True)
