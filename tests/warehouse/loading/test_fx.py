"""Exchange rates in the warehouse, and dollar quotes converted with them as the source converts."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
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
    copy_warehouse,
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
from warehouse.database import open_writer
from warehouse.landing.writer import LandingWriter
from warehouse.paths import WarehousePaths

QUOTES_IN = "SELECT item_id, price, lowest_ask, rate, rate_at, converted FROM quotes_in(?) ORDER BY ALL"
CENTS = st.integers(min_value=0, max_value=10**9)
# Twelve digits, as in the sandbox, from a million dollars to a tiny fraction of a dollar.
RATES = st.builds(
    lambda digits, places: Decimal(digits).scaleb(-places),
    st.integers(min_value=1, max_value=10**12 - 1),
    st.integers(min_value=3, max_value=18),
)
IN_2036 = datetime(2036, 6, 1, tzinfo=UTC)
FEW_EXAMPLES = settings(max_examples=40, deadline=None)
DIMENSIONS = {
    "provider": "1 AS provider_key, 'a' AS source, 'p' AS provider",
    "item": "1 AS item_key, 'a' AS source, '1' AS item_id, '' AS base_name, '' AS market_hash_name,"
    " false AS aggregate",
    "run": "1 AS run_key, 'r' AS run_id, 'snapshot' AS flow, 'a' AS source, '' AS basket, 'done' AS state,"
    " now() AS started_at, now() AS loaded_at, 1 AS requests, 1 AS rows_fetched, 1 AS rows_changed,"
    " 0 AS rows_closed, 0 AS rows_rejected",
}
# `quantity` preserves the order.
SELECT_QUOTES = """
SELECT (1 << 20) | 1 AS quote_key, 1 AS item_key, 1 AS provider_key, 'USD' AS currency,
    'standard' AS delivery, 1 AS run_key, now() AS valid_from, now() AS seen_at,
    unnest($1::DECIMAL(20, 8)[]) AS other_price, 0 AS lowest_ask, generate_subscripts($1, 1) AS quantity
