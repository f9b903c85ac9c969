"""A small market for the examples of the reference: the same rows whenever it is published."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl

from connectors.listings import Offer
from connectors.schemas import FX, ITEMS, MARKET_STATS, PROVIDERS
from tests.support.clocks import NOON
from tests.support.listings import Walk, add_walks
from tests.support.series_landings import Candle, DailyPoint, Point, Sale, SeriesPage, land_series
from tests.support.warehouse import DAY, Quote, create_warehouse, land, load, observe, run_header
from warehouse.holdings import Holding
from warehouse.landing.writer import LandingWriter
from warehouse.paths import WarehousePaths
from warehouse.state.alerts import Alert, AlertStore
from warehouse.state.database import open_state

EVERY: Final = timedelta(hours=6)
# Runs at noon of 1 June and every six hours, but for those of a gap.
ROUNDS: Final = (0, 1, 2, 3, 4, 7, 8, 9, 10, 11, 12)
FEES: Final = {"buff163": 0.025, "csfloat": 0.02, "steam": 0.15}
NAMES: Final = {"buff163": "BUFF163", "csfloat": "CSFloat", "steam": "Steam"}
REDLINE: Final = "AK-47 | Redline (Field-Tested)"
REJECT: Final = ("lowest_ask: not a number", '{"item_id": 6, "lowest_ask": "n/a"}')


class Listed(NamedTuple):
    """An item of the market: its asks move around `cents`."""

    item: str
    cents: int
    name: str
    phase: str | None = None


MARKET: Final = (
    Listed("1", 1_450, REDLINE),
    Listed("2", 4_900, "AK-47 | Redline (Minimal Wear)"),
    Listed("3", 3_800, "StatTrak™ AK-47 | Redline (Field-Tested)"),
    Listed("4", 412_000, "★ Karambit | Doppler (Factory New)", "Ruby"),
    Listed("4", 265_000, "★ Karambit | Doppler (Factory New)", "Sapphire"),
    Listed("5", 52_000, "Souvenir AWP | Electric Hive (Factory New)"),
    Listed("6", 94_500, "Sticker | Crown (Foil)"),
)


def publish_example(folder: Path) -> WarehousePaths:
    """Publish the market: three days of snapshots with a gap, bids, series, a reject and an alert."""
    paths = create_warehouse(folder)
    _land_catalogs(paths)
    euros = observe(NOON, Quote("1", 1_240, name=REDLINE), currency="EUR")
    land(paths, "20260601-euros", euros, basket="euros", interval_seconds=3600)
    for number in ROUNDS:
        at = NOON + number * EVERY
        asks = observe(at, *_asks(number), providers=tuple(FEES), rejects=[REJECT] if number == 2 else ())
        bids = observe(at, *_bids(number), providers=("buff163", "steam"), deliveries=("bid",))
        land(paths, f"{at:%Y%m%d-%H}00", asks, bids, basket="market", interval_seconds=EVERY // SECOND)
    _land_series(paths)
    alert = Alert("quota.exhausted", "cs2cap", "", "the requests of this month are used up")
    AlertStore(open_state(paths)).raise_alert(alert, NOON + 11 * EVERY)
    load(paths, HOLDINGS)
    return paths


SECOND: Final = timedelta(seconds=1)
HOLDINGS: Final = (
    Holding(2, REDLINE, 2, "steam", Decimal("12.50"), "EUR", date(2026, 3, 1)),
    Holding(3, "Dragon Lore of my dreams", 1, None, None, "USD", None),
    Holding(4, f"{MARKET[1].name} @ {MARKET[1].phase}" if MARKET[1].phase else MARKET[1].name, 5, "csfloat",
            Decimal(40), "USD", date(2026, 5, 11)),
)  # fmt: skip


def _asks(number: int) -> Iterator[Quote]:
    """Yield the asks of a run. Steam's Sapphire is sold out from the ninth run on; one ask is a mistake."""
    for row, listed in enumerate(MARKET):
        for column, provider in enumerate(sorted(FEES)):
            step = (number // (1 + row % 3) * 7 + row * 3 + column * 5) % 9 - 4
            cents = listed.cents * (100 + step + 6 * column) // 100
            if provider == "csfloat" and listed.item == "6":
                cents = listed.cents // 50
            if not (provider == "steam" and listed.phase == "Sapphire" and number > 8):
                yield _quote(listed, provider, cents, 3 + (row + column + number) % 5)


def _bids(number: int) -> Iterator[Quote]:
    for row, listed in enumerate(MARKET):
        for column, provider in enumerate(("buff163", "steam")):
            cents = listed.cents * (91 + (number // 3 + row) % 4 + 9 * column) // 100
            quote = _quote(listed, provider, cents, 2 + row)
            yield Quote(quote.item, quote.cents, quote.quantity, provider, name=quote.name, phase=quote.phase,
                        timestamp=None, last_updated=None, delivery="bid")  # fmt: skip


def _quote(listed: Listed, provider: str, cents: int, quantity: int) -> Quote:
    return Quote(listed.item, cents, quantity, provider, None, None, listed.name, listed.phase)


def _land_catalogs(paths: WarehousePaths) -> None:
    """Land a run that fetched items, the fees of marketplaces, exchange rates and figures of the market."""
    items = [
        {"item_id": listed.item, "market_hash_name": listed.name, "phase": listed.phase,
         "item_type": "Sticker" if "Sticker" in listed.name else "Weapon", "rarity_name": "Classified",
         "is_stattrak": "StatTrak" in listed.name, "is_souvenir": "Souvenir" in listed.name}
        for listed in MARKET
    ]  # fmt: skip
    providers = [
        {"provider": key, "name": NAMES[key], "market_type": "p2p", "default_currency": "USD",
         "sell_fee": fee, "insta_sell_fee": fee, "has_buy_orders": key != "csfloat", "health": "up"}
        for key, fee in FEES.items()
    ]  # fmt: skip
    rates = [("CNY", Decimal("7.1214"), NOON), ("EUR", Decimal("0.854712"), NOON)]
    with LandingWriter(paths.landing, run_header("20260601-catalogs", NOON - EVERY)) as landing:
        landing.add_catalog("items", pl.DataFrame(items, schema=ITEMS, orient="row"))
        landing.add_catalog("providers", pl.DataFrame(providers, schema=PROVIDERS, orient="row"))
        landing.add_catalog("fx", pl.DataFrame(rates, schema=FX, orient="row"))
        landing.add_catalog("market_stats", pl.DataFrame(list(_figures()), schema=MARKET_STATS, orient="row"))
        add_walks(landing, *_walks())
        landing.finish("done")


def _walks() -> Iterator[Walk]:
    """Yield two walks through the offers of an item, between which one copy is sold and another is listed."""
    copies = [
        Offer(f"7b1f{number}c52-8c1c-4f0e-9d55-0d5a2f1f7a10", Decimal(1_450 + 35 * number) / 100,
              wear=f"0.1{number}53274917602539", paint_seed=101 * number, delivery="standard")
        for number in range(1, 5)
    ]  # fmt: skip
    for hours, seen in ((6, copies[:3]), (2, copies[1:])):
        yield Walk("1", NOON - timedelta(hours=hours), *seen, name=REDLINE)


def _figures() -> Iterator[dict[str, object]]:
    """Yield the figures that the API has of each item."""
    for rank, listed in enumerate(MARKET, 1):
        yield {
            "item_id": listed.item, "market_hash_name": listed.name, "phase": listed.phase,
            "observed_at": NOON - EVERY, "provider_count": len(FEES),
            "sales_1d": 90 // rank, "sales_7d": 600 // rank, "sales_30d": 2_500 // rank,
            "steam_sales_7d": None, "steam_sales_30d": None,
            "supply": 40_000 // rank, "liquidity": 80 - 5 * rank, "rank": rank,
        }  # fmt: skip


def _land_series(paths: WarehousePaths) -> None:
    """Land points in the gap, candles of an hour, sales, and the days before, as backfills fetch them."""
    end = NOON + 12 * EVERY
    in_gap = [NOON + 5 * EVERY, NOON + 6 * EVERY]
    points = [Point(at, 1_390 + 10 * n, 4, provider="buff163", name=REDLINE) for n, at in enumerate(in_gap)]
    land_series(paths, "20260604-points", SeriesPage(end, points))
    hours = [end - timedelta(hours=hours) for hours in (1, 2, 30)]
    candles = [Candle(at, 1_400 + n, 12 - n, name=REDLINE) for n, at in enumerate(hours)]
    land_series(paths, "20260604-candles", SeriesPage(end, candles), kind=Candle)
    land_series(paths, "20260604-sales", SeriesPage(end, list(_sales(end))), kind=Sale)
    days = [NOON.replace(hour=0) - number * DAY for number in (3, 2, 1)]
    daily = [
        DailyPoint(day, 1_350 + 12 * n + 20 * place, 5 + n, provider=provider, name=REDLINE)
        for n, day in enumerate(days)
        for place, provider in enumerate(("buff163", "steam"))
    ]
    land_series(paths, "20260604-daily", SeriesPage(end, daily), kind=DailyPoint)


def _sales(end: datetime) -> Iterator[Sale]:
    for number, hours in enumerate((3, 9, 20, 50, 170)):
        at = end - timedelta(hours=hours)
        yield Sale(at, 1_380 + 7 * number, 0.15 + number / 100, name=REDLINE, provider="buff163")
    yield Sale(end - timedelta(hours=40), 4_850, 0.09, item="2", name=MARKET[1].name, provider="csfloat")
