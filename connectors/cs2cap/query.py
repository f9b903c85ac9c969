"""A query for asks or bids: its parameters, and the checks that a response answers it.

A response to another query means that the API ignored a filter. A few rows of something else are rejects.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from common.errors import PaginationError, UnexpectedResponse
from common.shards import ITEM_NOT_REQUESTED, PROVIDER_NOT_REQUESTED, Item
from common.text import escape, sanitize
from connectors.cs2cap.contract import BookSide, ListingResponse
from connectors.pages import Reject
from connectors.shards import Shard

if TYPE_CHECKING:
    import polars as pl


class PageQuery(Struct, frozen=True):
    """A listing that is read page by page: of `item`, or of every item if None.

    `number` counts the requests of a shard from 0. `providers` are those to name in the request; none means
    all. Of a listing of every item, only rows of the items in `selection` are kept; None keeps all.
    """

    source: str
    side: BookSide
    number: int
    currency: str
    providers: frozenset[str]
    item: Item | None
    selection: tuple[Item, ...] | None = None

    @property
    def scope(self) -> RequestedScope:
        """What its rows have to be of."""
        return RequestedScope(self.providers, self.item)


def named_providers(shard: Shard) -> tuple[str, ...]:
    """Return the providers that a request has to name: none if `shard` reads all that the source has."""
    return () if shard.every_provider else shard.providers


def item_params(item: Item | None) -> list[tuple[str, str]]:
    """Return the parameters that select `item`: its id where it has one, else its name and phase."""
    if item is None:
        return []
    if item.item_id is not None:
        return [("item_id", item.item_id)]
    params = [("market_hash_name", item.market_hash_name)]
    return params if item.phase is None else [*params, ("phase", item.phase)]


def check_listing(listing: ListingResponse, query: PageQuery, offset: int) -> None:
    """Raise UnexpectedResponse for another currency, PaginationError for another offset."""
    check_currency(listing.meta.currency, query.currency, query.source)
    if listing.pagination.offset != offset:
        raise PaginationError(
            f"requested offset {offset}, received {listing.pagination.offset}", query.source
        )


def check_currency(got: str, requested: str, source: str) -> None:
    """Raise UnexpectedResponse where a response is in another currency."""
    if got != requested:
        raise UnexpectedResponse(f"requested prices in {requested}, received {sanitize(got, 20)}", source)


class _NamedItem(Protocol):
    @property
    def item_id(self) -> int: ...
    @property
    def market_hash_name(self) -> str: ...


class _NamedRow(_NamedItem, Protocol):
    @property
    def provider(self) -> str: ...


class RequestedScope(Struct, frozen=True):
    """What the rows of a response have to be of: one of `providers` (none: any), and `item` (None: any).

    An item is known by its id, or by its name, because a name may aggregate phases with other ids.
    """

    providers: AbstractSet[str] = frozenset()
    item: Item | None = None

    def find_mismatch(self, row: _NamedRow) -> str | None:
        """Return why a row is not of the scope, or None; the reason begins as `common.shards` says."""
        return self.find_provider_mismatch(row.provider) or self.find_item_mismatch(row)

    def find_provider_mismatch(self, provider: str) -> str | None:
        """Return why a row of the key `provider` is not of the scope, or None."""
        if self.has_providers({provider}):
            return None
        return PROVIDER_NOT_REQUESTED + sanitize(escape(provider), 60)

    def find_item_mismatch(self, row: _NamedItem) -> str | None:
        """Return why a row is not of the scope's item, or None."""
        requested = self.item
        if requested is None or row.market_hash_name == requested.market_hash_name:
            return None
        if str(row.item_id) == requested.item_id:
            return None
        return ITEM_NOT_REQUESTED + sanitize(escape(row.market_hash_name))

    def has_providers(self, providers: AbstractSet[str]) -> bool:
        """Return whether all `providers` are of the scope."""
        return not self.providers or providers <= self.providers

    def has_items(self, rows: pl.DataFrame) -> bool:
        """Return whether all rows (columns `item_id` and `market_hash_name`) are of the scope's item."""
        if self.item is None:
            return True
        same_name = rows["market_hash_name"] == self.item.market_hash_name
        return bool((same_name | (rows["item_id"] == (self.item.item_id or ""))).all())


EVERYTHING = RequestedScope()


def is_unrequested(reject: Reject) -> bool:
    """Return whether a row was rejected because it is not of the scope of its request."""
    return reject.reason.startswith((ITEM_NOT_REQUESTED, PROVIDER_NOT_REQUESTED))


def check_requested(rejects: Sequence[Reject], fitting: int, *, route: str, source: str) -> None:
    """Raise UnexpectedResponse where more rows were not requested than the `fitting` ones that were.

    Such a response answers another request. One row says nothing of the others.
    """
    strays = [reject for reject in rejects if is_unrequested(reject)]
    if len(strays) > max(fitting, 1):
        detail = f"{route}: {len(strays):,} of {fitting + len(strays):,} rows answer another request"
        raise UnexpectedResponse(f"{detail}; {strays[0].reason}", source)
