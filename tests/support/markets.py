"""A warehouse with rows in every public view."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from connectors.listings import Offer
from connectors.schemas import FX, MARKET_STATS, PROVIDERS
from tests.support.clocks import NOON
from tests.support.listings import Walk, add_walks
from tests.support.series_landings import Candle, DailyPoint, Point, Sale, SeriesPage, land_series
from tests.support.warehouse import (
    DAY,
    Quote,
    ShardSpec,
    create_warehouse,
    item_name,
    land,
    load,
    minute,
    observe,
    run_header,
)
from warehouse.holdings import Holding
from warehouse.landing.writer import LandingWriter
from warehouse.paths import WarehousePaths
from warehouse.state.alerts import Alert, AlertStore
from warehouse.state.database import open_state

KNIFE = "★ Karambit | Doppler (Factory New)"


def publish_market(folder: Path, cents: int = 100) -> WarehousePaths:
    """Publish a small market whose prices grow with `cents`: phases, bids, currencies, series, rejects."""
    paths = create_warehouse(folder)
    _land_catalogs(paths, cents)
    rejects = ((f"did not fit {cents}", '{"item_id": 9, "name": "line\nend, \\"quoted\\""}'),)
    providers = ("steam", "buff163")
    land(paths, f"before-{cents}", _observe_asks(-1500, cents + 1), facts={"requests": cents})
    bids = observe(minute(0), Quote("1", cents + 90, delivery="bid"), deliveries=("bid",))
    land(paths, f"first-{cents}", _observe_asks(0, cents, rejects=rejects), bids)
    euros = observe(minute(0), Quote("1", cents, price=Decimal("1.005")), currency="EUR", providers=providers)
    land(paths, f"euros-{cents}", euros, basket="euros", started_at=minute(1))
    land(paths, f"second-{cents}", _observe_asks(300 + cents / 1000, cents + 5))
    points = [Point(minute(at), cents + at, item=item) for at in (60, 120) for item in "12"]
    land_series(paths, f"points-{cents}", SeriesPage(minute(310), points))
    land_series(
        paths, f"candles-{cents}", SeriesPage(minute(310), [Candle(minute(0), cents, cents)]), kind=Candle
    )
    land_series(paths, f"sales-{cents}", SeriesPage(minute(310), [Sale(minute(0), cents, 0.07)]), kind=Sale)
    days = [DailyPoint(minute(0).replace(hour=0) - number * DAY, cents + number) for number in (0, 1)]
    land_series(paths, f"daily-{cents}", SeriesPage(minute(310), days), kind=DailyPoint)
    AlertStore(open_state(paths)).raise_alert(
        Alert("quota.exhausted", "cs2cap", "", f"used up: {cents}"), NOON
    )
    load(paths, [Holding(2, item_name("1"), 2, "steam", Decimal(cents) / 100, "USD", None)])
    return paths


def _observe_asks(at: float, cents: int, **fields: Any) -> ShardSpec:
    """Return a catalog with a knife's phase, asks of nothing, an ask of an extreme price and two far off."""
    asks = (
        Quote("1", cents),
        Quote("1", cents * 2, provider="buff163"),
        Quote("2", cents + 3, quantity=0, url="https://example.com/?a='b'"),
        Quote(f"{cents}", 0),
        Quote("4", 99_999_999_999_999, None, provider="buff163"),
        Quote("5", cents),
        Quote("5", cents * 4, provider="buff163"),
        Quote("11", cents * 9, name=KNIFE, phase="Ruby"),
    )
    return observe(minute(at), *asks, providers=("steam", "buff163"), **fields)


def _land_catalogs(paths: WarehousePaths, cents: int) -> None:
    """Land a run that fetched the fees of two marketplaces and a table of exchange rates."""
    columns: dict[str, object] = {name: [None] * 2 for name in PROVIDERS}
    fees = {**columns, "provider": ["steam", "buff163"], "sell_fee": [0.15, cents / 1e5]}
    with LandingWriter(paths.landing, run_header(f"catalogs-{cents}", minute(-1))) as landing:
        landing.add_catalog("providers", pl.DataFrame(fees, schema=PROVIDERS))
        rates = [("EUR", Decimal("0.854712345678") * cents, minute(-2))]
        landing.add_catalog("fx", pl.DataFrame(rates, schema=FX, orient="row"))
        figures = {
            "item_id": "1", "market_hash_name": item_name("1"), "observed_at": minute(-2), "supply": cents,
        }  # fmt: skip
        landing.add_catalog("market_stats", pl.DataFrame([figures], schema=MARKET_STATS))
        offer = Offer(f"offer-{cents}", Decimal(cents) / 100, wear="0.070000000000000001", stickers="[]")
        add_walks(landing, Walk("1", minute(-2), offer))
        landing.finish("done")
