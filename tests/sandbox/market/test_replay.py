"""A replayed market serves at each time the prices of that time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from sandbox.core import Sandbox
from sandbox.options import Options
from tests.support.sandbox_series import get_json

REAL = Path(__file__).parents[4] / "shared" / "market" / "steam-usd-2026.parquet"
START = datetime(2026, 2, 7, tzinfo=UTC)
Changes = list[tuple[str, int, int]]
CHANGES = st.lists(
    st.tuples(st.sampled_from(["A", "B", "★ C"]), st.integers(0, 9), st.integers(0, 5000)),
    min_size=1,
    max_size=12,
    unique_by=lambda row: row[:2],
)


def as_changes(rows: Changes) -> pl.DataFrame:
    rows_with_times = [(name, START + timedelta(hours=hour), price) for name, hour, price in rows]
    schema = {"market_hash_name": pl.Categorical(), "at": pl.Datetime("ms", "UTC"), "price_minor": pl.Int64()}
    return pl.DataFrame(rows_with_times, schema=schema, orient="row").sort("at")


def as_of(changes: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """Return the last row of each name at a time, by polars alone."""
    return (
        changes.filter(pl.col("at") <= at)
        .sort("at")
        .group_by(pl.col("market_hash_name").cast(pl.String))
        .last()
        .select(
            "market_hash_name",
            pl.col("price_minor").alias("lowest_ask"),
            pl.col("at").cast(pl.Datetime("us", "UTC")),
        )
        .sort("market_hash_name")
    )


def shown_prices(sandbox: Sandbox, at: datetime | None = None) -> pl.DataFrame:
    rows = sandbox.ledger(at)
    return rows.select("market_hash_name", "lowest_ask", pl.col("timestamp").alias("at")).sort(
        "market_hash_name"
    )


def replay_sandbox(path: Path, at: datetime = START) -> Sandbox:
    return Sandbox(Options(market=path, frozen=at, limits=False))


@pytest.mark.slow
@given(rows=CHANGES, hours=st.lists(st.integers(-1, 12), min_size=1, max_size=5))
@settings(max_examples=30)
def test_clock_moves_the_market_forward_and_back(
    rows: Changes, hours: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("replay") / "changes.parquet"
    as_changes(rows).write_parquet(path)
    sandbox = replay_sandbox(path)
    for hour in hours:
        at = START + timedelta(hours=hour)
        sandbox.clock.set(at)
        assert_frame_equal(shown_prices(sandbox), as_of(as_changes(rows), at))
        assert_frame_equal(shown_prices(sandbox, at), shown_prices(sandbox))


def test_items_are_numbered_by_name_and_prices_cannot_be_moved(tmp_path: Path) -> None:
    as_changes([("B", 0, 5), ("A", 1, 0)]).write_parquet(tmp_path / "changes.parquet")
    sandbox = replay_sandbox(tmp_path / "changes.parquet", START + timedelta(days=1))
    rows = sandbox.ledger().select("provider", "item_id", "market_hash_name", "lowest_ask").rows()
    assert rows == [("steam", 1, "A", 0), ("steam", 2, "B", 5)]
    assert sandbox.ledger()["quantity"].min() > 0  # type: ignore[operator]
    with pytest.raises(ValueError, match="the clock only"):
        sandbox.move(1)


def test_history_and_candles_are_those_of_the_file(tmp_path: Path) -> None:
    as_changes([("A", 0, 500), ("A", 2, 700), ("A", 5, 600)]).write_parquet(tmp_path / "changes.parquet")
    sandbox = replay_sandbox(tmp_path / "changes.parquet", START + timedelta(hours=4))
    points = [(START + timedelta(hours=2), 700), (START, 500)]
    assert sandbox.history([1]).select("time", "price").rows() == points
    candles = get_json(sandbox, "/v1/prices/candles", item_id=1, interval="1h", lookback="1")[1]["data"]
    assert [(row["t"], row["o"], row["c"]) for row in candles] == [
        (START.timestamp(), 500, 500),
        ((START + timedelta(hours=2)).timestamp(), 700, 700),
    ]
    assert get_json(sandbox, "/v1/sales")[1]["items"] == []


@pytest.mark.slow
@pytest.mark.skipif(not REAL.exists(), reason="the real prices are missing")
def test_real_prices_are_replayed_to_the_cent() -> None:
    changes = pl.read_parquet(REAL)
    crawls = changes["at"].unique().sort().to_list()
    sandbox = replay_sandbox(REAL)
    for at in (crawls[0], crawls[-1], crawls[20] + timedelta(hours=1)):
        sandbox.clock.set(at)
        assert_frame_equal(shown_prices(sandbox), as_of(changes, at))
    assert sandbox.ledger(crawls[-1]).height == 36_346


def test_feeds_tell_what_changed_with_the_clock(tmp_path: Path) -> None:
    as_changes([("A", 0, 5), ("B", 1, 3), ("A", 2, 7)]).write_parquet(tmp_path / "changes.parquet")
    sandbox = replay_sandbox(tmp_path / "changes.parquet")
    for _ in range(3):
        sandbox.advance(3600)
    told = sandbox.changes().select("seen_at", "market_hash_name", "change", "price").rows()
    one, two = (START + timedelta(hours=hours) for hours in (1, 2))
    assert told == [(one, "A", "added", 5), (one, "B", "added", 3), (two, "A", "updated", 7)]
