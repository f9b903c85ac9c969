"""The marketplaces behind SkinShark's listing, and what an answer says about which one it lists."""

from collections.abc import Iterable
from typing import Final, NamedTuple

import polars as pl

from common.errors import UnexpectedResponse
from connectors.schemas import PROVIDERS
from connectors.skinshark.rows import Row

# Steam, where SkinShark only sells: no server lists it, so that a server that reads `market` refuses it.
UNLISTED_NUMBER: Final = "1"


class Market(NamedTuple):
    """A marketplace: our provider key (CS2Cap's where CS2Cap has it), its name, and the API's number.

    `number` is None for the listing of all markets, for which no parameter is sent. `has_phases` and
    `has_instant` say what a listing of the marketplace can contain.
    """

    provider: str
    name: str
    number: str | None = None
    has_phases: bool = True
    has_instant: bool = True


MARKETS: Final = {
    "all": Market("skinshark", "SkinShark"),
    "c5": Market("c5", "C5Game", "3", has_phases=False),
    "ecosteam": Market("ecosteam", "ECOSteam", "4", has_instant=False),
}


def needs_proof(providers: Iterable[str]) -> bool:
    """Return whether a run that reads these providers first has to prove that the server lists one market."""
    single = {market.provider for market in MARKETS.values() if market.number is not None}
    return not single.isdisjoint(providers)


def catalog_folder(source: str, market: str) -> str:
    """Return where the catalogs of a source with this `market` are cached; see `Connector`."""
    return source if MARKETS[market].number is None else f"{source}/{market}"


def providers_of(market: str) -> pl.DataFrame:
    """Return the one marketplace of a source with this `market`, schema `PROVIDERS`."""
    row = {
        "provider": MARKETS[market].provider,
        "name": MARKETS[market].name,
        "default_currency": "USD",
        "has_buy_orders": False,
        "has_recent_sales": False,
    }
    return pl.DataFrame([row], schema=PROVIDERS)


def check_listing(market: Market, rows: Iterable[Row], source: str) -> None:
    """Raise UnexpectedResponse where `rows` have what a listing of the marketplace cannot have.

    By the API's documents only EcoSteam has phases, and EcoSteam has no instant delivery.
    """
    if market.has_phases and market.has_instant:
        return
    for phase, delivery, _ in (quote for row in rows for quote in row.quotes()):
        if phase is not None and not market.has_phases:
            raise not_served(market, "the listing has prices of phases, which are not this market's", source)
        if delivery == "instant" and not market.has_instant:
            raise not_served(market, "the listing has instant prices, which are not this market's", source)


def not_served(market: Market, reason: str, source: str) -> UnexpectedResponse:
    """Return the error of a server that is not proven to list this one marketplace."""
    return UnexpectedResponse(
        f"{market.name} alone cannot be read: {reason}. Nothing was stored as {market.provider}; "
        'set market = "all" for this source to read the listing of all markets',
        source,
    )
