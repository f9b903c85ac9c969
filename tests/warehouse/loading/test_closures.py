"""Which absent quotes close: those that a complete observation covers, and no later one has."""

from pathlib import Path

import pytest

from tests.support.warehouse import (
    Page,
    Quote,
    ShardSpec,
    by_ids,
    copy_warehouse,
    create_warehouse,
    current_prices,
    item_name,
    land_and_load,
    minute,
    observe,
    price_history,
    query_rows,
)
from warehouse.paths import WarehousePaths


def listed_items(paths: WarehousePaths) -> set[str]:
    return set(current_prices(paths))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> WarehousePaths:
    """Return a warehouse that observed items 1, 2 and 3 in the catalog at noon."""
    paths = create_warehouse(tmp_path_factory.mktemp("warehouse"))
    land_and_load(paths, "a", observe(minute(0), Quote("1"), Quote("2"), Quote("3")))
    return paths


@pytest.fixture
def paths(template: WarehousePaths, tmp_path: Path) -> WarehousePaths:
    return copy_warehouse(template, tmp_path)


@pytest.mark.slow
@pytest.mark.lake
def test_quote_vanishes_and_returns_unchanged(paths: WarehousePaths) -> None:
    closed = land_and_load(paths, "b", observe(minute(10), Quote("2"), Quote("3")))
    assert (closed.rows_closed, closed.rows_changed, listed_items(paths)) == (1, 1, {"2", "3"})
    unchanged = land_and_load(paths, "c", observe(minute(20), Quote("2"), Quote("3")))
    assert (unchanged.rows_closed, unchanged.rows_changed) == (0, 0)
    returned = land_and_load(paths, "d", observe(minute(30), Quote("1"), Quote("2"), Quote("3")))

    assert (returned.rows_changed, listed_items(paths)) == (1, {"1", "2", "3"})
    assert price_history(paths) == [(0, 100, 1), (10, None, 0), (30, 100, 1)]
    assert query_rows(
        paths, "SELECT lowest_ask, quantity FROM store.current WHERE valid_from = ?", minute(30)
    ) == [(100, 1)]


@pytest.mark.slow
def test_converted_quote_returns_with_its_old_timestamp(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    for run, quotes in enumerate([(Quote("1"), Quote("2")), (Quote("2"),), (Quote("1"), Quote("2"))]):
        land_and_load(paths, f"r{run}", observe(minute(run * 10), *quotes, currency="EUR"))
    assert price_history(paths) == [(0, 100, 1), (10, None, 0), (20, 100, 1)]


@pytest.mark.slow
def test_complete_shard_without_rows_closes_its_items(paths: WarehousePaths) -> None:
    assert land_and_load(paths, "b", observe(minute(10), items=by_ids("1", "2"))).rows_closed == 2
    assert listed_items(paths) == {"3"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "shard",
    [
        observe(minute(10), Quote("2"), complete=False),
        observe(minute(10), Quote("2"), items=by_ids("2")),
        observe(minute(10), Quote("2", provider="buff163"), providers=("buff163",)),
        observe(minute(10), Quote("2"), currency="EUR"),
        observe(minute(10), Quote("2", provider="buff163"), providers=("buff163",), items=by_ids("1", "2")),
    ],
    ids=["incomplete", "other-items", "other-provider", "other-currency", "provider-not-requested"],
)
def test_quote_outside_a_complete_request_stays_open(paths: WarehousePaths, shard: ShardSpec) -> None:
    assert land_and_load(paths, "b", shard).rows_closed == 0
    assert {"1", "2", "3"} <= listed_items(paths)


@pytest.mark.slow
def test_provider_that_was_not_requested_is_never_observed_completely(paths: WarehousePaths) -> None:
    unrequested = observe(minute(10), Quote("9", provider="buff163"), Quote("2"), providers=("buff163",))
    assert land_and_load(paths, "b", unrequested).rows_closed == 0
    query = "SELECT provider, complete, reason FROM observations WHERE run_id = 'b' ORDER BY provider"
    assert query_rows(paths, query) == [("buff163", True, None), ("steam", False, "not asked for")]
    # The same once more, now that every name is known.
    later = observe(minute(20), Quote("9", provider="buff163"), Quote("2"), providers=("buff163",))
    assert land_and_load(paths, "c", later).rows_closed == 0


@pytest.mark.slow
def test_shard_without_providers_requests_all(paths: WarehousePaths) -> None:
    report = land_and_load(paths, "b", observe(minute(10), Quote("2"), providers=(), items=by_ids("1", "2")))
    assert (report.rows_closed, listed_items(paths)) == (1, {"2", "3"})


def test_later_observation_by_another_shard_prevents_a_closure(paths: WarehousePaths) -> None:
    """The extraction of the catalog began before the basket observed the item; its page lacks the item."""
    land_and_load(paths, "basket", observe(minute(15), Quote("1"), items=by_ids("1")))
    extraction = ShardSpec([Page(minute(10), [Quote("2"), Quote("3")]), Page(minute(20), [], offset=2)])

    assert land_and_load(paths, "catalog", extraction).rows_closed == 0
    assert listed_items(paths) == {"1", "2", "3"}


def test_earlier_observation_by_another_shard_does_not_prevent_a_closure(paths: WarehousePaths) -> None:
    land_and_load(paths, "basket", observe(minute(5), Quote("1"), items=by_ids("1")))
    assert land_and_load(paths, "catalog", observe(minute(10), Quote("2"), Quote("3"))).rows_closed == 1


@pytest.mark.slow
def test_overlapping_baskets_close_once_and_only_their_own_items(paths: WarehousePaths) -> None:
    one, two = by_ids("1", "2"), by_ids("2", "3")
    land_and_load(paths, "one", observe(minute(10), Quote("1"), Quote("2"), items=one), basket="one")
    land_and_load(paths, "two", observe(minute(11), Quote("2"), Quote("3"), items=two), basket="two")
    first = land_and_load(paths, "one2", observe(minute(20), Quote("1"), items=one), basket="one")
    second = land_and_load(paths, "two2", observe(minute(21), Quote("3"), items=two), basket="two")

    assert (first.rows_closed, second.rows_closed, listed_items(paths)) == (1, 0, {"1", "3"})
    assert price_history(paths, "2") == [(0, 100, 1), (20, None, 0)]


def test_item_requested_by_name_closes(paths: WarehousePaths) -> None:
    by_name = ((None, item_name("1"), None),)
    assert land_and_load(paths, "b", observe(minute(10), items=by_name)).rows_closed == 1
    assert listed_items(paths) == {"2", "3"}


def test_page_that_was_fetched_twice_counts_once(paths: WarehousePaths) -> None:
    pages = [
        Page(minute(10), [Quote("1", 500), Quote("2")], offset=0),
        Page(minute(10), [Quote("3")], offset=2),
        Page(minute(11), [Quote("2"), Quote("3")], offset=0),
        Page(minute(11), [], offset=2),
    ]
    report = land_and_load(paths, "b", ShardSpec(pages))

    assert (report.rows_fetched, report.rows_closed, listed_items(paths)) == (2, 1, {"2", "3"})
    assert price_history(paths) == [(0, 100, 1), (11, None, 0)]


def test_same_offset_of_another_request_is_another_page(paths: WarehousePaths) -> None:
    pages = [Page(minute(10), [Quote("1")], request=0), Page(minute(10), [Quote("2")], request=1)]
    assert land_and_load(paths, "b", ShardSpec(pages, items=by_ids("1", "2"))).rows_fetched == 2
    assert listed_items(paths) == {"1", "2", "3"}
