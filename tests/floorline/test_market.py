"""`floorline.open`: its frames are those of SQL, refresh() follows a publish, its errors are one line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

import floorline
from common.errors import FloorlineError
from common.warehouse_errors import ItemUnknown, NotPublished, QueryRejected
from tests.support.clocks import NOON
from tests.support.reference.market import REDLINE, publish_example
from tests.support.warehouse import Quote, land, load, observe
from warehouse.paths import WarehousePaths

KARAMBIT = "★ Karambit | Doppler (Factory New)"


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> WarehousePaths:
    return publish_example(tmp_path_factory.mktemp("market"))


@pytest.fixture
def market(paths: WarehousePaths) -> Iterator[floorline.Market]:
    with floorline.open(paths.root) as market:
        yield market


def test_import_is_light() -> None:
    heavy = "{'prefect', 'httpx', 'polars', 'duckdb', 'pydantic'}"
    code = f"import floorline, sys; print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_market_opens_without_prefect_and_httpx(paths: WarehousePaths) -> None:
    code = f"""import floorline, sys; floorline.open({str(paths.root)!r}).quotes({REDLINE!r})
print(sorted({{'prefect', 'httpx', 'pydantic'}} & sys.modules.keys()))"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_frames_equal_the_views(market: floorline.Market) -> None:
    usd = "currency = 'USD'"
    redline = f"item = '{REDLINE}' AND {usd}"
    frames = {
        f"FROM quotes WHERE {usd}": market.quotes(),
        f"FROM quotes WHERE {redline}": market.quotes(REDLINE),
        f"FROM quotes WHERE {redline} AND provider = 'steam'": market.quotes(REDLINE, provider="steam"),
        f"FROM best_ask WHERE {usd}": market.best_ask(),
        f"FROM quote_history WHERE {redline}": market.history(REDLINE),
        f"FROM best_ask_daily_ohlc WHERE {redline}": market.ohlc(REDLINE),
        f"FROM daily_ohlc WHERE {redline} AND provider = 'csfloat'": market.ohlc(REDLINE, provider="csfloat"),
        f"FROM candles WHERE {redline} AND interval = '1h'": market.candles(REDLINE),
        f"FROM sales WHERE {redline}": market.sales(REDLINE),
        f"FROM bids WHERE {usd}": market.bids(),
        f"FROM best_spreads WHERE {usd} AND margin >= 0.05": market.spreads(),
        f"FROM best_spreads_at('buff163', NULL) WHERE {usd} AND margin >= 0": market.spreads(
            min_margin=0, bought_at="buff163"
        ),
        f"FROM movers('24 hours') WHERE {usd}": market.movers(),
    }
    for query, frame in frames.items():
        assert frame.height > 0, query
        assert sorted(frame.rows(), key=str) == sorted(market.sql(query).rows(), key=str), query
    assert market.quotes()["price"].dtype == pl.Decimal(20, 8)
    assert market.quotes()["observed_at"].dtype == pl.Datetime("us", "UTC")


def test_item_with_phases_is_all_of_them_or_one(market: floorline.Market) -> None:
    assert set(market.quotes(KARAMBIT)["phase"]) == {"Ruby", "Sapphire"}
    ruby = market.quotes(KARAMBIT, phase="Ruby")
    assert set(ruby["phase"]) == {"Ruby"}
    assert market.quotes(f"{KARAMBIT} @ Ruby").equals(ruby)
    assert set(market.bids(f"{KARAMBIT} @ Sapphire")["phase"]) == {"Sapphire"}


def test_amounts_are_those_of_one_currency(paths: WarehousePaths) -> None:
    with floorline.open(paths.published, currency="EUR") as euros:
        assert euros.history(REDLINE)["price"].to_list() == [Decimal("12.40")]
        assert set(euros.quotes()["currency"]) == {"EUR"}


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("redline ft", REDLINE),
        ("karambit sapphire", f"{KARAMBIT} @ Sapphire"),
        ("ak47 redlin mw", "AK-47 | Redline (Minimal Wear)"),
        ("st ak redline", "StatTrak™ AK-47 | Redline (Field-Tested)"),
        ("karambitt rubi", f"{KARAMBIT} @ Ruby"),
    ],
)
def test_find_has_the_best_match_first(market: floorline.Market, text: str, first: str) -> None:
    found = market.find(text)
    assert found["item"][0] == first
    best = market.best_ask().filter(item=first)
    assert found["price"][0] == best["price"][0]
    assert found.columns == ["item", "market_hash_name", "phase", "price", "provider"]


