"""Who an item is: phases, aggregates, renamed items, and ids that mean something else."""

from pathlib import Path

import polars as pl
import pytest

from tests.support.warehouse import (
    Quote,
    create_warehouse,
    current_prices,
    land,
    land_and_load,
    load,
    minute,
    observe,
    query_rows,
)
from warehouse.landing.model import RunHeader
from warehouse.landing.writer import LandingWriter
from warehouse.paths import WarehousePaths

KNIFE = "★ Karambit | Doppler (Factory New)"
RUBY, SAPPHIRE = Quote("11", 900, name=KNIFE, phase="Ruby"), Quote("12", 700, name=KNIFE, phase="Sapphire")
ANY = Quote("10", 700, 2, name=KNIFE)
KEYS = "SELECT count(DISTINCT item_key) FROM store.item WHERE item_id = ?"


@pytest.fixture
def home(tmp_path: Path) -> WarehousePaths:
    """Return a warehouse that knows a knife, its phases in the catalog and their aggregate by name."""
    home = create_warehouse(tmp_path)
    land_and_load(home, "a", observe(minute(0), RUBY, SAPPHIRE))
    land_and_load(home, "b", observe(minute(1), ANY, items=(("10", KNIFE, None),)))
    return home


def test_aggregates_of_phases_are_flagged(home: WarehousePaths) -> None:
    assert query_rows(home, "SELECT item_id, phase, aggregate FROM quotes ORDER BY item_id") == [
        ("10", None, True),
        ("11", "Ruby", False),
        ("12", "Sapphire", False),
    ]


def test_an_aggregate_is_flagged_once_a_phase_becomes_known(tmp_path: Path) -> None:
    home = create_warehouse(tmp_path)
    land_and_load(home, "a", observe(minute(0), ANY, items=(("10", KNIFE, None),)))
    assert query_rows(home, "SELECT aggregate FROM quotes") == [(False,)]
    land_and_load(home, "b", observe(minute(10), RUBY))
    assert query_rows(home, "SELECT aggregate FROM quotes WHERE item_id = '10'") == [(True,)]


def test_a_catalog_that_does_not_list_aggregates_does_not_close_them(home: WarehousePaths) -> None:
    assert land_and_load(home, "c", observe(minute(10), RUBY, SAPPHIRE)).rows_closed == 0
    assert set(current_prices(home)) == {"10", "11", "12"}
    assert query_rows(home, "SELECT observed_at FROM quotes WHERE item_id = '10'") == [(minute(1),)]


def test_a_request_that_names_an_aggregate_closes_it_and_not_its_phases(home: WarehousePaths) -> None:
    assert land_and_load(home, "c", observe(minute(10), items=(("10", KNIFE, None),))).rows_closed == 1
    assert set(current_prices(home)) == {"11", "12"}


def test_a_renamed_item_keeps_its_key_and_still_closes(tmp_path: Path) -> None:
    home = create_warehouse(tmp_path)
    asked = (("5", "AK-47 | Zirka (Field-Tested)", None),)
    land_and_load(home, "a", observe(minute(0), Quote("5", name="AK-47 | Zirka (Field-Tested)"), items=asked))
    renamed = observe(minute(10), Quote("5", 120, name="AK-47 | Arka (Field-Tested)"), items=asked)
    report = land_and_load(home, "b", renamed)

    assert report.contract_changes == ()
    assert query_rows(home, KEYS, "5") == [(1,)]
    assert query_rows(home, "SELECT market_hash_name, lowest_ask FROM quotes") == [
        ("AK-47 | Arka (Field-Tested)", 120)
    ]
    assert query_rows(home, "SELECT count(*) FROM quote_history") == [(2,)]
    assert land_and_load(home, "c", observe(minute(20), items=asked)).rows_closed == 1


def test_an_item_asked_for_by_its_old_name_still_closes(tmp_path: Path) -> None:
    home = create_warehouse(tmp_path)
    asked = (("5", "AK-47 | Zirka (Field-Tested)", None),)
    told = Quote("5", name="AK-47 | Arka (Field-Tested)")
    land_and_load(home, "a", observe(minute(0), told, items=asked))
    assert query_rows(home, "SELECT market_hash_name FROM quotes") == [(told.name,)]
    assert land_and_load(home, "b", observe(minute(10), items=asked)).rows_closed == 1


