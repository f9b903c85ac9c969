"""No value that a column can hold makes a view fail: what cannot be identified exactly is null, alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.warehouse import load_into_memory
from warehouse.loading.run import fill_gaps

HIGHEST, SMALLEST = Decimal("999999999999.99999999"), Decimal("0.00000001")
BIGINT = 2**63 - 1
MACROS = (
    "quote_history_since('2020-01-01')", "quotes_as_of(now())", "quotes_in('USD')", "quotes_in('EUR')",
    "best_spreads_at(NULL, 'p1')",
    "movers('0 seconds')", "price_vs_median(1)", "daily_ohlc_between('2026-01-01', '9999-12-31')",
)  # fmt: skip
SETUP = """
INSERT INTO store.provider BY NAME
SELECT k AS provider_key, 'a' AS source, 'p' || k AS provider, fee AS sell_fee, fee AS insta_sell_fee
FROM (VALUES (1, -0.9), (2, 999.0), (3, 'nan'::DOUBLE), (4, 1e300)) t(k, fee);
INSERT INTO store.book SELECT provider_key, provider_key, 'USD', 'standard' FROM store.provider;
INSERT INTO store.run BY NAME SELECT k AS run_key, k AS run_id, flow, 'a' AS source, '' AS basket,
    'done' AS state, now() AS started_at, now() AS loaded_at, 1 AS requests, 1 AS rows_fetched,
    1 AS rows_changed, 0 AS rows_closed, 0 AS rows_rejected, 2147483647 AS interval_seconds
FROM (VALUES (1, 'snapshot'), (2, 'backfill')) t(k, flow);
INSERT INTO store.scope VALUES (1, 'a', 'USD', 'standard', 'listing');
INSERT INTO store.observation BY NAME SELECT 1 AS run_key, 1 AS scope_key, provider_key,
    now() AS observed_from, now() AS observed_to, true AS complete, 1 AS rows FROM store.provider;
"""
FACTS = """
CREATE OR REPLACE TEMP TABLE row AS SELECT unnest(range(len($asks)))::INTEGER + 1 AS item_key,
    unnest($asks::BIGINT[]) AS lowest_ask, unnest($prices::DECIMAL(20, 8)[]) AS other_price,
    unnest($quantities::BIGINT[]) AS quantity;
DELETE FROM store.item; DELETE FROM store.current; DELETE FROM store.history; DELETE FROM store.point;
DELETE FROM store.sold; DELETE FROM store.candle; DELETE FROM store.fx_rate; DELETE FROM store.filled_state;
"""
SERIES = "now() AS observed_at, 2 AS run_key FROM row"
INSERTS = {
    "item": """SELECT item_key, 'a' AS source, item_key::VARCHAR AS item_id, '' AS base_name,
        'n' || item_key % 2 AS market_hash_name, false AS aggregate FROM row""",
    "current": """SELECT row.*, 1 AS run_key, (item_key::BIGINT << 20) | provider_key AS quote_key,
        provider_key, 'USD' AS currency, delivery, now() AS valid_from, now() AS seen_at
        FROM row, store.provider, (VALUES ('standard'), ('bid')) t(delivery)""",
    "history": """SELECT item_key, provider_key, currency, delivery, lowest_ask, other_price, quantity,
        valid_from - INTERVAL 1 HOUR AS valid_from, valid_from AS valid_to, run_key FROM store.current""",
    "point": f"""SELECT item_key, 1 AS provider_key, 'USD' AS currency, now() - INTERVAL 1 DAY AS time,
        lowest_ask, quantity, {SERIES}""",
    "sold": f"""SELECT item_key, 1 AS provider_key, 'USD' AS currency, now() AS time,
        lowest_ask AS amount, 1 AS occurrence, {SERIES}""",
    "candle": f"""SELECT item_key, 'USD' AS currency, '1h' AS "interval", now() AS time, lowest_ask AS open,
        lowest_ask AS high, 0 AS low, lowest_ask AS close, quantity AS volume, quantity, {SERIES}""",
}


@dataclass(frozen=True)
class Row:
    """The amounts of a quote, as stored: `price` only where it differs from the minor units."""

    lowest_ask: int
    price: Decimal | None
    quantity: int | None

    @property
    def exact_price(self) -> Decimal:
        """The price in dollars."""
        return Decimal(self.lowest_ask).scaleb(-2) if self.price is None else self.price


PRICES = st.one_of(
    st.sampled_from([Decimal(0), SMALLEST, HIGHEST, Decimal(10**7), Decimal(10**11)]),
    st.integers(0, 10**20 - 1).map(lambda units: Decimal(units).scaleb(-8)),
)
QUANTITIES = st.sampled_from([None, 0, 1, BIGINT])
ROWS = st.one_of(
    st.builds(Row, st.integers(0, 10**14 - 1), st.none(), QUANTITIES),
    st.builds(Row, st.sampled_from([0, 10**14, 10**16, BIGINT]), PRICES, QUANTITIES),
)
RATES = st.one_of(
    st.sampled_from(
        [Decimal("1E-18"), Decimal(10**20 - 1), Decimal("0.854712345678901234"), Decimal(16_587)]
    ),
    st.integers(1, 10**28 - 1).map(lambda digits: Decimal(digits).scaleb(-18)),
)


@pytest.fixture(scope="module")
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a database in memory with four providers whose fees are far from any real one."""
    with load_into_memory([]) as db:
        db.execute(SETUP)
        yield db


