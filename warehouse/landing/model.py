"""What a landing says about its run, its shards and their pages. The fields are the format on disk."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any, Self

import msgspec

from common.clock import bound_moment
from common.shards import Item


@dataclasses.dataclass(frozen=True, slots=True)
class RunHeader:
    """Which run wrote a landing: the content of run.json.

    `started_at` is UTC by this machine's clock; `interval_seconds` is the basket's `every`.
    """

    run_id: str
    flow: str
    source: str
    basket: str
    started_at: datetime
    interval_seconds: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class SetAsideLanding:
    """A landing that cannot be loaded: its run, the reason, and its header where that can be read."""

    run_id: str
    reason: str
    header: RunHeader | None = None

    def __str__(self) -> str:
        return f"{self.run_id}: {self.reason}"


@dataclasses.dataclass(frozen=True, slots=True)
class ShardHeader:
    """What a shard requests.

    Each of its rows has one of `deliveries`. `items` is None for everything: the catalog, which has no
    aggregates, or with `listing` all that the source lists, aggregates included. A `live` shard has what a
    feed said, and says nothing of the other quotes; a row without an ask says that the quote was removed.
    """

    number: int
    currency: str
    deliveries: tuple[str, ...]
    providers: tuple[str, ...]
    items: tuple[Item, ...] | None
    listing: bool = False
    live: bool = False

    @classmethod
    def parse(cls, content: bytes | str) -> Self:
        """Decode the JSON of a header; the first version wrote one `delivery`. Raises ValueError."""
        fields = msgspec.json.decode(content, type=dict[str, Any])
        if "delivery" in fields:
            fields["deliveries"] = [fields["delivery"]]
        return msgspec.convert(fields, cls)


@dataclasses.dataclass(frozen=True, slots=True)
class PageMeta:
    """The metadata of a page. Of several pages with the same `request` and `offset`, the last one is current.

    `observed_at` is the server's time, `landed_at` this machine's; `total` is -1 where it is unknown.
    `rejects` are the rows that could not be parsed: (reason, raw text).
    """

    request: int
    offset: int
    total: int
    observed_at: datetime
    landed_at: datetime
    fingerprint: str
    rejects: tuple[tuple[str, str], ...] = ()

    @property
    def moment(self) -> datetime:
        """The time that counts for the rows: the server's, unless that lies ahead of this machine's."""
        return bound_moment(self.observed_at, self.landed_at)


NumberedPages = tuple[tuple[int, PageMeta], ...]
