"""`observed_at` says when a run returned a row of the quote, and nothing else."""

from pathlib import Path

import pytest

from tests.support.warehouse import (
    Page,
    Quote,
    ShardSpec,
    by_ids,
    create_warehouse,
    land,
    land_and_load,
    load,
    minute,
    observe,
    price_history,
    query_rows,
)
from warehouse.paths import WarehousePaths

UNREADABLE = '{"item_id": 1, "market_hash_name": "AK-47 | Finish 1 (Field-Tested)", "provider": "steam"}'
AGGREGATE = Quote("9", name="★ Karambit | Doppler (Factory New)")
RUBY = Quote("8", name="★ Karambit | Doppler (Factory New)", phase="Ruby")


def observed(paths: WarehousePaths) -> dict[str, float]:
    """Return the minute after noon at which each item was observed last."""
    rows = query_rows(paths, "SELECT item_id, epoch(observed_at - ?) / 60 FROM quotes", minute(0))
    return dict(rows)


@pytest.mark.slow
def test_rejected_row_confirms_nothing(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    land_and_load(paths, "a", observe(minute(0), Quote("1"), Quote("2")))
    for at in (10, 20, 30, 40):
        land_and_load(paths, f"r{at}", observe(minute(at), Quote("2"), rejects=[("bad price", UNREADABLE)]))
        assert observed(paths) == {"1": 0, "2": at}
    assert query_rows(paths, "SELECT item_id FROM best_ask JOIN items USING (market_hash_name)") == [("2",)]
    land_and_load(paths, "d", observe(minute(50), Quote("1"), Quote("2")))
    assert observed(paths) == {"1": 50, "2": 50}


@pytest.mark.slow
def test_unchanged_rows_of_an_incomplete_run_are_confirmed(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    land_and_load(paths, "a", observe(minute(0), Quote("1"), Quote("2"), Quote("3")))
    pages = [Page(minute(10), [Quote("1")]), Page(minute(11), [Quote("2")], offset=1)]
    land_and_load(paths, "b", ShardSpec(pages, complete=False))
    assert observed(paths) == {"1": 10, "2": 11, "3": 0}
    land_and_load(paths, "c", observe(minute(25), Quote("1"), complete=False))
    assert observed(paths) == {"1": 25, "2": 11, "3": 0}
    # Three intervals of ten minutes: the second item was seen 14 minutes ago, the third one 25.
    assert query_rows(paths, "SELECT count(*) FROM best_ask") == [(3,)]
    land_and_load(paths, "d", observe(minute(38), Quote("1"), complete=False))
    assert query_rows(paths, "SELECT count(*) FROM best_ask") == [(2,)]


def test_incomplete_run_of_a_provider_that_is_down_confirms_its_rows(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    land_and_load(paths, "a", observe(minute(0), Quote("1"), Quote("2")))
    land_and_load(paths, "b", observe(minute(10), Quote("1")), facts={"down": ["steam"]})
    assert observed(paths) == {"1": 10, "2": 0}


def test_catalog_that_brings_an_aggregate_confirms_and_closes_it(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    land_and_load(paths, "a", observe(minute(0), AGGREGATE, RUBY))
    land_and_load(paths, "b", observe(minute(10), AGGREGATE, RUBY))
    assert observed(paths) == {"8": 10, "9": 10}
    land_and_load(paths, "c", observe(minute(20), RUBY))
    assert observed(paths) == {"8": 20}


def test_catalog_neither_confirms_nor_closes_an_aggregate_that_another_request_brought(
    tmp_path: Path,
) -> None:
    paths = create_warehouse(tmp_path)
    land_and_load(paths, "a", observe(minute(0), RUBY))
    named = (("9", "★ Karambit | Doppler (Factory New)", None),)
    land_and_load(paths, "b", observe(minute(5), AGGREGATE, items=named))
    land_and_load(paths, "c", observe(minute(10), RUBY))
    assert observed(paths) == {"8": 10, "9": 5}


def test_aggregate_of_a_marketplace_is_no_matter_of_another_one(tmp_path: Path) -> None:
    """The catalog returns the aggregate at csfloat only; at steam a named request did."""
    paths = create_warehouse(tmp_path)
    at_csfloat = Quote("9", name=AGGREGATE.name, provider="csfloat")
    named = (("9", "★ Karambit | Doppler (Factory New)", None),)
    land_and_load(
        paths, "a", observe(minute(0), RUBY), observe(minute(0), at_csfloat, providers=("csfloat",))
    )
    land_and_load(paths, "b", observe(minute(5), AGGREGATE, items=named))
    land_and_load(paths, "c", observe(minute(10), RUBY), observe(minute(10), providers=("csfloat",)))
    assert query_rows(paths, "SELECT provider, item_id FROM quotes ORDER BY ALL") == [
        ("steam", "8"),
        ("steam", "9"),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("complete", [True, False])
def test_replaced_identity_closes(tmp_path: Path, complete: bool) -> None:
    paths = create_warehouse(tmp_path)
    land_and_load(paths, "a", observe(minute(0), Quote("1"), Quote("1", provider="buff163")))
    renamed = Quote("1", name="M4A4 | Finish 1 (Field-Tested)")
    report = land_and_load(paths, "b", observe(minute(10), renamed, items=by_ids("1"), complete=complete))

    assert report.contract_changes
    assert query_rows(paths, "SELECT market_hash_name, provider FROM quotes") == [(renamed.name, "steam")]
    land_and_load(paths, "c", observe(minute(20), renamed))
    assert query_rows(paths, "SELECT market_hash_name, provider FROM quotes") == [(renamed.name, "steam")]


def test_request_by_id_closes_what_the_id_named_before(tmp_path: Path) -> None:
    """A phase got an id's place: the complete request of the id lacks the item without a phase."""
    paths = create_warehouse(tmp_path)
    land_and_load(paths, "a", observe(minute(0), Quote("1"), items=by_ids("1")))
    land_and_load(paths, "b", observe(minute(10), Quote("1", phase="Ruby"), items=by_ids("1")))
    assert query_rows(paths, "SELECT phase FROM quotes") == [("Ruby",)]


def test_moment_ahead_of_the_own_clock_does_not_count(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    ahead = ShardSpec([Page(minute(60 * 24 * 365), [Quote(cents=100)], landed_at=minute(0))])
    land_and_load(paths, "a", ahead)
    assert observed(paths) == {"1": 5}
    land_and_load(paths, "b", observe(minute(10), Quote(cents=120)))
    assert price_history(paths) == [(5, 100, 1), (10, 120, 1)]


def test_timestamps_ahead_of_the_own_clock_are_none(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    year = minute(60 * 24 * 365)
    shard = observe(minute(0), Quote(timestamp=year, last_updated=year), currency="EUR")
    land_and_load(paths, "a", shard)
    assert query_rows(paths, "SELECT changed_at, last_updated FROM quotes") == [(minute(0), None)]
    land_and_load(paths, "b", observe(minute(10), Quote(cents=120, timestamp=minute(9)), currency="EUR"))
    assert price_history(paths) == [(0, 100, 1), (10, 120, 1)]


@pytest.mark.slow
def test_replay_of_several_moments_of_one_quote_enters_them_all(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    land_and_load(paths, "a", observe(minute(0), Quote(cents=100)))
    for at in (10, 20, 30, 40):
        land_and_load(paths, f"r{at}", observe(minute(at), rejects=[("bad price", UNREADABLE)]))
    rejects = [
        reject for (reject,) in query_rows(paths, "SELECT reject_id FROM rejects ORDER BY observed_at")
    ]
    # The timestamp of the API goes back: the later observation counts all the same.
    pages = [
        Page(minute(at), [Quote(cents=cents, timestamp=minute(-at))], request=number)
        for number, (at, cents) in enumerate([(10, 110), (20, 120), (30, 130), (40, 140)])
    ]
    land(
        paths, "replay", ShardSpec(pages, items=(), complete=False, providers=()),
        flow="replay", started_at=minute(50), interval_seconds=None, facts={"replayed": rejects},
    )  # fmt: skip
    load(paths)

    assert price_history(paths) == [(0, 100, 1), (10, 110, 1), (20, 120, 1), (30, 130, 1), (40, 140, 1)]
    assert observed(paths) == {"1": 40}
    assert query_rows(paths, "SELECT DISTINCT replayed_run_id FROM rejects") == [("replay",)]


def test_aggregate_in_the_catalog_of_another_marketplace_is_confirmed(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    knife = "★ Karambit | Doppler (Factory New)"
    rows = [Quote("90", name=knife, provider="csfloat"), Quote("91", name=knife, phase="Ruby")]
    pages = [
        Page(minute(1), [Quote("91", name=knife, phase="Ruby", provider="csfloat")]),
        Page(minute(5), [], offset=1),
    ]
    land_and_load(paths, "a", observe(minute(0), *rows), ShardSpec(pages, providers=("csfloat",)))
    observed = query_rows(paths, "SELECT observed_at FROM quotes WHERE item_id = '90'")
    assert observed == [(minute(5),)]
