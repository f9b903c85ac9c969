"""One answer with several deliveries, quantities that are not told, and listings that hold aggregates."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.warehouse import (
    Quote,
    ShardSpec,
    by_ids,
    create_warehouse,
    land_and_load,
    minute,
    observe,
    price_history,
    query_rows,
)
from warehouse.loading.run import LoadReport
from warehouse.paths import WarehousePaths

BOTH = ("standard", "instant")
KNIFE = "★ Karambit | Doppler (Factory New)"
ANY = Quote("9", 500, None, name=KNIFE)
RUBY = Quote("9", 900, None, name=KNIFE, phase="Ruby")


def instant(item: str = "1", cents: int = 120) -> Quote:
    return Quote(item, cents, None, delivery="instant")


def standard(item: str = "1", cents: int = 100) -> Quote:
    return Quote(item, cents, None)


def listing(at: float, *quotes: Quote, **told: Any) -> ShardSpec:
    """One look at everything that a source lists, for both deliveries."""
    return observe(minute(at), *quotes, deliveries=BOTH, listing=True, **told)


def listed(home: WarehousePaths) -> set[tuple[str, str]]:
    return set(query_rows(home, "SELECT item_id, delivery FROM quotes"))


@pytest.fixture
def home(tmp_path: Path) -> WarehousePaths:
    """Return a warehouse that has seen items 1 and 2, each of both deliveries, in a listing at noon."""
    home = create_warehouse(tmp_path)
    first = land_and_load(home, "a", listing(0, standard("1"), instant("1"), standard("2"), instant("2")))
    assert (first.rows_fetched, first.rows_changed) == (4, 4)
    return home


def again(home: WarehousePaths, run_id: str, at: float, *quotes: Quote, **told: Any) -> LoadReport:
    return land_and_load(home, run_id, listing(at, *quotes, **told))


def test_one_listing_closes_quotes_of_either_delivery(home: WarehousePaths) -> None:
    assert again(home, "b", 10, standard("1"), instant("2")).rows_closed == 2
    assert listed(home) == {("1", "standard"), ("2", "instant")}


def test_a_look_at_one_delivery_leaves_the_other_alone(home: WarehousePaths) -> None:
    assert land_and_load(home, "b", observe(minute(10), listing=True)).rows_closed == 2
    assert listed(home) == {("1", "instant"), ("2", "instant")}


def test_an_observation_counts_the_rows_of_its_delivery(home: WarehousePaths) -> None:
    again(home, "b", 10, standard("1"), standard("2"), instant("2"))
    assert query_rows(
        home, "SELECT run_id, delivery, scope, complete, rows FROM observations ORDER BY ALL"
    ) == [
        ("a", "instant", "listing", True, 2),
        ("a", "standard", "listing", True, 2),
        ("b", "instant", "listing", True, 1),
        ("b", "standard", "listing", True, 2),
    ]


def test_a_reject_may_be_of_any_delivery_that_was_asked_for(home: WarehousePaths) -> None:
    raw = json.dumps({"itemId": "1", "marketHashName": "AK-47 | Finish 1 (Field-Tested)", "standard": "?"})
    report = again(home, "b", 10, standard("2"), rejects=[("no price", raw)])
    assert report.rows_closed == 1
    assert listed(home) == {("1", "standard"), ("1", "instant"), ("2", "standard")}
    assert query_rows(home, "SELECT deliveries, provider FROM rejects") == [(list(BOTH), "steam")]


def test_a_listing_closes_the_aggregates_that_it_no_longer_holds(home: WarehousePaths) -> None:
    again(home, "b", 10, standard("1"), ANY, RUBY)
    assert query_rows(
        home, "SELECT aggregate, observed_at FROM quotes WHERE phase IS NULL AND item_id = '9'"
    ) == [(True, minute(10))]
    again(home, "c", 20, standard("1"), ANY, RUBY)
    assert query_rows(home, "SELECT phase, observed_at FROM quotes WHERE item_id = '9' ORDER BY ALL") == [
        ("Ruby", minute(20)),
        (None, minute(20)),
    ]
    assert again(home, "d", 30, standard("1"), RUBY).rows_closed == 1
    assert query_rows(home, "SELECT phase FROM quotes WHERE item_id = '9'") == [("Ruby",)]


def test_a_late_listing_leaves_what_was_seen_after_it_alone(home: WarehousePaths) -> None:
    again(home, "c", 20, standard("1", 150), ANY, RUBY)
    report = again(home, "b", 10, standard("1", 130), ANY, RUBY)
    assert (report.rows_late, report.rows_closed) == (3, 0)
    changes = (
        "SELECT phase, lowest_ask, valid_from FROM quote_history"
        " WHERE delivery = 'standard' AND item_id = ? ORDER BY ALL"
    )
    assert query_rows(home, changes, "9") == [("Ruby", 900, minute(10)), (None, 500, minute(10))]
    assert query_rows(home, changes, "1") == [
        (None, 100, minute(0)),
        (None, 130, minute(10)),
        (None, 150, minute(20)),
    ]


def test_a_quantity_that_is_not_told_is_no_change(home: WarehousePaths) -> None:
    again(home, "b", 10, standard("1"), instant("1"), standard("2"), instant("2"))
    same = again(home, "c", 20, standard("1"), instant("1"), standard("2"), instant("2"))
    assert same.rows_changed == 0
    assert query_rows(home, "SELECT DISTINCT quantity, observed_at FROM quotes") == [(None, minute(20))]


def test_a_quantity_that_is_told_at_last_is_a_change(home: WarehousePaths) -> None:
    for at, quantity in ((10, None), (20, 4), (30, 4), (40, None)):
        land_and_load(home, f"r{at}", observe(minute(at), Quote("3", 100, quantity), items=by_ids("3")))
    assert price_history(home, "3") == [(10, 100, None), (20, 100, 4), (40, 100, None)]


def test_a_quote_without_a_quantity_vanishes_and_returns(tmp_path: Path) -> None:
    home = create_warehouse(tmp_path)
    for at, quotes in ((0, [standard("1")]), (10, []), (20, [standard("1")])):
        again(home, f"r{at}", at, *quotes)
    assert price_history(home) == [(0, 100, None), (10, None, 0), (20, 100, None)]


def test_late_rows_without_a_quantity_find_their_place(tmp_path: Path) -> None:
    home = create_warehouse(tmp_path)
    for at, cents in ((0, 100), (20, 100), (10, 110)):
        again(home, f"r{at}", at, standard("1", cents))
    assert price_history(home) == [(0, 100, None), (10, 110, None), (20, 100, None)]
    again(home, "late", 15, standard("1", 110))
    assert price_history(home) == [(0, 100, None), (10, 110, None), (20, 100, None)]
