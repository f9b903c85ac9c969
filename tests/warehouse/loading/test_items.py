"""The identity of items: phases, aggregates, renamed items, and ids that another item reuses."""

from pathlib import Path

import polars as pl
import pytest

from tests.support.warehouse import (
    Page,
    Quote,
    ShardSpec,
    copy_warehouse,
    create_warehouse,
    current_prices,
    land,
    land_and_load,
    load,
    minute,
    observe,
    query_rows,
    run_header,
)
from warehouse.landing.writer import LandingWriter
from warehouse.paths import WarehousePaths

KNIFE = "★ Karambit | Doppler (Factory New)"
RUBY, SAPPHIRE = Quote("11", 900, name=KNIFE, phase="Ruby"), Quote("12", 700, name=KNIFE, phase="Sapphire")
ANY = Quote("10", 700, 2, name=KNIFE)
COUNT_KEYS = "SELECT count(DISTINCT item_key) FROM store.item WHERE item_id = ?"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> WarehousePaths:
    """Return a warehouse that knows a knife, its phases in the catalog and their aggregate by name."""
    paths = create_warehouse(tmp_path_factory.mktemp("warehouse"))
    land_and_load(paths, "a", observe(minute(0), RUBY, SAPPHIRE))
    land_and_load(paths, "b", observe(minute(1), ANY, items=(("10", KNIFE, None),)))
    return paths


@pytest.fixture
def paths(template: WarehousePaths, tmp_path: Path) -> WarehousePaths:
    return copy_warehouse(template, tmp_path)


def test_aggregates_of_phases_are_flagged(paths: WarehousePaths) -> None:
    assert query_rows(paths, "SELECT item_id, phase, aggregate FROM quotes ORDER BY item_id") == [
        ("10", None, True),
        ("11", "Ruby", False),
        ("12", "Sapphire", False),
    ]


