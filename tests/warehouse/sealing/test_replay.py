"""The real prices of six months, whose months are sealed on the way: every moment of the past is exact."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.support.warehouse import COLUMNS, Page, ShardSpec, create_warehouse, run_header
from warehouse.database import open_reader, open_writer
from warehouse.landing.reader import read_run
from warehouse.landing.writer import LandingWriter
from warehouse.loading.quotes import load_run
from warehouse.maintenance.verification import verify
from warehouse.paths import WarehousePaths
from warehouse.publish import publish
from warehouse.sealing.months import seal_months

REAL = Path(__file__).parents[4] / "shared" / "market" / "steam-usd-2026.parquet"
YEAR = 365 * 86400  # seconds: no price goes stale
LATE, AFTER = 40, 75  # a crawl that comes late, and the one after which it comes
DAY = timedelta(days=1)


def land_crawl(paths: WarehousePaths, number: int, at: datetime, rows: pl.DataFrame) -> Path:
    """Land the prices that a crawl brought."""
    header = run_header(f"crawl-{number:03}", at, interval_seconds=YEAR)
    frame = rows.select(
        pl.col("market_hash_name").to_physical().cast(pl.String).alias("item_id"),
        pl.col("market_hash_name").cast(pl.String),
        pl.lit("steam").alias("provider"),
        pl.lit("standard").alias("delivery"),
        pl.col("price_minor").alias("lowest_ask"),
        (pl.col("price_minor").cast(pl.Decimal(20, 8)) / 100).cast(pl.Decimal(20, 8)).alias("price"),
        pl.lit(1, pl.Int64).alias("quantity"),
    )
    with LandingWriter(paths.landing, header) as landing:
        writer = landing.open_shard(ShardSpec([]).header(1))
        writer.append(Page(at, ()).meta(), frame.select(_column(name, frame) for name in COLUMNS))
        writer.finish(complete=False, reason="changes only")
        landing.finish("incomplete")
    return landing.folder


def _column(name: str, frame: pl.DataFrame) -> pl.Expr:
    return pl.col(name) if name in frame.columns else pl.lit(None, COLUMNS[name]).alias(name)


@pytest.fixture(scope="module")
def changes() -> pl.DataFrame:
    """Return each change of a price, with its end, in the order of the crawls."""
    rows = pl.read_parquet(REAL).sort("at").with_columns(pl.col("at").cast(pl.Datetime("us", "UTC")))
    return rows.with_columns(pl.col("at").shift(-1).over("market_hash_name").alias("valid_to"))


@pytest.fixture(scope="module")
def published(
    changes: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Return the database that has all crawls, most of them in sealed months."""
    paths = create_warehouse(tmp_path_factory.mktemp("replay"))
    crawls = {
        at: land_crawl(paths, number, at, rows)
        for number, ((at,), rows) in enumerate(changes.group_by("at", maintain_order=True))
    }
    order = list(crawls)
    order.insert(AFTER, order.pop(LATE))
    with open_writer(paths.loader_database) as db:
        for at in order:
            load_run(db, read_run(crawls[at]), at)
            seal_months(db, at)
        seal_months(db, order[-1])
        assert db.execute("SELECT count(*) FROM store.sealed_month").fetchall() == [(6,)]
    publish(paths)
    assert verify(paths).problems == ()
    with open_reader(paths.published_database) as db:
        yield db


pytestmark = [
    pytest.mark.file_warehouse("publishes a file, and counts its bytes"),
    pytest.mark.slow,
    pytest.mark.skipif(not REAL.exists(), reason="the real prices are missing"),
]


def test_state_of_every_crawl_is_that_of_its_moment(
    changes: pl.DataFrame, published: duckdb.DuckDBPyConnection
) -> None:
    asof = "SELECT market_hash_name, lowest_ask, valid_from FROM quotes_as_of(?) ORDER BY market_hash_name"
    for at in changes["at"].unique():
        state = changes.filter(pl.col("at") <= at).group_by("market_hash_name").last()
        expected = state.select(
            pl.col("market_hash_name").cast(pl.String), pl.col("price_minor").alias("lowest_ask"),
            pl.col("at").alias("valid_from"),
        ).sort("market_hash_name")  # fmt: skip
        assert_frame_equal(published.execute(asof, [at]).pl().sort("market_hash_name"), expected)


def test_best_asks_are_the_prices_of_the_one_market(
    changes: pl.DataFrame, published: duckdb.DuckDBPyConnection
) -> None:
    columns = ["market_hash_name", "lowest_ask", "valid_from", "valid_to"]
    expected = changes.select(
        pl.col("market_hash_name").cast(pl.String), pl.col("price_minor").alias("lowest_ask"),
        pl.col("at").alias("valid_from"), "valid_to",
    ).sort(columns[0], columns[2])  # fmt: skip
    for_sale = expected.filter(pl.col("lowest_ask") > 0)  # two stickers cost nothing at first
    for view, rows in (("quote_history", expected), ("best_ask_history", for_sale)):
        found = published.execute(f"SELECT {', '.join(columns)} FROM {view}").pl()
        assert_frame_equal(found.sort(columns[0], columns[2]), rows)


def test_sealed_months_take_few_bytes_a_row(published: duckdb.DuckDBPyConnection) -> None:
    ((size, rows),) = published.execute("SELECT sum(bytes), sum(rows) FROM store.sealed_month").fetchall()
    assert size <= 20 * rows


def days_of(
    prices: list[tuple[datetime, int]], last: datetime
) -> Iterator[tuple[datetime, int, int, int, int]]:
    """Yield each UTC day of an item with its open, high, low and close, from its changes in order."""
    day, price = prices[0][0].replace(hour=0, minute=0, second=0, microsecond=0), None
    while day <= last:
        of_day = [cents for at, cents in prices if day <= at < day + DAY]
        seen = [*([price] if price is not None else []), *of_day]
        yield day, seen[0], max(seen), min(seen), seen[-1]
        day, price = day + DAY, seen[-1]


def test_days_of_300_items_are_those_of_a_plain_model(
    changes: pl.DataFrame, published: duckdb.DuckDBPyConnection
) -> None:
    names = changes["market_hash_name"].cast(pl.String).unique().sort().sample(300, seed=1).to_list()
    last: datetime = changes["at"].max()  # type: ignore[assignment]
    expected = []
    for name in names:
        rows = changes.filter(pl.col("market_hash_name").cast(pl.String) == name, pl.col("price_minor") > 0)
        prices = list(zip(rows["at"], rows["price_minor"], strict=True))
        expected += [
            (name, day.date(), *(Decimal(cents) / 100 for cents in ohlc))
            for day, *ohlc in days_of(prices, last.astimezone(UTC))
        ]
    query = "SELECT item, day, open, high, low, close FROM {} WHERE item IN (SELECT unnest(?)) ORDER BY ALL"
    for view in ("daily_ohlc", "best_ask_daily_ohlc"):
        assert published.execute(query.format(view), [names]).fetchall() == sorted(expected)
