"""What every connector offers to the flows: an account, dimensions, and the walk of one shard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from connectors.paging import Sheet

if TYPE_CHECKING:  # what only looks at rows is not to wait for these
    import polars as pl
    from msgspec import Raw

    from connectors.frames import Reject
    from connectors.plan import Shard
    from connectors.throttle import Throttle


@dataclass(frozen=True, slots=True)
class Account:
    """What a source says about the key: its limits, what of them is used, and until when (UTC) it holds.

    A key that is not `root` is a sub-key: it cannot be issued anew by itself.
    """

    tier: str | None
    requests_per_minute: int | None
    requests_per_month: int | None
    used: int | None
    expires_at: datetime | None
    active: bool
    root: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """One answer of a walk, typed.

    `request` is the place of the request in its shard (0 for a catalog), `offset` and `total` are the API's,
    `observed_at` is the server's moment (UTC), `rows` has the schema `QUOTES`, `unknown_fields` counts the
    rows that carry a field the contract does not know, and `fingerprint` stands for the rows' keys. A later
    page with the same request and offset replaces an earlier one.
    """

    request: int
    offset: int
    total: int
    observed_at: datetime
    rows: pl.DataFrame
    rejects: tuple[Reject, ...]
    unknown_fields: dict[str, int]
    fingerprint: str


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A part of one streamed answer as it came: JSON lines, which are typed when they are loaded.

    `parts` are the `count` lines that it completes, some at a time, the first of them at `offset`; they are
    `exact` as those of `Told` are. `written` has the API's names of a row's fields, by ours. `providers` are
    those that none of the pieces before told of. `observed_at` is UTC, `total` -1 where it was not told.
    """

    parts: tuple[bytes, ...]
    written: Mapping[str, str]
    observed_at: datetime
    total: int
    offset: int
    count: int
    exact: bool
    providers: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """One answer of a walk as it came: its rows as JSON, which are typed when they are loaded.

    What stands in a `Page`, but `rows`: the text of each, without the end of a line in it, and with the API's
    names of its fields, which `written` has by ours. `exact` says that they have the fields of the contract
    and no others, each of its kind, though not that amounts and moments are such. `providers` are those they
    tell of.
    """

    request: int
    offset: int
    total: int
    observed_at: datetime
    fingerprint: str
    rows: Sequence[Raw]
    written: Mapping[str, str]
    exact: bool
    providers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a finished walk came to: pages fetched, distinct rows, and rounds of walking pages again."""

    pages: int
    rows: int
    rounds: int


# The work that turns an answer into a page, or into a piece of one; it raises FloorlineErrors.
Make = Callable[[], tuple[Page | Piece | Told, Sheet]]
# Does that work, where it likes, and has the page on disk before it returns.
Land = Callable[[Make], Awaitable[Sheet]]


class Connector(Protocol):
    """One source, authenticated and paced. Every method but `aclose` raises FloorlineErrors."""

    @property
    def source(self) -> str:
        """The configured name of the source."""
        ...

    @property
    def requests(self) -> int:
        """Requests sent so far, retries included."""
        ...

    @property
    def request_id(self) -> str:
        """The source's own id of the last request that it answered; empty where it gives none."""
        ...

    @property
    def quota_remaining(self) -> int | None:
        """Requests left in the month, if the source has told."""
        ...

    @property
    def budget(self) -> Throttle:
        """The budget of the key: its pace, its month and its stream starts."""
        ...

    async def account(self) -> Account:
        """Prove the key and learn its limits, at no cost where the source allows it."""
        ...

    async def items(self) -> pl.DataFrame:
        """Return the source's catalog, schema `ITEMS`."""
        ...

    async def providers(self) -> pl.DataFrame:
        """Return the marketplaces behind the source, schema `PROVIDERS`."""
        ...

    async def fx(self) -> pl.DataFrame:
        """Return the rates with which the source converts, schema `FX`."""
        ...

    async def walk(self, shard: Shard, land: Land, have: Sequence[Page] = ()) -> Outcome:
        """Fetch every page of `shard`, handing each to `land` as it arrives.

        `have` are pages that an earlier, interrupted walk of the same shard has landed; they are landed again
        instead of being fetched. Raises WalkBroken where the pages cannot be reconciled.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...
