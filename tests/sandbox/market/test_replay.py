"""A replayed market shows at every moment what was asked then."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from sandbox.core import Sandbox
from sandbox.options import Options
from tests.support.sandbox_series import ask

REAL = Path(__file__).parents[4] / "shared" / "market" / "steam-usd-2026.parquet"
START = datetime(2026, 2, 7, tzinfo=UTC)
Changes = list[tuple[str, int, int]]
CHANGES = st.lists(
    st.tuples(st.sampled_from(["A", "B", "★ C"]), st.integers(0, 9), st.integers(0, 5000)),
    min_size=1,
    max_size=12,
    unique_by=lambda row: row[:2],
)


def recorded(rows: Changes) -> pl.DataFrame:
    moments = [(name, START + timedelta(hours=hour), price) for name, hour, price in rows]
    schema = {"market_hash_name": pl.Categorical(), "at": pl.Datetime("ms", "UTC"), "price_minor": pl.Int64()}
    return pl.DataFrame(moments, schema=schema, orient="row").sort("at")


def as_of(changes: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    """The last row of each name at a moment, by polars alone."""
    return (
        changes.filter(pl.col("at") <= moment)
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


def shown(box: Sandbox, moment: datetime | None = None) -> pl.DataFrame:
    rows = box.ledger(moment)
    return rows.select("market_hash_name", "lowest_ask", pl.col("timestamp").alias("at")).sort(
        "market_hash_name"
    )


def replay(path: Path, moment: datetime = START) -> Sandbox:
    return Sandbox(Options(market=path, frozen=moment, limits=False))


@given(rows=CHANGES, hours=st.lists(st.integers(-1, 12), min_size=1, max_size=5))
@settings(max_examples=30)
def test_the_clock_moves_the_market_to_and_fro(
    rows: Changes, hours: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("replay") / "changes.parquet"
    recorded(rows).write_parquet(path)
    box = replay(path)
    for hour in hours:
        moment = START + timedelta(hours=hour)
        box.clock.set(moment)
        assert_frame_equal(shown(box), as_of(recorded(rows), moment))
        assert_frame_equal(shown(box, moment), shown(box))


def test_items_are_numbered_by_name_and_prices_cannot_be_moved(tmp_path: Path) -> None:
    recorded([("B", 0, 5), ("A", 1, 0)]).write_parquet(tmp_path / "changes.parquet")
    box = replay(tmp_path / "changes.parquet", START + timedelta(days=1))
    rows = box.ledger().select("provider", "item_id", "market_hash_name", "lowest_ask").rows()
    assert rows == [("steam", 1, "A", 0), ("steam", 2, "B", 5)]
    assert box.ledger()["quantity"].min() > 0  # type: ignore[operator]
    with pytest.raises(ValueError, match="the clock only"):
        box.move(1)


def test_history_and_candles_are_those_of_the_file(tmp_path: Path) -> None:
    recorded([("A", 0, 500), ("A", 2, 700), ("A", 5, 600)]).write_parquet(tmp_path / "changes.parquet")
    box = replay(tmp_path / "changes.parquet", START + timedelta(hours=4))
    points = [(START + timedelta(hours=2), 700), (START, 500)]
    assert box.history([1]).select("time", "price").rows() == points
    candles = ask(box, "/v1/prices/candles", item_id=1, interval="1h", lookback="1")[1]["data"]
    assert [(row["t"], row["o"], row["c"]) for row in candles] == [
        (START.timestamp(), 500, 500),
        ((START + timedelta(hours=2)).timestamp(), 700, 700),
    ]
    assert ask(box, "/v1/sales")[1]["items"] == []


@pytest.mark.skipif(not REAL.exists(), reason="the real prices are not here")
def test_real_prices_are_replayed_to_the_cent() -> None:
    changes = pl.read_parquet(REAL)
    crawls = changes["at"].unique().sort().to_list()
    box = replay(REAL)
    for moment in (crawls[0], crawls[-1], crawls[20] + timedelta(hours=1)):
        box.clock.set(moment)
        assert_frame_equal(shown(box), as_of(changes, moment))
    assert box.ledger(crawls[-1]).height == 36_346