@pytest.mark.parametrize(
    "now",
    [
        Quote("11", 900, name=KNIFE, phase="Emerald"),
        Quote("11", 900, name=KNIFE, phase=None),
        Quote("11", 900, name="M9 Bayonet | Doppler (Factory New)", phase="Ruby"),
    ],
    ids=["phase", "no-phase", "base-name"],
)
def test_an_id_that_means_something_else_gets_a_new_key(home: WarehousePaths, now: Quote) -> None:
    report = land_and_load(home, "c", observe(minute(10), now, SAPPHIRE))

    assert len(report.contract_changes) == 1
    assert report.contract_changes[0].startswith(f"11: {KNIFE} Ruby is now")
    assert query_rows(home, KEYS, "11") == [(2,)]
    assert query_rows(home, "SELECT phase, market_hash_name FROM quotes WHERE item_id = '11'") == [
        (now.phase, now.name)
    ]
    assert land_and_load(home, "d", observe(minute(20), now, SAPPHIRE)).contract_changes == ()


def test_one_id_for_several_phases_is_no_contract_change(home: WarehousePaths) -> None:
    both = Quote("11", 950, name=KNIFE, phase="Emerald")
    assert land_and_load(home, "c", observe(minute(10), RUBY, both, SAPPHIRE)).contract_changes == ()
    assert query_rows(home, KEYS, "11") == [(2,)]


def test_the_same_id_of_two_sources_is_two_items(tmp_path: Path) -> None:
    home = create_warehouse(tmp_path)
    land_and_load(home, "a", observe(minute(0), Quote("1", 100)))
    land_and_load(home, "b", observe(minute(1), Quote("1", 200)), source="other")
    assert query_rows(home, "SELECT source, lowest_ask FROM quotes ORDER BY source") == [
        ("cs2cap", 100),
        ("other", 200),
    ]


def test_catalogs_on_the_way_describe_items_and_providers(tmp_path: Path) -> None:
    home = create_warehouse(tmp_path)
    items = pl.DataFrame(
        {
            "item_id": ["1", "2"], "market_hash_name": ["AK-47 | Finish 1 (Field-Tested)", "Fracture Case"],
            "phase": [None, None], "item_type": ["Weapon", "Container"], "item_subtype": ["Rifle", None],
            "weapon_type": ["AK-47", None], "skin_name": ["Finish 1", None],
            "wear_name": ["Field-Tested", None], "collection": [None, None],
            "rarity_name": ["Covert", None], "is_stattrak": [False, False],
            "is_souvenir": [False, False],
        },
        schema_overrides={"phase": pl.String, "collection": pl.String},
    )  # fmt: skip
    providers = pl.DataFrame(
        {
            "provider": ["steam", "csfloat"], "name": ["Steam", "CSFloat"], "market_type": ["p2p", "p2p"],
            "default_currency": ["USD", "USD"], "sell_fee": [0.15, 0.02], "insta_sell_fee": [None, None],
            "trading_spread_fee": [None, None], "has_buy_orders": [True, True],
            "has_recent_sales": [True, False], "health": ["healthy", "down"],
        },
        schema_overrides={"insta_sell_fee": pl.Float64, "trading_spread_fee": pl.Float64},
    )  # fmt: skip
    with LandingWriter(home.landing, RunHeader("a", "snapshot", "cs2cap", "all", minute(0))) as landing:
        landing.add_catalog("items", items)
        landing.add_catalog("providers", providers)
        landing.finish("done")
    land(home, "b", observe(minute(1), Quote("1")))
    load(home)

    assert query_rows(home, "SELECT item_id, item_type, rarity_name FROM items ORDER BY item_id") == [
        ("1", "Weapon", "Covert"),
        ("2", "Container", None),
    ]
    assert query_rows(home, "SELECT provider, name, sell_fee, health FROM providers ORDER BY ALL") == [
        ("csfloat", "CSFloat", 0.02, "down"),
        ("steam", "Steam", 0.15, "healthy"),
    ]
