"""Shards with several deliveries, quotes without a quantity, and listings with aggregates."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.warehouse import (
    Quote,
    ShardSpec,
    by_ids,
    copy_warehouse,
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


def listing(at: float, *quotes: Quote, **fields: Any) -> ShardSpec:
    """Observe all that a source lists, of both deliveries."""
    return observe(minute(at), *quotes, deliveries=BOTH, listing=True, **fields)


def listed_quotes(paths: WarehousePaths) -> set[tuple[str, str]]:
    return set(query_rows(paths, "SELECT item_id, delivery FROM quotes"))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> WarehousePaths:
    """Return a warehouse that observed items 1 and 2, each of both deliveries, in a listing at noon."""
    paths = create_warehouse(tmp_path_factory.mktemp("warehouse"))
    report = land_and_load(paths, "a", listing(0, standard("1"), instant("1"), standard("2"), instant("2")))
    assert (report.rows_fetched, report.rows_changed) == (4, 4)
    return paths


@pytest.fixture
def paths(template: WarehousePaths, tmp_path: Path) -> WarehousePaths:
    return copy_warehouse(template, tmp_path)


def load_listing(paths: WarehousePaths, run_id: str, at: float, *quotes: Quote, **fields: Any) -> LoadReport:
    return land_and_load(paths, run_id, listing(at, *quotes, **fields))


def test_listing_closes_quotes_of_either_delivery(paths: WarehousePaths) -> None:
    assert load_listing(paths, "b", 10, standard("1"), instant("2")).rows_closed == 2
    assert listed_quotes(paths) == {("1", "standard"), ("2", "instant")}


def test_observation_of_one_delivery_does_not_close_the_other(paths: WarehousePaths) -> None:
    assert land_and_load(paths, "b", observe(minute(10), listing=True)).rows_closed == 2
    assert listed_quotes(paths) == {("1", "instant"), ("2", "instant")}


def test_observation_counts_the_rows_of_its_delivery(paths: WarehousePaths) -> None:
    load_listing(paths, "b", 10, standard("1"), standard("2"), instant("2"))
    assert query_rows(
        paths, "SELECT run_id, delivery, scope, complete, rows FROM observations ORDER BY ALL"
    ) == [
        ("a", "instant", "listing", True, 2),
        ("a", "standard", "listing", True, 2),
        ("b", "instant", "listing", True, 1),
        ("b", "standard", "listing", True, 2),
    ]


def test_reject_may_be_of_any_requested_delivery(paths: WarehousePaths) -> None:
    raw = json.dumps({"itemId": "1", "marketHashName": "AK-47 | Finish 1 (Field-Tested)", "standard": "?"})
    report = load_listing(paths, "b", 10, standard("2"), rejects=[("no price", raw)])
    assert report.rows_closed == 1
    assert listed_quotes(paths) == {("1", "standard"), ("1", "instant"), ("2", "standard")}
    assert query_rows(paths, "SELECT deliveries, provider FROM rejects") == [(list(BOTH), "steam")]


@pytest.mark.slow
def test_listing_closes_absent_aggregates(paths: WarehousePaths) -> None:
    load_listing(paths, "b", 10, standard("1"), ANY, RUBY)
    assert query_rows(
        paths, "SELECT aggregate, observed_at FROM quotes WHERE phase IS NULL AND item_id = '9'"
    ) == [(True, minute(10))]
    load_listing(paths, "c", 20, standard("1"), ANY, RUBY)
    assert query_rows(paths, "SELECT phase, observed_at FROM quotes WHERE item_id = '9' ORDER BY ALL") == [
        ("Ruby", minute(20)),
        (None, minute(20)),
    ]
    assert load_listing(paths, "d", 30, standard("1"), RUBY).rows_closed == 1
    assert query_rows(paths, "SELECT phase FROM quotes WHERE item_id = '9'") == [("Ruby",)]


@pytest.mark.slow
def test_late_listing_does_not_change_later_quotes(paths: WarehousePaths) -> None:
    load_listing(paths, "c", 20, standard("1", 150), ANY, RUBY)
    report = load_listing(paths, "b", 10, standard("1", 130), ANY, RUBY)
    # The later listing had closed three quotes; the late one did not return them either.
    assert (report.rows_late, report.rows_closed) == (3, 3)
    closed = "SELECT DISTINCT valid_from FROM quote_history WHERE price IS NULL"
    assert query_rows(paths, closed) == [(minute(10),)]
    changes = (
        "SELECT phase, lowest_ask, valid_from FROM quote_history"
        " WHERE delivery = 'standard' AND item_id = ? ORDER BY ALL"
    )
    assert query_rows(paths, changes, "9") == [("Ruby", 900, minute(10)), (None, 500, minute(10))]
    assert query_rows(paths, changes, "1") == [
        (None, 100, minute(0)),
        (None, 130, minute(10)),
        (None, 150, minute(20)),
    ]


def test_missing_quantity_is_no_change(paths: WarehousePaths) -> None:
    load_listing(paths, "b", 10, standard("1"), instant("1"), standard("2"), instant("2"))
    report = load_listing(paths, "c", 20, standard("1"), instant("1"), standard("2"), instant("2"))
    assert report.rows_changed == 0
    assert query_rows(paths, "SELECT DISTINCT quantity, observed_at FROM quotes") == [(None, minute(20))]


@pytest.mark.slow
def test_first_quantity_is_a_change(paths: WarehousePaths) -> None:
    for at, quantity in ((10, None), (20, 4), (30, 4), (40, None)):
        land_and_load(paths, f"r{at}", observe(minute(at), Quote("3", 100, quantity), items=by_ids("3")))
    assert price_history(paths, "3") == [(10, 100, None), (20, 100, 4), (40, 100, None)]


def test_quote_without_a_quantity_vanishes_and_returns(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    for at, quotes in ((0, [standard("1")]), (10, []), (20, [standard("1")])):
        load_listing(paths, f"r{at}", at, *quotes)
    assert price_history(paths) == [(0, 100, None), (10, None, 0), (20, 100, None)]


@pytest.mark.slow
def test_late_rows_without_a_quantity_enter_the_history_in_order(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    for at, cents in ((0, 100), (20, 100), (10, 110)):
        load_listing(paths, f"r{at}", at, standard("1", cents))
    assert price_history(paths) == [(0, 100, None), (10, 110, None), (20, 100, None)]
    load_listing(paths, "late", 15, standard("1", 110))
    assert price_history(paths) == [(0, 100, None), (10, 110, None), (20, 100, None)]
