"""`best_spreads` and `price_outliers` equal a model in plain Python that tries all pairs."""

from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from tests.support.asks_model import records, rows_of
from tests.support.busy_market import load_busy_market, shared_market
from tests.support.spreads_model import SpreadsModel
from tests.support.warehouse import Quote, item_name, land, load_into_memory, minute, observe
from warehouse.paths import WarehousePaths

OUTLIERS = "SELECT item, currency, source, provider, delivery, median_of_others, others FROM price_outliers"
PLACES = (
    ("NULL", "NULL", None, None),
    ("'steam'", "NULL", {"steam"}, None),
    (
        "'skinshark, c5'",
        "['c5', 'ecosteam', 'skinshark']",
        {"skinshark", "c5"},
        {"c5", "ecosteam", "skinshark"},
    ),
    ("NULL", "'buff163'", None, {"buff163"}),
    ("'nowhere'", "NULL", {"nowhere"}, None),
)


@pytest.fixture
def db() -> duckdb.DuckDBPyConnection:
    return shared_market()


def test_best_spreads_equal_the_model(db: duckdb.DuckDBPyConnection) -> None:
    check_model(db)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 5))
def test_best_spreads_of_many_markets_equal_the_model(tmp_path: Path, seed: int) -> None:
    with load_busy_market(tmp_path, seed) as db:
        check_model(db)


def check_model(db: duckdb.DuckDBPyConnection) -> None:
    """Compare the outliers, and the best spread of each item at any and at given marketplaces."""
    model = SpreadsModel(db)
    far_off = {row[:5]: row[5:] for row in rows_of(db, OUTLIERS)}
    assert far_off == model.far_off()
    assert {delivery for *_, delivery in far_off} >= {"bid", "standard"}
    for buy_at, sell_at, bought_at, sold_at in PLACES:
        rows = rows_of(
            db, f"SELECT item, currency, profit, outliers FROM best_spreads_at({buy_at}, {sell_at})"
        )
        assert {row[:2]: row[2:] for row in rows} == model.best(bought_at, sold_at), (buy_at, sell_at)
        assert len(rows) == len({row[:2] for row in rows})
    assert records(db, "FROM best_spreads ORDER BY ALL") == records(
        db, "FROM best_spreads_at(NULL, NULL) ORDER BY ALL"
    )


def test_best_spread_is_one_of_the_spreads(db: duckdb.DuckDBPyConnection) -> None:
    best = records(db, "SELECT * EXCLUDE (outliers) FROM best_spreads")
    assert len(best) > 3
    spreads = records(db, "FROM spreads")
    assert [row for row in best if row not in spreads] == []
    assert not any(row["bought_at"] == row["sold_at"] for row in best)
    highest = max(row["profit"] for row in spreads)
    assert Decimal(0) < max(row["profit"] for row in best) < highest  # the highest one is a mistake


def test_ask_of_a_third_of_the_others_is_far_off_and_one_of_two_fifths_is_not(tmp_path: Path) -> None:
    asks = [Quote("1", 100), Quote("2", 120)]
    dear = [Quote(item, 300, provider=provider) for item in "12" for provider in ("buff163", "csfloat")]
    seen = observe(minute(0), *asks, *dear, providers=("buff163", "csfloat", "steam"))
    db = load_into_memory([land(WarehousePaths(tmp_path), "run", seen)])
    columns = "item, provider, price, median_of_others, others, ratio"
    assert rows_of(db, f"SELECT {columns} FROM price_outliers") == [
        (item_name("1"), "steam", 1, 3, 2, pytest.approx(1 / 3))
    ]
