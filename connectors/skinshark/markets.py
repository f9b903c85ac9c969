"""The marketplaces behind SkinShark's listing, and what an answer says about which one it lists."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from common.errors import UnexpectedResponse
from common.shards import PROVIDER_NOT_REQUESTED
from connectors.schemas import PROVIDERS

if TYPE_CHECKING:
    from connectors.skinshark.rows import ListingRows, Row

# Steam, where SkinShark only sells: no server lists it, so that a server that reads `market` refuses it.
UNLISTED_NUMBER: Final = "1"
# So many of the rows that could show it show that a page is of another marketplace.
FOREIGN_SHARE: Final = 0.1


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
        # A deposit is SkinShark's own bid, and none of the markets behind it.
        "has_buy_orders": MARKETS[market].number is None,
        "has_recent_sales": False,
    }
    return pl.DataFrame([row], schema=PROVIDERS)


def find_foreign_price(market: Market, row: Row) -> str | None:
    """Return why a row is not of a listing of the marketplace, or None.

    By the API's documents only EcoSteam has phases, and EcoSteam has no instant delivery.
    """
    for phase, delivery, _ in () if market.has_phases and market.has_instant else row.quotes():
        if phase is not None and not market.has_phases:
            return PROVIDER_NOT_REQUESTED + f"{market.name} has no prices of phases"
        if delivery == "instant" and not market.has_instant:
            return PROVIDER_NOT_REQUESTED + f"{market.name} has no instant prices"
    return None


def check_listing(market: Market, rows: ListingRows, source: str) -> None:
    """Raise UnexpectedResponse for a page that is not of the marketplace: one row says nothing of the others.

    Several do where they are many of the rows that could show it: in a listing of all markets, phases have
    those finishes only that have phases.
    """
    foreign = [reject for reject in rows.rejects if reject.reason.startswith(PROVIDER_NOT_REQUESTED)]
    if len(foreign) < 2:
        return
    telling = [row for row in rows.fitting if market.has_phases or "Doppler" in row.market_hash_name]
    if len(foreign) > FOREIGN_SHARE * (len(foreign) + len(telling)):
        reason = foreign[0].reason.removeprefix(PROVIDER_NOT_REQUESTED)
        raise not_served(market, f"{reason}, and {len(foreign):,} rows of a page have", source)


def not_served(market: Market, reason: str, source: str) -> UnexpectedResponse:
    """Return the error of a server that is not proven to list this one marketplace."""
    return UnexpectedResponse(
        f"{market.name} alone cannot be read: {reason}. Nothing was stored as {market.provider}; "
        'set market = "all" for this source to read the listing of all markets',
        source,
    )
