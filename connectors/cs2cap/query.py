"""A query for asks or bids: its parameters, and the checks that a response answers it.

A response to another query means that the API ignored a filter: its rows would be stored as wrong prices.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING

from common.errors import PaginationError, UnexpectedResponse
from common.shards import Item
from common.text import escape, sanitize
from connectors.cs2cap.contract import BookSide, ListingResponse
from connectors.shards import Shard

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class PageQuery:
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


def check_providers(got: AbstractSet[str], requested: AbstractSet[str], source: str) -> None:
    """Raise UnexpectedResponse where rows are of providers beyond `requested`; none requested means all."""
    if requested and (others := got - requested):
        names = sanitize(", ".join(map(escape, sorted(others))))
        raise UnexpectedResponse(f"received prices of providers that were not requested: {names}", source)


def check_items(rows: pl.DataFrame, requested: Item | None, source: str) -> None:
    """Raise UnexpectedResponse where a row is of another item, by id, or by name where phases are aggregated.

    `rows` has the columns `item_id` and `market_hash_name`.
    """
    if requested is None:
        return
    same_name = rows["market_hash_name"] == requested.market_hash_name
    if not (same_name | (rows["item_id"] == (requested.item_id or ""))).all():
        raise UnexpectedResponse(f"requested {requested.label}, received other items", source)