"""


def fx_frame(time: datetime, rates: Mapping[str, str]) -> pl.DataFrame:
    rows = [(currency, Decimal(rate), time) for currency, rate in rates.items()]
    return pl.DataFrame(rows, schema=FX, orient="row")


def land_rates(
    paths: WarehousePaths,
    run_id: str,
    at: float,
    rates: Mapping[str, str],
    *quotes: Quote,
    source: str = "cs2cap",
    rates_at: datetime | None = None,
) -> None:
    """Land and load a run that fetched a table of rates, by default one from a minute before."""
    time = minute(at)
    with LandingWriter(paths.landing, run_header(run_id, time, source=source)) as landing:
        shard = observe(time, *quotes)
        writer = landing.open_shard(shard.header(0))
        writer.append(shard.pages[0].meta(), quotes_frame(quotes))
        writer.finish(complete=True, reason=None)
        landing.add_catalog("fx", fx_frame(rates_at or minute(at - 1), rates))
        landing.finish("done")
    load(paths)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> WarehousePaths:
    """Return a warehouse with a quote of 12.34 dollars and a table of rates from a minute before noon."""
    paths = create_warehouse(tmp_path_factory.mktemp("warehouse"))
    land_rates(paths, "a", 0, {"USD": "1", "EUR": "0.8547", "BTC": "0.0000081412345678"}, Quote("1", 1234))
    return paths


@pytest.fixture
def paths(template: WarehousePaths, tmp_path: Path) -> WarehousePaths:
    return copy_warehouse(template, tmp_path)


def test_rates_are_stored_exactly(paths: WarehousePaths) -> None:
    assert query_rows(
        paths, "SELECT source, currency, rate, rate_at, observed_at FROM fx_rates ORDER BY ALL"
    ) == [
        ("cs2cap", "BTC", Decimal("0.0000081412345678"), minute(-1), minute(0)),
        ("cs2cap", "EUR", Decimal("0.8547"), minute(-1), minute(0)),
        ("cs2cap", "USD", Decimal(1), minute(-1), minute(0)),
    ]


def test_quote_is_converted_by_the_newest_rates(paths: WarehousePaths) -> None:
    assert query_rows(paths, QUOTES_IN, "EUR") == [
        ("1", Decimal("10.55"), 1055, Decimal("0.8547"), minute(-1), True),
    ]
    land_rates(paths, "b", 10, {"EUR": "0.9"}, Quote("1", 1234))
    assert query_rows(paths, QUOTES_IN, "eur") == [
        ("1", Decimal("11.11"), 1111, Decimal("0.9"), minute(9), True)
    ]


def test_late_table_does_not_replace_a_newer_one(paths: WarehousePaths) -> None:
    land_rates(paths, "b", -10, {"EUR": "0.7"}, Quote("1", 1234))
    assert query_rows(paths, "SELECT price FROM quotes_in('EUR')") == [(Decimal("10.55"),)]
    assert query_rows(paths, "SELECT count(*) FROM fx_rates WHERE currency = 'EUR'") == [(2,)]


def test_table_from_2036_counts_from_its_run(paths: WarehousePaths) -> None:
    """A connector bounds such a time, but older versions landed it."""
    land_rates(paths, "b", 10, {"EUR": "0.7"}, Quote("1", 1234), rates_at=IN_2036)
    assert query_rows(paths, "SELECT price, rate_at FROM quotes_in('EUR')") == [(Decimal("8.64"), minute(10))]
    land_rates(paths, "c", 20, {"EUR": "0.9"}, Quote("1", 1234))
    assert query_rows(paths, "SELECT price, rate_at FROM quotes_in('EUR')") == [
        (Decimal("11.11"), minute(19))
    ]


def test_stored_table_from_2036_is_not_used_for_ever(paths: WarehousePaths) -> None:
    with open_writer(paths.loader_database) as db:  # as an older version stored it
        db.execute("UPDATE store.fx_rate SET rate_at = ?", [IN_2036])
    land_rates(paths, "b", 10, {"EUR": "0.9"}, Quote("1", 1234))
    assert query_rows(paths, "SELECT price, rate_at FROM quotes_in('EUR')") == [(Decimal("11.11"), minute(9))]
    assert query_rows(paths, "SELECT max(rate_at) FROM fx_rates WHERE rate <> 0.9") == [(minute(0),)]


def test_repeated_table_is_stored_once(paths: WarehousePaths) -> None:
    time = minute(5)
    with LandingWriter(paths.landing, run_header("b", time)) as landing:
        landing.add_catalog("fx", fx_frame(minute(-1), {"EUR": "0.8547"}))
        landing.finish("done")
    load(paths)
    assert query_rows(paths, "SELECT count(*) FROM fx_rates") == [(3,)]


def test_crypto_has_eight_decimal_places(paths: WarehousePaths) -> None:
    assert query_rows(paths, "SELECT price, lowest_ask FROM quotes_in('BTC')") == [(Decimal("0.00010046"), 0)]


def test_dollars_are_not_converted(paths: WarehousePaths) -> None:
    assert query_rows(paths, QUOTES_IN, "usd") == [("1", Decimal("12.34"), 1234, Decimal(1), None, False)]


def test_currency_without_a_rate_has_no_quotes(paths: WarehousePaths) -> None:
    assert query_rows(paths, QUOTES_IN, "ZZZ") == []


def test_quotes_in_another_currency_are_not_converted(paths: WarehousePaths) -> None:
    land_and_load(paths, "b", observe(minute(5), Quote("1", 1056), currency="EUR"))
    assert query_rows(paths, "SELECT lowest_ask FROM quotes_in('EUR')") == [(1055,)]


def test_source_without_rates_uses_the_newest_of_another(paths: WarehousePaths) -> None:
    land_and_load(paths, "b", observe(minute(5), Quote("1", 1000)), source="skinshark")
    query = "SELECT source, price, rate_at FROM quotes_in('EUR') ORDER BY ALL"
    assert query_rows(paths, query) == [
        ("cs2cap", Decimal("10.55"), minute(-1)),
        ("skinshark", Decimal("8.55"), minute(-1)),
    ]


def test_quotes_in_has_the_columns_of_quotes_and_the_rate(paths: WarehousePaths) -> None:
    quotes = [name for name, *_ in query_rows(paths, "DESCRIBE FROM quotes")]
    converted = [name for name, *_ in query_rows(paths, "DESCRIBE FROM quotes_in('EUR')")]
    assert converted == [*quotes, "rate", "rate_at", "converted"]


@pytest.fixture(scope="module")
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a database in memory that knows one item at one provider."""
    with load_into_memory([]) as db:
        for name, row in DIMENSIONS.items():
            db.execute(f"INSERT INTO store.{name} BY NAME SELECT {row}")
        yield db


