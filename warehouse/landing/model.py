"""What a landing says of a shard and of its pages, and how that is written down."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any, Self

import msgspec


@dataclasses.dataclass(frozen=True, slots=True)
class RunHeader:
    """Who runs. `started_at` is UTC by this machine's clock; `interval_seconds` is the basket's `every`."""

    run_id: str
    flow: str
    source: str
    basket: str
    started_at: datetime
    interval_seconds: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class ShardHeader:
    """What a shard asks for.

    `deliveries` are those that its answer tells of, each row naming its own. `items` holds (item_id or None,
    market_hash_name, phase or None); None stands for everything: the whole catalog, in which no aggregate is,
    or with `listing` all that the source lists, aggregates among it.
    """

    number: int
    currency: str
    deliveries: tuple[str, ...]
    providers: tuple[str, ...]
    items: tuple[tuple[str | None, str, str | None], ...] | None
    listing: bool = False

    @classmethod
    def parse(cls, content: bytes | str) -> Self:
        """Decode the JSON of a stream's schema; the first version wrote one `delivery`. Raises ValueError."""
        fields = msgspec.json.decode(content, type=dict[str, Any])
        if "delivery" in fields:
            fields["deliveries"] = [fields["delivery"]]
        return msgspec.convert(fields, cls)


@dataclasses.dataclass(frozen=True, slots=True)
class PageMeta:
    """Where a page belongs: the newest page of the same (`request`, `offset`) is the one that counts.

    `observed_at` is the server's moment, `landed_at` this machine's; `total` is -1 where it is unknown.
    `rejects` are its rows that did not fit: (reason, raw text).
    """

    request: int
    offset: int
    total: int
    observed_at: datetime
    landed_at: datetime
    fingerprint: str
    rejects: tuple[tuple[str, str], ...] = ()
