"""The view `portfolio` equals a spreadsheet of twenty holdings, computed by hand in plain Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from connectors.schemas import FX, PROVIDERS
from tests.support.asks_model import records
from tests.support.warehouse import Quote, item_name, land, load_into_memory, minute, observe, run_header
from warehouse.holdings import Holding, store_holdings
from warehouse.landing.writer import LandingWriter
from warehouse.paths import WarehousePaths

FEES = {"steam": Decimal("0.15"), "csfloat": Decimal("0.02")}
RATES = {"EUR": Decimal("0.8"), "JPY": Decimal(150)}
KNIFE = "★ Karambit | Doppler (Factory New)"
PHASES = {"21": "Ruby", "22": "Sapphire"}
MONEY = ("cost", "value", "value_net", "profit")
DAYS = (31, 8, 2, 0)  # of the snapshots, before the last one
ITEMS = tuple(str(number) for number in range(1, 9))


def cents(item: str, provider: str, days_ago: int) -> int:
    """Return an ask: it grows with the item, and towards now."""
    base = 100 * int(item) + (7 if provider == "csfloat" else 0)
    return base + 3 * (31 - days_ago)


def bid_cents(item: str) -> int:
    return 95 * int(item) + 93


def full_name(item: str) -> str:
    return f"{KNIFE} @ {PHASES[item]}" if item in PHASES else item_name(item)


def quote_of(item: str, price: int, provider: str, **fields: Any) -> Quote:
    if item in PHASES:
        fields |= {"name": KNIFE, "phase": PHASES[item]}
    return Quote(item, price, provider=provider, **fields)


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    """Return a record of four snapshots at two marketplaces; the last one lists item 8 no more."""
    paths = WarehousePaths(tmp_path_factory.mktemp("portfolio"))
    folders = [_land_catalogs(paths)]
    for days_ago in DAYS:
        at = minute(1440 * (31 - days_ago))
        listed = [item for item in (*ITEMS, *PHASES) if not (item == "8" and days_ago == 0)]
        asks = [quote_of(item, cents(item, key, days_ago), key) for item in listed for key in FEES]
        bids = [quote_of(item, bid_cents(item), "csfloat", delivery="bid") for item in listed]
        shards = (
            observe(at, *asks, providers=tuple(FEES)),
            observe(at, *bids, providers=("csfloat",), deliveries=("bid",)),
        )
        folders.append(land(paths, f"run-{days_ago}", *shards, interval_seconds=40 * 86_400))
    database = load_into_memory(folders)
    store_holdings(database, tuple(holdings()))
    return database


def _land_catalogs(paths: WarehousePaths) -> Path:
    fees = [
        {**dict.fromkeys(PROVIDERS), "provider": key, "name": key, "sell_fee": float(fee)}
        for key, fee in FEES.items()
    ]
    rates = [(code, rate, minute(-2)) for code, rate in RATES.items()]
    with LandingWriter(paths.landing, run_header("catalogs", minute(-1))) as landing:
        landing.add_catalog("providers", pl.DataFrame(fees, schema=PROVIDERS))
        landing.add_catalog("fx", pl.DataFrame(rates, schema=FX, orient="row"))
        landing.finish("done")
    return landing.folder


def holdings() -> Iterator[Holding]:
    """Yield twenty holdings: of items, of phases, in four currencies, of unknown ones, without a price."""
    currencies = ("USD", "EUR", "JPY", "CHF")
    for line in range(2, 18):
        item = ("1", "2", "3", "4", "5", "6", "7", "8", "21", "22")[line % 10]
        price = None if line == 9 else Decimal(line) / 4
        day = date(2026, 1, line)
        yield Holding(line, full_name(item), line, "steam", price, currencies[line % 4], day)
    yield Holding(18, full_name("1").upper(), 1, None, Decimal(0), "USD", None)
    yield Holding(19, "Dragon Lore of my dreams", 1, None, Decimal(9), "USD", None)
    yield Holding(20, KNIFE, 1, None, Decimal(9), "USD", None)  # without its phase
    yield Holding(21, full_name("2"), 10**9, None, Decimal("0.00000001"), "USD", None)


def spreadsheet(holding: Holding) -> Mapping[str, Any]:
    """Compute the row of a holding. Prices are in cents of a dollar, then converted."""
    by_name = {full_name(item).lower(): item for item in (*ITEMS, *PHASES)}
    item = by_name.get(holding.item.lower())
    rate = Decimal(1) if holding.currency == "USD" else RATES.get(holding.currency)
    listed = item is not None and item != "8"
    if item is None:
        status = "unknown item"
    elif rate is None:
        status = "no exchange rate"
    else:
        status = "valued" if listed else "not listed"
    row: dict[str, Any] = dict.fromkeys(("ask", "bid", "net", "change_1d", "change_7d", "change_30d"))
    if listed and item is not None:
        asks = {key: Decimal(cents(item, key, 0)) / 100 for key in FEES}
        bid = Decimal(bid_cents(item)) / 100
        proceeds = [ask * (1 - FEES[key]) for key, ask in asks.items()] + [bid * (1 - FEES["csfloat"])]
        if rate is not None:
            row |= {"ask": min(asks.values()) * rate, "bid": bid * rate, "net": max(proceeds) * rate}
        now = min(asks.values())
        for days, snapshot in ((1, 2), (7, 8), (30, 31)):
            was = Decimal(min(cents(item, key, snapshot) for key in FEES)) / 100
            row[f"change_{days}d"] = float(now / was - 1)
    cost = None if holding.price is None else holding.price * holding.quantity
    value_net = None if row["net"] is None else row["net"] * holding.quantity
    return {
        **row,
        "cost": cost,
        "value": None if row["ask"] is None else row["ask"] * holding.quantity,
        "value_net": value_net,
        "profit": None if cost is None or value_net is None else value_net - cost,
        "status": status,
    }


def test_portfolio_equals_the_spreadsheet(db: duckdb.DuckDBPyConnection) -> None:
    rows = records(db, "FROM portfolio ORDER BY line")
    owned = list(holdings())
    assert [row["line"] for row in rows] == [holding.line for holding in owned]
    assert len(rows) == 20
    for row, holding in zip(rows, owned, strict=True):
        for name, value in spreadsheet(holding).items():
            shown = row[name]
            assert (shown is None) == (value is None), (holding, name, shown, value)
            if isinstance(value, str):
                assert shown == value, holding
            elif value is not None:
                assert float(shown) == pytest.approx(float(value), rel=1e-9), (holding, name)
    exact = {
        row["line"]: (row["cost"], row["value"], row["profit"]) for row in rows if row["currency"] == "USD"
    }
    for holding in owned:
        if holding.currency == "USD" and (sheet := spreadsheet(holding))["value"] is not None:
            assert exact[holding.line] == (sheet["cost"], sheet["value"], sheet["profit"])
    assert {row["status"] for row in rows} == {"valued", "not listed", "unknown item", "no exchange rate"}


def test_same_holdings_are_not_written_again(db: duckdb.DuckDBPyConnection) -> None:
    before = db.execute("SELECT list(rowid ORDER BY rowid) FROM store.holding").fetchall()
    store_holdings(db, tuple(holdings()))
    assert db.execute("SELECT list(rowid ORDER BY rowid) FROM store.holding").fetchall() == before
    (first, *others) = holdings()
    store_holdings(db, others)
    assert db.execute("SELECT min(line) FROM portfolio").fetchall() == [(first.line + 1,)]
    store_holdings(db, (first, *others))