def test_find_of_nothing_is_an_empty_frame(market: floorline.Market) -> None:
    assert market.find("zzzzzzzz qqqqqqq").is_empty()
    assert market.find("").is_empty()


def test_unknown_item_names_the_nearest(market: floorline.Market) -> None:
    with pytest.raises(ItemUnknown, match="no item is called") as caught:
        market.history("AK-47 Redline FT")
    assert caught.value.nearest[0] == REDLINE
    assert f'did you mean "{REDLINE}", ' in str(caught.value)
    with pytest.raises(ItemUnknown):
        market.quotes(KARAMBIT, phase="Emerald")
    with pytest.raises(ItemUnknown, match="no item"):
        market.quotes("x' OR 1=1--")


def test_times_bound_the_rows(market: floorline.Market) -> None:
    history = market.history(REDLINE)
    moments = sorted(set(history["valid_from"]))
    since, until = moments[1], moments[-1]
    some = market.history(REDLINE, since=since, until=until)
    assert some.equals(history.filter((pl.col("valid_from") >= since) & (pl.col("valid_from") < until)))
    assert market.history(REDLINE, since=since.isoformat(), until=until).equals(some)
    assert market.history(REDLINE, since="2026-06-02")["valid_from"].min() == datetime(2026, 6, 2, tzinfo=UTC)
    days = market.ohlc(REDLINE, since="2026-06-02", until="2026-06-04")["day"]
    assert [day.day for day in days] == [2, 3]
    assert market.history(REDLINE, since=timedelta(0)).is_empty()
    with pytest.raises(FloorlineError, match="'yesterday' is no time: write \"2026-11-01\""):
        market.history(REDLINE, since="yesterday")


def test_past_is_what_was_known_then(market: floorline.Market) -> None:
    moment = NOON + timedelta(days=1)
    then = market.as_of(moment)
    as_of = market.sql("FROM quotes_as_of($1) WHERE currency = 'USD'", moment)
    assert sorted(then.quotes().rows(), key=str) == sorted(as_of.rows(), key=str)
    best = dict(then.best_ask().select("item", "price").iter_rows())
    assert best == {item: min(rows["price"]) for (item,), rows in as_of.group_by("item")}
    assert max(then.history(REDLINE)["valid_from"].to_list()) <= moment
    assert max(then.ohlc(REDLINE)["day"].to_list()) < moment.date()
    assert then.as_of("12h").moment == moment - timedelta(hours=12)
    bids = then.bids().select("item", "provider", "price")
    assert bids.height > 0
    assert not bids.equals(market.bids().select("item", "provider", "price"))
    for verb in (then.spreads, then.movers):
        with pytest.raises(FloorlineError, match="needs the market of now"):
            verb()


@pytest.mark.slow
def test_publish_is_seen_after_refresh_only(tmp_path: Path) -> None:
    paths = publish_example(tmp_path)
    market = floorline.open(paths.root)
    before, then = market.history(REDLINE), market.as_of(NOON + timedelta(days=1))
    assert not market.refresh()
    later = NOON + timedelta(days=4)
    land(
        paths, "later", observe(later, Quote("1", 1_111, name=REDLINE)), basket="market", interval_seconds=60
    )
    load(paths)
    assert market.history(REDLINE).equals(before)
    relation = market.relation("SELECT count(*) FROM quotes")
    assert market.refresh()
    assert market.history(REDLINE).height > before.height
    assert then.history(REDLINE).height > 0
    assert relation.fetchall() == [(before.height and then.sql("FROM quotes").height,)]
    market.close()


def test_sql_reads_no_other_file(market: floorline.Market, tmp_path: Path) -> None:
    assert market.sql("SELECT $1::INTEGER + 1 AS two", 1).rows() == [(2,)]
    assert market.arrow("SELECT price FROM quotes").num_rows == market.sql("FROM quotes").height
    target = tmp_path / "out.csv"
    for query in (
        f"COPY (FROM quotes) TO '{target}'",
        f"ATTACH '{target}'",
        "FROM read_csv('/etc/passwd')",
        "SET threads = 1",
        "FROM nowhere",
        "",
        "SELECT '\udcff'",
    ):
        with pytest.raises(QueryRejected):
            market.sql(query)
    assert not target.exists()


def test_missing_database_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(NotPublished, match="run `floorline snapshot` first"):
        floorline.open(tmp_path)
    with pytest.raises(NotPublished):
        floorline.open(tmp_path / "no" / "market.duckdb")
