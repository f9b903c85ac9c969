"""A marketplace that really shrinks is doubted at first, and believed after a day or by a user's word."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.support.cases import slow_but_first
from tests.support.warehouse import (
    Quote,
    ShardSpec,
    by_ids,
    create_warehouse,
    land_and_load,
    minute,
    observe,
    query_rows,
)
from warehouse.loading.run import LoadReport
from warehouse.paths import WarehousePaths

HOUR, DAY = 60, 24 * 60
COUNTS = "SELECT count(*), count(*) FILTER (observed_at = (SELECT max(observed_at) FROM {view})) FROM {view}"
KINDS: dict[str, dict[str, Any]] = {
    "catalog": {},
    "listing": {"listing": True},
    "bids": {"deliveries": ("bid",)},
}


def load_quotes(
    paths: WarehousePaths, at: int, remaining: Iterable[int], kind: str = "catalog", **fields: object
) -> LoadReport:
    delivery = "bid" if kind == "bids" else "standard"
    quotes = [Quote(str(number), delivery=delivery) for number in remaining]
    shard = observe(minute(at), *quotes, **KINDS[kind])
    return land_and_load(paths, f"r{at:05}", shard, **fields)


def listed_and_confirmed(paths: WarehousePaths, view: str = "quotes") -> tuple[int, int]:
    """Return how many quotes are listed, and how many of them the newest observation confirmed."""
    ((listed, confirmed),) = query_rows(paths, COUNTS.format(view=view))
    return listed, confirmed


@pytest.mark.slow
@pytest.mark.parametrize("kind", slow_but_first(*KINDS))
def test_shrunken_marketplace_is_believed_after_a_day(tmp_path: Path, kind: str) -> None:
    paths = create_warehouse(tmp_path)
    view = "bids" if kind == "bids" else "quotes"
    load_quotes(paths, 0, range(300), kind)

    for at in (HOUR, 2 * HOUR, 12 * HOUR, HOUR + DAY - 1):
        report = load_quotes(paths, at, range(170), kind)
        assert [suspect.provider for suspect in report.held] == ["steam"]
        assert listed_and_confirmed(paths, view) == (300, 170)

    report = load_quotes(paths, HOUR + DAY, range(170), kind)
    assert (report.rows_closed, report.held, report.brought) == (130, (), ("steam",))
    assert listed_and_confirmed(paths, view) == (170, 170)


@pytest.mark.slow
def test_two_complete_observations_are_not_enough(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    load_quotes(paths, 0, range(300))
    load_quotes(paths, DAY, range(170))
    assert load_quotes(paths, 3 * DAY, range(170)).rows_closed == 0
    assert load_quotes(paths, 4 * DAY, range(170)).rows_closed == 130


@pytest.mark.slow
def test_quote_that_comes_back_is_doubted_from_the_start(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    for at, remaining in ((0, 300), (HOUR, 170), (2 * HOUR, 170), (3 * HOUR, 300), (DAY, 170)):
        load_quotes(paths, at, range(remaining))
    assert load_quotes(paths, HOUR + DAY, range(170)).rows_closed == 0
    assert listed_and_confirmed(paths) == (300, 170)


@pytest.mark.slow
def test_provider_that_the_api_calls_down_is_never_believed(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    load_quotes(paths, 0, range(300))
    for day in range(1, 6):
        report = load_quotes(paths, day * DAY, range(170), facts={"down": ["steam"]})
        assert (report.rows_closed, report.brought) == (0, ())
    assert listed_and_confirmed(paths) == (300, 170)


@pytest.mark.slow
def test_big_named_basket_that_shrinks_is_believed_after_a_day(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    batches = [tuple(map(str, range(start, start + 100))) for start in (0, 100, 200)]

    def shards(at: int, remaining: int) -> list[ShardSpec]:
        return [
            observe(minute(at), *map(Quote, batch[:remaining]), items=by_ids(*batch)) for batch in batches
        ]

    for at, remaining, listed in ((0, 100, 300), (10, 50, 300), (HOUR, 50, 300), (10 + DAY, 50, 150)):
        land_and_load(paths, f"r{at:05}", *shards(at, remaining))
        assert query_rows(paths, "SELECT count(*) FROM quotes") == [(listed,)]


@pytest.mark.slow
def test_acceptance_closes_what_the_last_observation_lacked(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    load_quotes(paths, 0, range(300))
    load_quotes(paths, 10, range(170))
    facts = {"accepted": ["steam"]}
    report = land_and_load(paths, "word", flow="accept", started_at=minute(15), facts=facts)

    assert report.rows_closed == 130
    assert listed_and_confirmed(paths) == (170, 170)
    closed = query_rows(paths, "SELECT DISTINCT valid_from, origin FROM quote_history WHERE price IS NULL")
    assert closed == [(minute(15), "accept")]
    assert load_quotes(paths, 20, range(170)).held == ()


@pytest.mark.slow
def test_acceptance_closes_nothing_that_is_listed(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    load_quotes(paths, 0, range(300))
    load_quotes(paths, 10, range(170))
    load_quotes(paths, 20, range(300))
    facts = {"accepted": ["steam"]}
    assert land_and_load(paths, "word", flow="accept", started_at=minute(25), facts=facts).rows_closed == 0
    assert listed_and_confirmed(paths) == (300, 300)
