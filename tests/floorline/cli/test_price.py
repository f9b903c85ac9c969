"""The command `floorline price`: its numbers are those of SQL, its words name one item."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from common.shards import Item
from floorline.cli.render.price import draw_bars, format_change
from floorline.market import Market
from floorline.price import find_prices
from tests.support.clocks import NOON
from tests.support.json_outputs import read_failure, read_result
from tests.support.reference.market import REDLINE, publish_example
from tests.support.snapshots import CommandOutput, main_with
from tests.support.terminals import read_table
from tests.support.warehouse import Quote, create_warehouse, land, load, observe
from warehouse.paths import WarehousePaths

KARAMBIT = "★ Karambit | Doppler (Factory New)"


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> WarehousePaths:
    paths = publish_example(tmp_path_factory.mktemp("price"))
    write_config(paths)
    return paths


def write_config(paths: WarehousePaths) -> None:
    (paths.root / "floorline.toml").write_text(f'[warehouse]\npath = "{paths.root}"\n')


def price(paths: WarehousePaths, *arguments: str) -> CommandOutput:
    return main_with("price", *arguments, "--config", str(paths.root / "floorline.toml"))


def test_item_has_its_best_ask_and_all_marketplaces(paths: WarehousePaths) -> None:
    output = price(paths, "ak", "redline", "ft")
    title, best, *table = output.out.splitlines()
    assert title == f"{REDLINE}  USD"
    assert best.startswith("best ask 14.35 at buff163   24 h +1.0%   7 d not listed   ")
    rows = read_table("\n".join(table[:-1])).rows
    assert [row[:3] for row in rows] == [
        ["buff163", "14.35", "+0.0%"],
        ["csfloat", "15.95", "+11.1%"],
        ["steam", "16.24", "+13.2%"],
    ]
    assert table[-1] == "ages count back from the newest look, 2026-06-04 12:00 UTC"


def test_json_equals_the_views(paths: WarehousePaths) -> None:
    (found,) = read_result(price(paths, REDLINE, "--json").out)
    with Market(paths.root) as market:
        quotes = market.quotes(REDLINE).sort("price")
        bids = dict(market.bids(REDLINE).select("provider", "price").iter_rows())
        fees = dict(market.rows("SELECT provider, sell_fee FROM providers"))
        then = market.as_of(NOON + timedelta(days=2)).best_ask(REDLINE)["price"][0]
    asks = found["asks"]
    assert [Decimal(ask["price"]) for ask in asks] == quotes["price"].to_list()
    assert [ask["quantity"] for ask in asks] == quotes["quantity"].to_list()
    for ask in asks:
        assert ask["highest_bid"] == (f"{bids[ask['provider']]:f}" if ask["provider"] in bids else None)
        fee = Decimal(str(fees[ask["provider"]]))
        assert Decimal(ask["after_fee"]) == Decimal(ask["price"]) * (1 - fee)
    assert (found["price"], found["provider"]) == (asks[0]["price"], "buff163")
    assert found["day_change_share"] == float(Decimal(found["price"]) / then - 1)
    assert found["week_change_share"] is None
    assert found["week"][-1] == found["price"]
    assert len(found["week"]) == 28


@pytest.mark.parametrize(
    ("words", "items"),
    [
        ("ak redline", [REDLINE, "AK-47 | Redline (Minimal Wear)"]),
        ("st redline", ["StatTrak™ AK-47 | Redline (Field-Tested)"]),
        ("karambit doppler", [f"{KARAMBIT} @ Ruby", f"{KARAMBIT} @ Sapphire"]),
        (KARAMBIT, [f"{KARAMBIT} @ Ruby", f"{KARAMBIT} @ Sapphire"]),
        ("karambit sapphire fn", [f"{KARAMBIT} @ Sapphire"]),
        (f"{KARAMBIT} @ Ruby", [f"{KARAMBIT} @ Ruby"]),
    ],
)
def test_words_name_an_item_with_its_wears_and_phases(
    paths: WarehousePaths, words: str, items: list[str]
) -> None:
    with Market(paths.root) as market:
        assert [found.item for found in find_prices(market, words)] == items


def test_wears_and_phases_are_a_table(paths: WarehousePaths) -> None:
    output = price(paths, "karambit", "doppler")
    table = read_table("\n".join(output.out.splitlines()[:-1]))
    assert [row[:3] for row in table.rows] == [
        [f"{KARAMBIT} @ Ruby", "4078.80", "buff163"],
        [f"{KARAMBIT} @ Sapphire", "2544.00", "buff163"],
    ]
    assert output.out.endswith("best asks in USD; name one item to see its marketplaces\n")


def test_item_that_several_or_no_words_name_is_an_error(tmp_path: Path, paths: WarehousePaths) -> None:
    output = price(paths, "glock")
    assert (output.code, output.out) == (2, "")
    assert output.err == "floorline: no item has all of these words: 'glock'\n"
    assert read_failure(price(paths, "glock", "--json").out)["type"] == "ItemUnknown"
    two = create_warehouse(tmp_path)
    names = ("AK-47 | Redline (Field-Tested)", "AK-47 | Bloodsport (Field-Tested)")
    quotes = (Quote(str(number), 100, name=name) for number, name in enumerate(names))
    land(two, "run", observe(NOON, *quotes), interval_seconds=60)
    load(two)
    write_config(two)
    output = price(two, "ak", "ft")
    assert output.code == 2
    assert "several items have these words, and none fits better: 'ak ft'; did you mean" in output.err
    assert all(f'"{name}"' in output.err for name in names)


def test_item_that_nobody_lists_now_is_shown(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    item = Item("1", REDLINE, None)
    land(paths, "1", observe(NOON, Quote("1", 100, name=REDLINE)), interval_seconds=60)
    land(paths, "2", observe(NOON + timedelta(hours=1)), interval_seconds=60)
    load(paths)
    write_config(paths)
    output = price(paths, item.market_hash_name)
    assert output.code == 0
    assert output.out.splitlines()[:2] == [f"{REDLINE}  USD", "not listed anywhere now"]


def test_no_database_is_one_line(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    write_config(paths)
    output = price(paths, "ak")
    assert (output.code, output.err.count("\n")) == (2, 1)
    assert "run `floorline snapshot` first" in output.err


def test_currency_that_is_not_recorded_is_an_error(paths: WarehousePaths) -> None:
    euros = price(paths, REDLINE, "--currency", "eur")
    assert euros.out.splitlines()[0] == f"{REDLINE}  EUR"
    output = price(paths, REDLINE, "--currency", "EURO")
    assert output.code == 2
    assert "nothing is recorded in EURO: choose one of EUR, USD" in output.err


def test_bars_go_from_the_lowest_to_the_highest() -> None:
    assert draw_bars([None, Decimal(1), Decimal(8), Decimal(4), None]) == "·▁█▄·"
    assert draw_bars([Decimal(2), Decimal(2)]) == "▁▁"
    assert draw_bars([None, None]) == ""
    assert (format_change(0.042), format_change(-0.5), format_change(None)) == ("+4.2%", "-50.0%", "")