def store_rows(db: duckdb.DuckDBPyConnection, rows: Sequence[Row], rate: Decimal) -> None:
    """Store the amounts as quotes, bids, history, points, sales and candles, and one exchange rate."""
    parameters = {
        "asks": [row.lowest_ask for row in rows],
        "prices": [None if row.price is None else f"{row.price:f}" for row in rows],
        "quantities": [row.quantity for row in rows],
    }
    for statement in db.extract_statements(FACTS):
        given = {name: value for name, value in parameters.items() if f"${name}" in statement.query}
        db.execute(statement.query, given or None)
    for table, query in INSERTS.items():
        db.execute(f"INSERT INTO store.{table} BY NAME {query}")
    db.execute(
        "CREATE OR REPLACE TEMP TABLE refill AS SELECT DISTINCT item_key, provider_key FROM store.point"
    )
    fill_gaps(db)
    db.execute(
        "INSERT INTO store.fx_rate VALUES ('a', 'EUR', ?::DECIMAL(38, 18), now(), now())", [f"{rate:f}"]
    )


def convert(price: Decimal, rate: Decimal) -> tuple[int | None, Decimal]:
    """Return the exact minor units (None beyond 64 bits) and the amount of a price in another currency."""
    with localcontext(prec=90):
        amount = price * rate
        minor = int((amount * 100).quantize(Decimal(1), ROUND_HALF_UP))
        places = Decimal("0.01") if amount >= 1 else SMALLEST
        return minor if minor <= BIGINT else None, amount.quantize(places, ROUND_HALF_UP)


def fits(price: Decimal, rate: Decimal) -> bool:
    """Return whether the digits of a price and a rate, multiplied as integers, have at most 37 digits."""
    with localcontext(prec=90):
        digits = int("".join(map(str, rate.normalize().as_tuple().digits)))
        whole = rate == rate.to_integral_value()
        return int(price.scaleb(8)) * (int(rate) if whole else digits) < 10**37


@pytest.mark.slow
@settings(max_examples=4)
@given(st.lists(ROWS, min_size=1, max_size=12), RATES)
@example([Row(0, HIGHEST, BIGINT), Row(100, None, 1)], Decimal("0.854712345678901234"))
@example([Row(BIGINT, Decimal(1), BIGINT), Row(10**14, HIGHEST, 0)], Decimal(10**20 - 1))
def test_every_view_tells_extreme_values_exactly_or_null(
    db: duckdb.DuckDBPyConnection, rows: list[Row], rate: Decimal
) -> None:
    store_rows(db, rows, rate)
    views = db.execute("SELECT view_name FROM duckdb_views() WHERE schema_name = 'main' AND NOT internal")
    for name in (*(view for (view,) in views.fetchall()), *MACROS):
        db.execute(f"FROM {name}").fetchall()
    prices = [(number, row.exact_price) for number, row in enumerate(rows, 1)]
    distinct = "SELECT DISTINCT item_id::INTEGER, price FROM"
    assert db.execute(f"{distinct} quotes ORDER BY ALL").fetchall() == prices
    listed = "quote_history WHERE origin = 'snapshot' AND price IS NOT NULL"
    assert db.execute(f"{distinct} {listed} ORDER BY ALL").fetchall() == prices
    assert db.execute(f"{distinct} quotes_in('USD') ORDER BY ALL").fetchall() == prices


@pytest.mark.slow
@settings(max_examples=25)
@given(st.lists(ROWS, min_size=1, max_size=6), RATES)
@example([Row(0, HIGHEST, BIGINT), Row(100, None, 1)], Decimal("0.854712345678901234"))
@example([Row(0, HIGHEST, BIGINT), Row(100, None, 1)], Decimal("16587.400000000000000001"))
def test_amount_that_cannot_be_converted_exactly_is_null_alone(
    db: duckdb.DuckDBPyConnection, rows: list[Row], rate: Decimal
) -> None:
    store_rows(db, rows, rate)
    query = "SELECT DISTINCT item_id::INTEGER, lowest_ask, price FROM quotes_in('EUR') ORDER BY ALL"
    for row, (_, *converted) in zip(rows, db.execute(query).fetchall(), strict=True):
        exact = [*convert(row.exact_price, rate)]
        assert converted == exact or (converted == [None, None] and not fits(row.exact_price, rate))


@pytest.mark.parametrize("amount", [10**14, 10**16, BIGINT])
def test_amount_of_a_series_that_no_price_can_hold_is_null_alone(
    db: duckdb.DuckDBPyConnection, amount: int
) -> None:
    store_rows(db, [Row(amount, Decimal(1), 1), Row(100, Decimal(1), 1)], Decimal(1))
    columns = {"price_points": "lowest_ask, price", "sales": "amount, price", "candles": "open, open_price"}
    for view, names in columns.items():
        rows = db.execute(f"SELECT {names} FROM {view} ORDER BY ALL").fetchall()
        assert rows == [(100, Decimal(1)), (amount, None)], view
    filled = "SELECT lowest_ask, price FROM quote_history WHERE origin = 'backfill'"
    assert db.execute(filled).fetchall() == [(100, Decimal(1))]


def test_rate_of_nothing_converts_nothing(db: duckdb.DuckDBPyConnection) -> None:
    store_rows(db, [Row(100, None, 1)], Decimal(0))
    assert db.execute("FROM quotes_in('EUR')").fetchall() == []
