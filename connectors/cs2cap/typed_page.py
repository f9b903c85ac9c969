"""A listing of asks or bids on its way to a page: typed, and seen to answer what was asked.

Nothing here knows of a loop, a connection or a disk: whoever lands the page decides where it is made.
"""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from common.errors import UnexpectedResponse
from common.shards import Item
from connectors.cs2cap.contract import PageQuery, check_providers, check_response
from connectors.cs2cap.parser import PricePage, parse_price_page
from connectors.http.compression import Decompress
from connectors.pages import TypedPage
from connectors.pagination import PageInfo
from connectors.schemas import providers_in


def parse_typed_page(
    question: PageQuery, offset: int, inflate: Decompress, moment: datetime
) -> tuple[TypedPage, PageInfo]:
    """Make the page of an answer that `inflate` gives and that the server sent at `moment` (UTC).

    Raises ContractBroken, WalkBroken, and Disconnected where the body was cut.
    """
    prices = parse_price_page(inflate(), question.source, question.offers)
    _check(question, offset, prices)
    page = TypedPage(
        request=question.place,
        offset=prices.offset,
        # a page that lacks rows says nothing of the next one's place, should it be taken up again
        total=prices.total if question.wanted is None else -1,
        observed_at=moment,
        rows=filter_items(prices.rows, question.wanted),
        rejects=prices.rejects,
        unknown_fields=prices.unknown_fields,
        fingerprint=prices.fingerprint,
    )
    return page, _page_info(prices)


def _check(question: PageQuery, offset: int, prices: PricePage) -> None:
    """See that the answer is the one to our question: an ignored filter would store wrong prices."""
    source, item = question.source, question.item
    check_response(question, offset, prices.currency, prices.offset)
    check_providers(providers_in(prices.rows), question.providers, source)
    if item is not None and not _is_only_about(item, prices):
        raise UnexpectedResponse(f"asked for {item.market_hash_name}, got other items", source)


def filter_items(rows: pl.DataFrame, wanted: Sequence[Item] | None) -> pl.DataFrame:
    """Keep the `rows` about the items `wanted`: by their ids, or by name where an item has none."""
    if wanted is None:
        return rows
    ids = [item.item_id for item in wanted if item.item_id is not None]
    names = [item.market_hash_name for item in wanted if item.item_id is None]
    named = pl.col("market_hash_name").is_in(names) & pl.col("phase").is_null()
    return rows.filter(pl.col("item_id").is_in(ids) | named)


def _is_only_about(item: Item, prices: PricePage) -> bool:
    """Tell whether every row is about `item`, by its id, or by its name where phases are aggregated."""
    named = prices.rows["market_hash_name"] == item.market_hash_name
    return bool((named | (prices.rows["item_id"] == (item.item_id or ""))).all())


def _page_info(prices: PricePage) -> PageInfo:
    return PageInfo(
        offset=prices.offset,
        limit=prices.limit,
        total=prices.total,
        has_next=prices.has_next,
        keys=prices.keys,
        fingerprint=prices.fingerprint,
        others=len(prices.rejects) + prices.surplus,
    )
