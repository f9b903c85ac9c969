"""From an address to a page: read the parameters, a wrong one counts as if it were not there."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal, InvalidOperation
from typing import Final

from starlette.requests import Request

from dashboard.pages import movers
from dashboard.pages.collection import build_collection_page
from dashboard.pages.item import WINDOWS, ItemRequest, build_item_page
from dashboard.pages.items import build_items_page
from dashboard.pages.market import build_market_page
from dashboard.pages.movers import MoverFilter, build_movers_page
from dashboard.pages.page import Page
from dashboard.pages.portfolio import build_portfolio_page
from dashboard.pages.run import build_run_page
from dashboard.pages.spreads import SORTS, SpreadFilter, build_spreads_page
from dashboard.prepared import PreparedMarket

LARGEST: Final = Decimal(10**11)  # of an amount in an address
LONGEST: Final = 200  # characters of a search


def choose_currency(market: PreparedMarket, request: Request) -> str:
    """Return the currency of the address, if the database has it, or the one with the most quotes."""
    wanted = request.query_params.get("currency", "")
    return wanted if wanted in market.currencies else next(iter(market.currencies), "USD")


def message_page(title: str, message: str) -> Page:
    """Return a page with nothing but a message."""
    return Page("message.html", title, context={"message": message})


def not_found_page() -> Page:
    """Return the page of an address at which there is nothing."""
    return message_page(
        "Not found", "There is nothing at this address. Search for an item, or choose a page above."
    )


def market_page(market: PreparedMarket, _request: Request, currency: str) -> Page:
    """Return the page of the market."""
    return build_market_page(market, currency)


def items_page(market: PreparedMarket, request: Request, currency: str) -> Page:
    """Return the items of a search."""
    return build_items_page(market, currency, request.query_params.get("q", "")[:LONGEST])


def item_page(market: PreparedMarket, request: Request, currency: str) -> Page | None:
    """Return the page of an item; None where there is no such item."""
    query = request.query_params
    asked = ItemRequest(
        request.path_params["item"],
        currency,
        phase=query.get("phase", ""),
        window=_choice(request, "window", WINDOWS, "7d"),
        show=tuple(filter(None, query.get("show", "").split(","))),
    )
    return build_item_page(market, asked)


def movers_page(market: PreparedMarket, request: Request, currency: str) -> Page:
    """Return what moved most."""
    default = MoverFilter()
    chosen = MoverFilter(
        window=_choice(request, "window", movers.WINDOWS, default.window),
        direction=_choice(request, "direction", movers.DIRECTIONS, default.direction),
        least=_amount(request, "least", default.least),
        markets=int(_amount(request, "markets", Decimal(default.markets))),
    )
    return build_movers_page(market, currency, chosen)


def portfolio_page(market: PreparedMarket, _request: Request, _currency: str) -> Page:
    """Return what the user owns, in the currencies of its lines."""
    return build_portfolio_page(market)


def spreads_page(market: PreparedMarket, request: Request, currency: str) -> Page:
    """Return the best spreads."""
    default, query = SpreadFilter(), request.query_params
    chosen = SpreadFilter(
        least=_amount(request, "least", default.least),
        most=_amount(request, "most", default.most),
        margin=float(_amount(request, "margin", Decimal(0)) / 100),
        profit=_amount(request, "profit", default.profit),
        quantity=int(_amount(request, "quantity", Decimal(default.quantity))),
        bought_at=query.get("buy", ""),
        sold_at=query.get("sell", ""),
        sold_by=_choice(request, "by", ("", "listing", "bid"), default.sold_by),
        sort=_choice(request, "sort", SORTS, default.sort),
    )
    return build_spreads_page(market, currency, chosen)


def collection_page(market: PreparedMarket, _request: Request, _currency: str) -> Page:
    """Return the page of the collection."""
    return build_collection_page(market)


def run_page(market: PreparedMarket, request: Request, _currency: str) -> Page | None:
    """Return the page of a run; None where there is no such run."""
    return build_run_page(market, request.path_params["run"])


def _choice(request: Request, name: str, known: Collection[str], default: str) -> str:
    value = request.query_params.get(name, default)
    return value if value in known else default


def _amount(request: Request, name: str, default: Decimal) -> Decimal:
    """Return a number that is not negative, with at most eight decimals."""
    text = request.query_params.get(name, "")
    try:
        value = Decimal(text) if len(text) <= 32 and text.isascii() else default
        return round(value, 8) if 0 <= value <= LARGEST else default
    except InvalidOperation:
        return default
