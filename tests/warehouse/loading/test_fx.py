"""Exchange rates in the warehouse, and dollar quotes converted with them as the source converts."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, localcontext
from pathlib import Path

import duckdb
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors.schemas import FX
from sandbox.core import Sandbox
from sandbox.market.money import convert
from tests.support.snapshots import Bench, catalog_of, ledger, ordered
from tests.support.warehouse import (
    Quote,
    create_warehouse,
    land_and_load,
    load,
    load_into_memory,
    minute,
    observe,
    query_rows,
    quotes_frame,
    run_header,
)
from warehouse.landing.model import PageMeta, ShardHeader
from warehouse.landing.writer import LandingWriter
from warehouse.paths import WarehousePaths

IN = "SELECT item_id, price, lowest_ask, rate, rate_at, converted FROM quotes_in(?) ORDER BY ALL"
CENTS = st.integers(min_value=0, max_value=10**9)
# Twelve digits, as the sandbox has them, of what costs a million dollars or next to nothing.
RATES = st.builds(
    lambda digits, places: Decimal(digits).scaleb(-places),
    st.integers(min_value=1, max_value=10**12 - 1),
    st.integers(min_value=3, max_value=18),
)
FEW = settings(max_examples=40, deadline=None)
KNOWN = {
    "provider": "1 AS provider_key, 'a' AS source, 'p' AS provider",
    "item": "1 AS item_key, 'a' AS source, '1' AS item_id, '' AS base_name, '' AS market_hash_name,"
    " false AS aggregate",
    "run": "1 AS run_key, 'r' AS run_id, 'snapshot' AS flow, 'a' AS source, '' AS basket, 'done' AS state,"
    " now() AS started_at, now() AS loaded_at, 1 AS requests, 1 AS rows_fetched, 1 AS rows_changed,"
    " 0 AS rows_closed, 0 AS rows_rejected",
}
# `quantity` keeps the order.
QUOTED = """
SELECT (1 << 20) | 1 AS quote_key, 1 AS item_key, 1 AS provider_key, 'USD' AS currency,
    'standard' AS delivery, 1 AS run_key, now() AS valid_from, now() AS seen_at,
    unnest($1::DECIMAL(20, 8)[]) AS other_price, 0 AS lowest_ask, generate_subscripts($1, 1) AS quantity
"""


def table(moment: datetime, rates: Mapping[str, str]) -> pl.DataFrame:
    listed = [(currency, Decimal(rate), moment) for currency, rate in rates.items()]
    return pl.DataFrame(listed, schema=FX, orient="row")


def with_rates(
    home: WarehousePaths,
    run_id: str,
    at: float,
    rates: Mapping[str, str],
    *quotes: Quote,
    source: str = "cs2cap",
) -> None:
    """Land a run that fetched a table of rates on the way, and load it."""
    moment = minute(at)
    with LandingWriter(home.landing, run_header(run_id, moment, source=source)) as landing:
        writer = landing.open_shard(ShardHeader(0, "USD", ("standard",), ("steam",), None))
        writer.append(PageMeta(0, 0, len(quotes), moment, moment, ""), quotes_frame(quotes))
        writer.finish(complete=True, reason=None)
        landing.add_catalog("fx", table(minute(at - 1), rates))
        landing.finish("done")
    load(home)


@pytest.fixture
def home(tmp_path: Path) -> WarehousePaths:
    """Return a warehouse with a quote of 12.34 dollars and a table of rates from a minute before noon."""
    home = create_warehouse(tmp_path)
    with_rates(home, "a", 0, {"USD": "1", "EUR": "0.8547", "BTC": "0.0000081412345678"}, Quote("1", 1234))
    return home


def test_rates_are_kept_exactly(home: WarehousePaths) -> None:
    assert query_rows(
        home, "SELECT source, currency, rate, rate_at, observed_at FROM fx_rates ORDER BY ALL"
    ) == [
        ("cs2cap", "BTC", Decimal("0.0000081412345678"), minute(-1), minute(0)),
        ("cs2cap", "EUR", Decimal("0.8547"), minute(-1), minute(0)),
        ("cs2cap", "USD", Decimal(1), minute(-1), minute(0)),
    ]


def test_a_quote_is_converted_by_the_newest_rates(home: WarehousePaths) -> None:
    assert query_rows(home, IN, "EUR") == [
        ("1", Decimal("10.55"), 1055, Decimal("0.8547"), minute(-1), True),
    ]
    with_rates(home, "b", 10, {"EUR": "0.9"}, Quote("1", 1234))
    assert query_rows(home, IN, "eur") == [("1", Decimal("11.11"), 1111, Decimal("0.9"), minute(9), True)]


def test_a_table_that_comes_late_stays_behind_the_newer_one(home: WarehousePaths) -> None:
    with_rates(home, "b", -10, {"EUR": "0.7"}, Quote("1", 1234))
    assert query_rows(home, "SELECT price FROM quotes_in('EUR')") == [(Decimal("10.55"),)]
    assert query_rows(home, "SELECT count(*) FROM fx_rates WHERE currency = 'EUR'") == [(2,)]


def test_a_table_that_is_told_again_is_kept_once(home: WarehousePaths) -> None:
    moment = minute(5)
    with LandingWriter(home.landing, run_header("b", moment)) as landing:
        landing.add_catalog("fx", table(minute(-1), {"EUR": "0.8547"}))
        landing.finish("done")
    load(home)
    assert query_rows(home, "SELECT count(*) FROM fx_rates") == [(3,)]


def test_crypto_is_shown_with_eight_places(home: WarehousePaths) -> None:
    assert query_rows(home, "SELECT price, lowest_ask FROM quotes_in('BTC')") == [(Decimal("0.00010046"), 0)]


def test_dollars_stay_what_they_are(home: WarehousePaths) -> None:
    assert query_rows(home, IN, "usd") == [("1", Decimal("12.34"), 1234, Decimal(1), None, False)]


def test_a_currency_without_a_rate_has_no_quotes(home: WarehousePaths) -> None:
    assert query_rows(home, IN, "ZZZ") == []


def test_what_the_source_converted_itself_is_not_converted_again(home: WarehousePaths) -> None:
    land_and_load(home, "b", observe(minute(5), Quote("1", 1056), currency="EUR"))
    assert query_rows(home, "SELECT lowest_ask FROM quotes_in('EUR')") == [(1055,)]


def test_a_source_without_rates_takes_the_newest_of_another(home: WarehousePaths) -> None:
    land_and_load(home, "b", observe(minute(5), Quote("1", 1000)), source="skinshark")
    asked = "SELECT source, price, rate_at FROM quotes_in('EUR') ORDER BY ALL"
    assert query_rows(home, asked) == [
        ("cs2cap", Decimal("10.55"), minute(-1)),
        ("skinshark", Decimal("8.55"), minute(-1)),
    ]


def test_it_has_the_columns_of_quotes_and_how_it_was_converted(home: WarehousePaths) -> None:
    quotes = [name for name, *_ in query_rows(home, "DESCRIBE FROM quotes")]
    converted = [name for name, *_ in query_rows(home, "DESCRIBE FROM quotes_in('EUR')")]
    assert converted == [*quotes, "rate", "rate_at", "converted"]


@pytest.fixture(scope="module")
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a database in memory that knows one item at one provider."""
    with load_into_memory([]) as db:
        for name, known in KNOWN.items():
            db.execute(f"INSERT INTO store.{name} BY NAME SELECT {known}")
        yield db


