"""The condition of a watch: which items, prices and marketplaces match."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from common.errors import ConfigError
from pipelines.watches.conditions import find_matches
from tests.support.snapshots import REDLINE
from tests.support.warehouse import Quote, create_warehouse, land, load
from tests.support.watches import KARAMBIT, create_record, watch
from warehouse.paths import WarehousePaths

RUBY, SAPPHIRE = f"{KARAMBIT} @ Ruby", f"{KARAMBIT} @ Sapphire"
CHEAPEST = (REDLINE, "11.20", "buff163")
CASES: dict[str, tuple[dict[str, Any], list[tuple[str, str, str]]]] = {
    "below": ({"item": REDLINE, "below": 11.21}, [CHEAPEST]),
    "not below": ({"item": REDLINE, "below": 11.2}, []),
    "above": ({"item": REDLINE, "above": 11.19}, [CHEAPEST]),
    "the cheapest is not above": ({"item": REDLINE, "above": 12}, []),
    "outside of both": ({"item": REDLINE, "below": 5, "above": 11}, [CHEAPEST]),
    "between both": ({"item": REDLINE, "below": 5, "above": 20}, []),
    "at a marketplace": (
        {"item": REDLINE, "above": 12, "marketplace": "STEAM"},
        [(REDLINE, "13.00", "steam")],
    ),
    "at several": ({"item": REDLINE, "below": 20, "marketplace": ["steam", "buff163"]}, [CHEAPEST]),
    "in another currency": ({"item": REDLINE, "below": 20, "currency": "EUR"}, []),
    "currency in any case": ({"item": REDLINE, "below": 20, "currency": "usd"}, [CHEAPEST]),
    "by its id": ({"item": 1, "below": 20}, [CHEAPEST]),
    "by words": ({"item": "ak redline ft", "below": 20}, [CHEAPEST]),
    "by a glob": ({"item": "★ *", "below": 800}, [(SAPPHIRE, "700.00", "buff163")]),
    "cheapest phase": ({"item": KARAMBIT, "below": 1000}, [(SAPPHIRE, "700.00", "buff163")]),
    "one phase": ({"item": KARAMBIT, "phase": "Ruby", "below": 1000}, [(RUBY, "900.00", "steam")]),
    "each phase": (
        {"item": f"{KARAMBIT} @ *", "below": 1000},
        [(SAPPHIRE, "700.00", "buff163"), (RUBY, "900.00", "steam")],
    ),
    "an ask for nothing": ({"item": "Sold out", "below": 20}, []),
    "an ask of nothing": ({"item": "Free", "below": 20}, []),
    "a query": (
        {"query": "SELECT item, price, provider FROM quotes WHERE price = 900"},
        [(RUBY, "900.00", "steam")],
    ),
}


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> WarehousePaths:
    return create_record(tmp_path_factory.mktemp("record") / "data")


@pytest.mark.parametrize(("fields", "expected"), CASES.values(), ids=CASES)
def test_rows_that_match(
    record: WarehousePaths, fields: dict[str, Any], expected: list[tuple[str, str, str]]
) -> None:
    records = find_matches(record, watch(**fields)).records()
    assert [(row["item"], row["price"], row["provider"]) for row in records] == expected


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"item": "AK-47 | Redlin (Field-Tested)"}, f"did you mean '{REDLINE}'"),
        ({"item": 99}, "no item has the id 99"),
        ({"item": KARAMBIT, "phase": "Rubi"}, "this item has Ruby, Sapphire"),
        ({"item": REDLINE, "marketplace": "steem"}, "no provider is called 'steem'; did you mean 'steam'"),
    ],
)
def test_name_that_the_record_does_not_have_is_reported(
    record: WarehousePaths, fields: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        find_matches(record, watch(below=5, **fields))
    assert reason in caught.value.detail


def test_nothing_matches_in_an_empty_record(tmp_path: Path) -> None:
    """The first run may bring nothing: then the name of an item is not wrong."""
    paths = create_warehouse(tmp_path / "data")
    land(paths, "r1", state="auth_failed")
    load(paths)
    assert find_matches(paths, watch(item=REDLINE, below=5, marketplace="steam")).rows == ()


def test_names_of_items_are_values_and_no_sql(tmp_path: Path) -> None:
    name = "x'; DROP VIEW quotes; --"
    paths = create_record(tmp_path / "data", Quote("1", 100, name=name))
    (row,) = find_matches(paths, watch(item=name, below=5)).records()
    assert row["item"] == name