def test_aggregate_is_flagged_once_a_phase_is_known(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    land_and_load(paths, "a", observe(minute(0), ANY, items=(("10", KNIFE, None),)))
    assert query_rows(paths, "SELECT aggregate FROM quotes") == [(False,)]
    land_and_load(paths, "b", observe(minute(10), RUBY))
    assert query_rows(paths, "SELECT aggregate FROM quotes WHERE item_id = '10'") == [(True,)]


def test_catalog_does_not_close_aggregates(paths: WarehousePaths) -> None:
    assert land_and_load(paths, "c", observe(minute(10), RUBY, SAPPHIRE)).rows_closed == 0
    assert set(current_prices(paths)) == {"10", "11", "12"}
    assert query_rows(paths, "SELECT observed_at FROM quotes WHERE item_id = '10'") == [(minute(1),)]


def test_request_for_an_aggregate_closes_it_and_not_its_phases(paths: WarehousePaths) -> None:
    assert land_and_load(paths, "c", observe(minute(10), items=(("10", KNIFE, None),))).rows_closed == 1
    assert set(current_prices(paths)) == {"11", "12"}


def test_renamed_item_keeps_its_key_and_still_closes(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    requested = (("5", "AK-47 | Zirka (Field-Tested)", None),)
    original = observe(minute(0), Quote("5", name="AK-47 | Zirka (Field-Tested)"), items=requested)
    land_and_load(paths, "a", original)
    renamed = observe(minute(10), Quote("5", 120, name="AK-47 | Arka (Field-Tested)"), items=requested)
    report = land_and_load(paths, "b", renamed)

    assert report.contract_changes == ()
    assert query_rows(paths, COUNT_KEYS, "5") == [(1,)]
    assert query_rows(paths, "SELECT market_hash_name, lowest_ask FROM quotes") == [
        ("AK-47 | Arka (Field-Tested)", 120)
    ]
    assert query_rows(paths, "SELECT count(*) FROM quote_history") == [(2,)]
    assert land_and_load(paths, "c", observe(minute(20), items=requested)).rows_closed == 1


def test_item_requested_by_its_old_name_still_closes(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    requested = (("5", "AK-47 | Zirka (Field-Tested)", None),)
    quote = Quote("5", name="AK-47 | Arka (Field-Tested)")
    land_and_load(paths, "a", observe(minute(0), quote, items=requested))
    assert query_rows(paths, "SELECT market_hash_name FROM quotes") == [(quote.name,)]
    assert land_and_load(paths, "b", observe(minute(10), items=requested)).rows_closed == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "quote",
    [
        Quote("11", 900, name=KNIFE, phase="Emerald"),
        Quote("11", 900, name=KNIFE, phase=None),
        Quote("11", 900, name="M9 Bayonet | Doppler (Factory New)", phase="Ruby"),
    ],
    ids=["phase", "no-phase", "base-name"],
)
def test_id_of_another_item_gets_a_new_key(paths: WarehousePaths, quote: Quote) -> None:
    report = land_and_load(paths, "c", observe(minute(10), quote, SAPPHIRE))

    assert len(report.contract_changes) == 1
    assert report.contract_changes[0].startswith(f"11: {KNIFE} @ Ruby is now")
    assert query_rows(paths, COUNT_KEYS, "11") == [(2,)]
    assert query_rows(paths, "SELECT phase, market_hash_name FROM quotes WHERE item_id = '11'") == [
        (quote.phase, quote.name)
    ]
    assert land_and_load(paths, "d", observe(minute(20), quote, SAPPHIRE)).contract_changes == ()


def test_id_of_several_phases_is_no_contract_change(paths: WarehousePaths) -> None:
    second_phase = Quote("11", 950, name=KNIFE, phase="Emerald")
    assert land_and_load(paths, "c", observe(minute(10), RUBY, second_phase, SAPPHIRE)).contract_changes == ()
    assert query_rows(paths, COUNT_KEYS, "11") == [(2,)]


def test_same_id_of_two_sources_is_two_items(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    land_and_load(paths, "a", observe(minute(0), Quote("1", 100)))
    land_and_load(paths, "b", observe(minute(1), Quote("1", 200)), source="other")
    assert query_rows(paths, "SELECT source, lowest_ask FROM quotes ORDER BY source") == [
        ("cs2cap", 100),
        ("other", 200),
    ]


def test_fetched_catalogs_describe_items_and_providers(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
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
    with LandingWriter(paths.landing, run_header("a", minute(0))) as landing:
        landing.add_catalog("items", items)
        landing.add_catalog("providers", providers)
        landing.finish("done")
    land(paths, "b", observe(minute(1), Quote("1")))
    load(paths)

    assert query_rows(paths, "SELECT item_id, item_type, rarity_name FROM items ORDER BY item_id") == [
        ("1", "Weapon", "Covert"),
        ("2", "Container", None),
    ]
    assert query_rows(paths, "SELECT provider, name, sell_fee, health FROM providers ORDER BY ALL") == [
        ("csfloat", "CSFloat", 0.02, "down"),
        ("steam", "Steam", 0.15, "healthy"),
    ]


@pytest.mark.parametrize("again", [10, 30], ids=["new-older", "guard-newer"])
def test_replay_names_an_item_by_the_time_of_its_page(tmp_path: Path, again: int) -> None:
    """The replay has a page of item 2, too, which is newer than all others."""
    paths = create_warehouse(tmp_path)
    old, new = "AK-47 | Z Old Name", "AK-47 | New Name"
    land(paths, "a", observe(minute(20), Quote(name=new)))
    pages = [Page(minute(again), [Quote(name=old)]), Page(minute(40), [Quote("2")], offset=1)]
    land(paths, "replay", ShardSpec(pages, complete=False), flow="replay", started_at=minute(60))
    load(paths)
    names = query_rows(paths, "SELECT market_hash_name FROM items WHERE item_id = '1'")
    assert names == [(old if again > 20 else new,)]


def test_newest_page_of_a_replay_names_its_items(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    old, new = "AK-47 | Z Old Name", "AK-47 | New Name"
    pages = [Page(minute(at), [Quote(name=name)], offset=at) for at, name in ((30, new), (20, old))]
    land(paths, "replay", ShardSpec(pages, complete=False), flow="replay", started_at=minute(60))
    load(paths)
    assert query_rows(paths, "SELECT market_hash_name FROM items") == [(new,)]
