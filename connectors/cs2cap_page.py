"""An answer of `/v1/prices` on its way to a page: typed, and seen to answer what was asked.

Nothing here knows of a loop, a connection or a disk, and all of it can be pickled: whoever lands the page
decides in which thread or process it is made.
"""

from dataclasses import dataclass
from datetime import datetime

from connectors.base import Page
from connectors.cs2cap_answers import Prices, read_prices
from connectors.errors import ContractBroken, WalkBroken, plain
from connectors.frames import providers_of
from connectors.inflate import Inflate
from connectors.paging import Sheet
from connectors.plan import Item


@dataclass(frozen=True, slots=True)
class Question:
    """What a walk asks for: `item`, or everything if None; `providers` to ask at, or every one if empty."""

    source: str
    place: int
    currency: str
    providers: frozenset[str]
    item: Item | None


def read_page(question: Question, offset: int, inflate: Inflate, moment: datetime) -> tuple[Page, Sheet]:
    """Make the page of an answer that `inflate` gives and that the server sent at `moment` (UTC).

    Raises ContractBroken, WalkBroken, and Disconnected where the body was cut.
    """
    prices = read_prices(inflate(), question.source)
    _check(question, offset, prices)
    page = Page(
        request=question.place,
        offset=prices.offset,
        total=prices.total,
        observed_at=moment,
        rows=prices.rows,
        rejects=prices.rejects,
        unknown_fields=prices.unknown_fields,
        fingerprint=prices.fingerprint,
    )
    return page, _sheet(prices)


def _check(question: Question, offset: int, prices: Prices) -> None:
    """See that the answer is the one to our question: an ignored filter would store wrong prices."""
    source, item = question.source, question.item
    if prices.currency != question.currency:
        raise ContractBroken(f"asked for {question.currency}, got {plain(prices.currency, 20)}", source)
    if prices.offset != offset:
        raise WalkBroken(f"asked for offset {offset}, got {prices.offset}", source)
    strangers = providers_of(prices.rows) - question.providers if question.providers else ()
    if strangers:
        raise ContractBroken(f"not asked for {plain(', '.join(sorted(strangers)))}", source)
    if item is not None and not _speaks_of(item, prices):
        raise ContractBroken(f"asked for {item.market_hash_name}, got other items", source)


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
