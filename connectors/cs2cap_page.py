"""A listing of asks or bids on its way to a page: typed, and seen to answer what was asked.

Nothing here knows of a loop, a connection or a disk: whoever lands the page decides where it is made.
"""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from connectors.base import Page
from connectors.cs2cap_answers import Prices, read_prices
from connectors.cs2cap_question import Question, check_answer, check_providers
from connectors.errors import ContractBroken
from connectors.frames import providers_of
from connectors.inflate import Inflate
from connectors.paging import Sheet
from connectors.plan import Item


def read_page(question: Question, offset: int, inflate: Inflate, moment: datetime) -> tuple[Page, Sheet]:
    """Make the page of an answer that `inflate` gives and that the server sent at `moment` (UTC).

    Raises ContractBroken, WalkBroken, and Disconnected where the body was cut.
    """
    prices = read_prices(inflate(), question.source, question.offers)
    _check(question, offset, prices)
    page = Page(
        request=question.place,
        offset=prices.offset,
        # a page that lacks rows says nothing of the next one's place, should it be taken up again
        total=prices.total if question.wanted is None else -1,
        observed_at=moment,
        rows=of_items(prices.rows, question.wanted),
        rejects=prices.rejects,
        unknown_fields=prices.unknown_fields,
        fingerprint=prices.fingerprint,
    )
    return page, _sheet(prices)


def _check(question: Question, offset: int, prices: Prices) -> None:
    """See that the answer is the one to our question: an ignored filter would store wrong prices."""
    source, item = question.source, question.item
    check_answer(question, offset, prices.currency, prices.offset)
    check_providers(providers_of(prices.rows), question.providers, source)
    if item is not None and not _speaks_of(item, prices):
        raise ContractBroken(f"asked for {item.market_hash_name}, got other items", source)


def of_items(rows: pl.DataFrame, wanted: Sequence[Item] | None) -> pl.DataFrame:
    """Keep the `rows` about the items `wanted`: by their ids, or by name where an item has none."""
    if wanted is None:
        return rows
    ids = [item.item_id for item in wanted if item.item_id is not None]
    names = [item.market_hash_name for item in wanted if item.item_id is None]
    named = pl.col("market_hash_name").is_in(names) & pl.col("phase").is_null()
    return rows.filter(pl.col("item_id").is_in(ids) | named)


def _speaks_of(item: Item, prices: Prices) -> bool:
    """Tell whether every row is about `item`, by its id, or by its name where phases are aggregated."""
    named = prices.rows["market_hash_name"] == item.market_hash_name
    return bool((named | (prices.rows["item_id"] == (item.item_id or ""))).all())


def _sheet(prices: Prices) -> Sheet:
    return Sheet(
        offset=prices.offset,
        limit=prices.limit,
        total=prices.total,
        has_next=prices.has_next,
        keys=prices.keys,
        fingerprint=prices.fingerprint,
        others=len(prices.rejects) + prices.surplus,
    )
