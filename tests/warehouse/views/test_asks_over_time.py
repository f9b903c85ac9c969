"""`movers`, `price_vs_median` and the daily prices equal a model in plain Python, in any session zone."""

from collections import defaultdict
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from tests.support.asks_model import AsksModel, records, rows_of
from tests.support.busy_market import load_busy_market, shared_market
from tests.support.warehouse import Quote, by_ids, item_name, land, load_into_memory, minute, observe
from warehouse.paths import WarehousePaths

DAILY = "item, currency, source, provider, delivery, day, open, high, low, close, quantity, changes"
BEST = "item, currency, source, provider, delivery, lowest_ask, price, quantity, valid_from, valid_to"
DAILY_BEST = "item, currency, day, open, high, low, close, open_at, close_at"


@pytest.fixture
def db() -> duckdb.DuckDBPyConnection:
    return shared_market()


def test_asks_over_time_equal_the_model(db: duckdb.DuckDBPyConnection) -> None:
    check_model(db)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 5))
def test_asks_over_time_of_many_markets_equal_the_model(tmp_path: Path, seed: int) -> None:
    with load_busy_market(tmp_path, seed) as db:
        check_model(db)


def check_model(db: duckdb.DuckDBPyConnection) -> None:
    """Compare all views of asks over time with the model."""
    model = AsksModel(db)
    assert any(ask.end for ask in model.asks)
    assert {ask.currency for ask in model.asks} == {"EUR", "USD"}
    # Periods that begin at the very moment at which an ask ends, and others.
    ends = {model.now - ask.end for ask in model.asks if ask.end}
    for past in {timedelta(hours=hours) for hours in (1, 24, 60)} | {past for past in ends if past}:
        rows = rows_of(db, f"FROM movers('{past.total_seconds():.0f} seconds')")
        shown = {(item, currency): tuple(rest) for item, _, _, currency, *rest in rows}
        expected = model.movers(past)
        assert {key: (*row[:2], *row[3:]) for key, row in shown.items()} == expected
        assert [row for row in shown.values() if row[2] != pytest.approx(float(row[1] / row[0] - 1))] == []
    for days in (1, 3, 9):
        rows = rows_of(db, f"SELECT item, currency, now, median, days_listed FROM price_vs_median({days})")
        assert {tuple(row[:2]): tuple(row[2:]) for row in rows} == model.medians(days)
    assert {row[:6]: row[6:] for row in rows_of(db, f"SELECT {DAILY} FROM daily_ohlc")} == model.daily()
    history = defaultdict(list)
    for item, currency, *best_ask in rows_of(db, f"SELECT {BEST} FROM best_ask_history ORDER BY valid_from"):
        history[item, currency].append(tuple(best_ask))
    assert history == model.best_history()
    best = rows_of(db, f"SELECT {DAILY_BEST} FROM best_ask_daily_ohlc")
    assert {row[:3]: row[3:] for row in best} == model.daily_best()


def test_daily_prices_between_two_days_are_those_of_the_whole_view(db: duckdb.DuckDBPyConnection) -> None:
    for name in ("daily_ohlc", "best_ask_daily_ohlc"):
        between = records(db, f"FROM {name}_between('2026-06-02', '2026-06-03') ORDER BY ALL")
        days = "day BETWEEN '2026-06-02' AND '2026-06-03'"
        assert between == records(db, f"FROM {name} WHERE {days} ORDER BY ALL")
        assert between


def test_days_and_hours_are_those_of_utc_in_every_session_zone(db: duckdb.DuckDBPyConnection) -> None:
    queries = (
        "FROM daily_ohlc_between('2026-06-02', '2026-06-03') ORDER BY ALL",
        "FROM best_ask_daily_ohlc ORDER BY ALL",
        "SELECT epoch(hour), source, runs, rows_changed FROM activity ORDER BY ALL",
    )
    utc = [rows_of(db, query) for query in queries]
    assert all(utc)
    assert all(seconds % 3600 == 0 for seconds, *_ in utc[2])
    for zone in ("Pacific/Kiritimati", "Asia/Kolkata", "America/Los_Angeles", "UTC"):  # UTC: as it was
        db.execute(f"SET TimeZone = '{zone}'")
        assert [rows_of(db, query) for query in queries] == utc, zone


def test_quote_of_a_removed_basket_is_no_best_ask_after_it_went_stale(tmp_path: Path) -> None:
    paths = WarehousePaths(tmp_path)
    cheap = observe(minute(0), Quote("1", 50), items=by_ids("1"))
    runs = [land(paths, "removed", cheap, basket="removed", interval_seconds=60)]
    for number in range(3):
        dear = observe(minute(1440 * number), Quote("1", 100, provider="csfloat"), providers=("csfloat",))
        runs.append(land(paths, f"kept-{number}", dear, interval_seconds=86400))
    db = load_into_memory(runs)
    assert rows_of(db, "SELECT was, now, was_at FROM movers('1 day')") == [(1, 1, "csfloat")]
    days = rows_of(db, "SELECT day::VARCHAR, low, high FROM best_ask_daily_ohlc ORDER BY day")
    assert [(day, float(low), float(high)) for day, low, high in days] == [
        ("2026-06-01", 0.5, 1.0),
        ("2026-06-02", 1.0, 1.0),
        ("2026-06-03", 1.0, 1.0),
    ]


def test_quote_that_vanished_is_in_no_later_day(tmp_path: Path) -> None:
    paths = WarehousePaths(tmp_path)
    runs = [land(paths, "a", observe(minute(0), Quote("1"), Quote("2")), interval_seconds=86400)]
    for day in (1, 2):
        seen = observe(minute(1440 * day), Quote("2"))
        runs.append(land(paths, f"run-{day}", seen, interval_seconds=86400))
    db = load_into_memory(runs)
    days = "SELECT list(day::VARCHAR ORDER BY day) FROM {} WHERE item LIKE '%Finish 1 %'"
    for view in ("daily_ohlc", "best_ask_daily_ohlc"):
        assert rows_of(db, days.format(view)) == [(["2026-06-01", "2026-06-02"],)]
    assert rows_of(db, "SELECT item FROM movers('1 hour') WHERE item LIKE '%Finish 1 %'") == []


def test_marketplace_that_is_told_twice_counts_once(tmp_path: Path) -> None:
    """Two sources tell c5, in two deliveries, and one source has two items of one name at steam."""
    paths, deliveries, runs = WarehousePaths(tmp_path), ("standard", "instant"), []
    for hour in range(3):
        name, at = item_name("1"), minute(60 * hour)
        told = [Quote("1", 100, 4, "c5"), Quote("1", 99, 5), Quote("91", 98, 3, name=name)]
        told.append(Quote("2", 50, None))
        again = [Quote("1", 97, 7, "c5", delivery=delivery) for delivery in deliveries]
        one = observe(at, *told, providers=("c5", "steam"))
        other = observe(at, *again, providers=("c5",), deliveries=deliveries)
        runs += [
            land(paths, f"a-{hour}", one, interval_seconds=86400),
            land(paths, f"b-{hour}", other, source="skinshark", basket="shark", interval_seconds=86400),
        ]
    db = load_into_memory(runs)
    movers = "SELECT item, now::FLOAT, now_at, markets, listed FROM movers('1 hour') ORDER BY item"
    # At c5: 7 of `standard`, which the other source tells as 4, and 7 of `instant`; at steam: 5.
    first, second = rows_of(db, movers)
    assert first == (item_name("1"), pytest.approx(0.97), "c5", 2, 7 + 7 + 5)
    assert second == (item_name("2"), 0.5, "steam", 1, None)