def converted(
    db: duckdb.DuckDBPyConnection, prices: Sequence[Decimal], rate: Decimal
) -> list[tuple[int | None, Decimal]]:
    """Return the minor units and amounts that `quotes_in` converts prices in dollars to, in their order."""
    db.execute("DELETE FROM store.current")
    db.execute("DELETE FROM store.fx_rate")
    db.execute("INSERT INTO store.fx_rate VALUES ('a', 'EUR', ?::DECIMAL(38, 18), now(), now())", [rate])
    db.execute(f"INSERT INTO store.current BY NAME {SELECT_QUOTES}", [[str(price) for price in prices]])
    return db.execute("SELECT lowest_ask, price FROM quotes_in('EUR') ORDER BY quantity").fetchall()


@FEW_EXAMPLES
@given(st.lists(CENTS, min_size=1, max_size=50), RATES)
@example([10**9], Decimal("999999999.999"))
@example([1], Decimal("99.9999999999"))
@example([1], Decimal("0.000000000000000001"))
@example([100], Decimal("0.999999995"))
@example([3], Decimal("0.5"))
def test_conversion_equals_that_of_the_sandbox(
    db: duckdb.DuckDBPyConnection, cents: list[int], rate: Decimal
) -> None:
    expected = [convert(amount, rate) for amount in cents]
    prices = [Decimal(amount).scaleb(-2) for amount in cents]
    assert converted(db, prices, rate) == [(money.minor, Decimal(money.decimal)) for money in expected]


@FEW_EXAMPLES
@given(
    st.lists(st.integers(min_value=0, max_value=10**18), min_size=1, max_size=50),
    st.decimals(Decimal("1e-9"), 10**4, places=14),
)
@example([9_007_199_300_499_999, 9_007_199_400_499_999, 99_007_199_300_499_999], Decimal(1))
@example([10**15], Decimal("9999.999999999999999999"))
@example([10**15], Decimal(10**4))
def test_prices_below_a_cent_and_rates_of_many_places_stay_exact(
    db: duckdb.DuckDBPyConnection, units: list[int], rate: Decimal
) -> None:
    prices = [Decimal(unit).scaleb(-8) for unit in units]
    with localcontext(prec=60):
        for price, (minor, amount) in zip(prices, converted(db, prices, rate), strict=True):
            assert minor is not None
            assert abs(minor - price * rate * 100) <= Decimal("0.5")
            assert abs(amount - price * rate) <= Decimal("0.005" if amount >= 1 else "0.000000005")


def test_amount_beyond_every_integer_stays_exact(db: duckdb.DuckDBPyConnection) -> None:
    assert converted(db, [Decimal(10**10), Decimal(1)], Decimal("999999999.999")) == [
        (None, Decimal(9_999_999_999_990_000_000)),
        (100_000_000_000, Decimal(1_000_000_000)),
    ]


@pytest.mark.parametrize("currency", ["EUR", "JPY", "KWD", "BTC", "DOGE"])
def test_conversion_with_the_table_equals_that_of_the_api(
    sandbox: Sandbox, tmp_path: Path, currency: str
) -> None:
    bench = Bench.at(tmp_path, sandbox, catalog_of("steam", "csfloat", currencies=[currency], fx="table"))
    bench.snapshot()
    query = "SELECT provider, item_id, phase, lowest_ask, price, quantity FROM quotes_in(?)"
    assert ordered(bench.query(query, currency)) == ledger(sandbox, ("steam", "csfloat"), currency=currency)
    assert bench.query("SELECT DISTINCT currency FROM quotes") == [("USD",)]
