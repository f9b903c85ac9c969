"""What absence closes: only what a complete look, and no later one, should have brought."""

from pathlib import Path

import pytest

from tests.support.warehouse import (
    Page,
    Quote,
    Shard,
    history,
    home_in,
    look,
    minute,
    name_of,
    named,
    prices,
    rows,
    snapshot,
)
from warehouse.paths import WarehousePaths


def listed(home: WarehousePaths) -> set[str]:
    return set(prices(home))


@pytest.fixture
def home(tmp_path: Path) -> WarehousePaths:
    """Return a warehouse that has seen items 1, 2 and 3 in the whole catalog at noon."""
    home = home_in(tmp_path)
    snapshot(home, "a", look(minute(0), Quote("1"), Quote("2"), Quote("3")))
    return home


def test_a_quote_vanishes_and_returns_unchanged(home: WarehousePaths) -> None:
    gone = snapshot(home, "b", look(minute(10), Quote("2"), Quote("3")))
    assert (gone.rows_closed, gone.rows_changed, listed(home)) == (1, 1, {"2", "3"})
    still = snapshot(home, "c", look(minute(20), Quote("2"), Quote("3")))
    assert (still.rows_closed, still.rows_changed) == (0, 0)
    back = snapshot(home, "d", look(minute(30), Quote("1"), Quote("2"), Quote("3")))

    assert (back.rows_changed, listed(home)) == (1, {"1", "2", "3"})
    assert history(home) == [(0, 100, 1), (10, None, 0), (30, 100, 1)]
    assert rows(home, "SELECT lowest_ask, quantity FROM store.current WHERE valid_from = ?", minute(30)) == [
        (100, 1)
    ]


def test_a_converted_quote_returns_although_its_timestamp_does_not_move(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    for run, quotes in enumerate([(Quote("1"), Quote("2")), (Quote("2"),), (Quote("1"), Quote("2"))]):
        snapshot(home, f"r{run}", look(minute(run * 10), *quotes, currency="EUR"))
    assert history(home) == [(0, 100, 1), (10, None, 0), (20, 100, 1)]


def test_an_empty_answer_to_a_complete_question_closes(home: WarehousePaths) -> None:
    assert snapshot(home, "b", look(minute(10), items=named("1", "2"))).rows_closed == 2
    assert listed(home) == {"3"}


@pytest.mark.parametrize(
    "absent",
    [
        look(minute(10), Quote("2"), complete=False),
        look(minute(10), Quote("2"), items=named("2")),
        look(minute(10), Quote("2", provider="buff163"), providers=("buff163",)),
        look(minute(10), Quote("2"), currency="EUR"),
        look(minute(10), Quote("2", provider="buff163"), providers=("buff163",), items=named("1", "2")),
    ],
    ids=["incomplete", "other-items", "other-provider", "other-currency", "provider-not-asked"],
)
def test_what_was_not_asked_for_completely_stays(home: WarehousePaths, absent: Shard) -> None:
    assert snapshot(home, "b", absent).rows_closed == 0
    assert {"1", "2", "3"} <= listed(home)


def test_a_provider_that_comes_unasked_is_never_seen_completely(home: WarehousePaths) -> None:
    stray = look(minute(10), Quote("9", provider="buff163"), Quote("2"), providers=("buff163",))
    assert snapshot(home, "b", stray).rows_closed == 0
    told = "SELECT provider, complete, reason FROM observations WHERE run_id = 'b' ORDER BY provider"
    assert rows(home, told) == [("buff163", True, None), ("steam", False, "not asked for")]
    # the same again, when every name is known already
    later = look(minute(20), Quote("9", provider="buff163"), Quote("2"), providers=("buff163",))
    assert snapshot(home, "c", later).rows_closed == 0


def test_a_question_without_providers_asks_for_all(home: WarehousePaths) -> None:
    report = snapshot(home, "b", look(minute(10), Quote("2"), providers=(), items=named("1", "2")))
    assert (report.rows_closed, listed(home)) == (1, {"2", "3"})


def test_a_later_look_by_another_shard_holds_the_closing(home: WarehousePaths) -> None:
    """A slow walk of the catalog began before a basket saw the item; its page came without it."""
    snapshot(home, "basket", look(minute(15), Quote("1"), items=named("1")))
    slow = Shard([Page(minute(10), [Quote("2"), Quote("3")]), Page(minute(20), [], offset=2)])

    assert snapshot(home, "catalog", slow).rows_closed == 0
    assert listed(home) == {"1", "2", "3"}


def test_an_earlier_look_by_another_shard_does_not(home: WarehousePaths) -> None:
    snapshot(home, "basket", look(minute(5), Quote("1"), items=named("1")))
    assert snapshot(home, "catalog", look(minute(10), Quote("2"), Quote("3"))).rows_closed == 1


def test_overlapping_baskets_close_once_and_only_their_own(home: WarehousePaths) -> None:
    snapshot(home, "one", look(minute(10), Quote("1"), Quote("2"), items=named("1", "2")), basket="one")
    snapshot(home, "two", look(minute(11), Quote("2"), Quote("3"), items=named("2", "3")), basket="two")
    first = snapshot(home, "one2", look(minute(20), Quote("1"), items=named("1", "2")), basket="one")
    second = snapshot(home, "two2", look(minute(21), Quote("3"), items=named("2", "3")), basket="two")

    assert (first.rows_closed, second.rows_closed, listed(home)) == (1, 0, {"1", "3"})
    assert history(home, "2") == [(0, 100, 1), (20, None, 0)]


def test_closing_follows_an_item_asked_for_by_name(home: WarehousePaths) -> None:
    by_name = ((None, name_of("1"), None),)
    assert snapshot(home, "b", look(minute(10), items=by_name)).rows_closed == 1
    assert listed(home) == {"2", "3"}


def test_a_page_that_was_walked_again_replaces_the_one_before(home: WarehousePaths) -> None:
    pages = [
        Page(minute(10), [Quote("1", 500), Quote("2")], offset=0),
        Page(minute(10), [Quote("3")], offset=2),
        Page(minute(11), [Quote("2"), Quote("3")], offset=0),
        Page(minute(11), [], offset=2),
    ]
    report = snapshot(home, "b", Shard(pages))

    assert (report.rows_fetched, report.rows_closed, listed(home)) == (2, 1, {"2", "3"})
    assert history(home) == [(0, 100, 1), (11, None, 0)]


def test_the_same_offset_of_another_request_is_another_page(home: WarehousePaths) -> None:
    pages = [Page(minute(10), [Quote("1")], request=0), Page(minute(10), [Quote("2")], request=1)]
    assert snapshot(home, "b", Shard(pages, items=named("1", "2"))).rows_fetched == 2
    assert listed(home) == {"1", "2", "3"}