def converted(
    db: duckdb.DuckDBPyConnection, prices: Sequence[Decimal], rate: Decimal
) -> list[tuple[int | None, Decimal]]:
    """What `quotes_in` makes of prices in dollars: minor units and amounts, in their order."""
    db.execute("DELETE FROM store.current")
    db.execute("DELETE FROM store.fx_rate")
    db.execute("INSERT INTO store.fx_rate VALUES ('a', 'EUR', ?::DECIMAL(38, 18), now(), now())", [rate])
    db.execute(f"INSERT INTO store.current BY NAME {QUOTED}", [[str(price) for price in prices]])
    return db.execute("SELECT lowest_ask, price FROM quotes_in('EUR') ORDER BY quantity").fetchall()


@FEW
@given(st.lists(CENTS, min_size=1, max_size=50), RATES)
@example([10**9], Decimal("999999999.999"))
@example([1], Decimal("99.9999999999"))
@example([1], Decimal("0.000000000000000001"))
@example([100], Decimal("0.999999995"))
@example([3], Decimal("0.5"))
def test_it_equals_the_sandbox_s_conversion(
    db: duckdb.DuckDBPyConnection, cents: list[int], rate: Decimal
) -> None:
    told = [convert(amount, rate) for amount in cents]
    prices = [Decimal(amount).scaleb(-2) for amount in cents]
    assert converted(db, prices, rate) == [(money.minor, Decimal(money.decimal)) for money in told]


@FEW
@given(
    st.lists(st.integers(min_value=0, max_value=10**18), min_size=1, max_size=50),
    st.decimals(Decimal("1e-9"), 10**4, places=14),
)
@example([9_007_199_300_499_999, 9_007_199_400_499_999, 99_007_199_300_499_999], Decimal(1))
@example([10**15], Decimal("9999.999999999999999999"))
@example([10**15], Decimal(10**4))
def test_prices_below_a_cent_and_rates_of_many_places_stay_exact(
    db: duckdb.DuckDBPyConnection, parts: list[int], rate: Decimal
) -> None:
    prices = [Decimal(part).scaleb(-8) for part in parts]
    with localcontext(prec=60):
        for price, (minor, amount) in zip(prices, converted(db, prices, rate), strict=True):
            assert minor is not None
            assert abs(minor - price * rate * 100) <= Decimal("0.5")
            assert abs(amount - price * rate) <= Decimal("0.005" if amount >= 1 else "0.000000005")


def test_an_amount_beyond_every_integer_is_still_exact(db: duckdb.DuckDBPyConnection) -> None:
    assert converted(db, [Decimal(10**10), Decimal(1)], Decimal("999999999.999")) == [
        (None, Decimal(9_999_999_999_990_000_000)),
        (100_000_000_000, Decimal(1_000_000_000)),
    ]


@pytest.mark.parametrize("currency", ["EUR", "JPY", "KWD", "BTC", "DOGE"])
def test_a_basket_with_the_table_equals_what_the_api_converts(
    sandbox: Sandbox, tmp_path: Path, currency: str
) -> None:
    bench = Bench.at(tmp_path, sandbox, catalog_of("steam", "csfloat", currencies=[currency], fx="table"))
    bench.snapshot()
    asked = "SELECT provider, item_id, phase, lowest_ask, price, quantity FROM quotes_in(?)"
    assert ordered(bench.ask(asked, currency)) == ledger(sandbox, ("steam", "csfloat"), currency=currency)
    assert bench.ask("SELECT DISTINCT currency FROM quotes") == [("USD",)]
