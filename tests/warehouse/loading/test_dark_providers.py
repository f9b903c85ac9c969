"""Nothing closes where too many quotes of a provider vanish at once, or where the provider is down."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.support.warehouse import Quote, create_warehouse, land_and_load, minute, observe, query_rows
from warehouse.loading.run import LoadReport
from warehouse.paths import WarehousePaths


def quotes_of(numbers: Iterable[int], provider: str = "steam") -> list[Quote]:
    return [Quote(str(number), provider=provider) for number in numbers]


def load_quotes(paths: WarehousePaths, at: int, remaining: Iterable[int], **facts: object) -> LoadReport:
    return land_and_load(paths, f"r{at}", observe(minute(at), *quotes_of(remaining)), facts=facts)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("listed", "remaining", "closed"),
    [(300, 199, 0), (300, 200, 100), (400, 280, 120), (400, 279, 0), (100, 0, 100), (101, 0, 0)],
    ids=["101-of-300", "100-of-300", "30-percent", "more-than-30-percent", "all-of-100", "all-of-101"],
)
def test_loss_of_more_than_100_rows_and_30_percent_closes_nothing(
    tmp_path: Path, listed: int, remaining: int, closed: int
) -> None:
    paths = create_warehouse(tmp_path)
    load_quotes(paths, 0, range(listed))
    report = load_quotes(paths, 10, range(remaining))

    assert report.rows_closed == closed
    assert query_rows(paths, "SELECT count(*) FROM quotes") == [(listed - closed,)]
    assert [provider.provider for provider in report.held] == ([] if closed else ["steam"])
    observations = query_rows(paths, "SELECT complete, reason FROM observations WHERE run_id = 'r10'")
    assert observations == ([(True, None)] if closed else [(False, "provider dark")])


def test_suspect_provider_that_returns_changes_nothing(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    load_quotes(paths, 0, range(150))
    empty = load_quotes(paths, 10, [])
    returned = load_quotes(paths, 20, range(150))

    assert empty.held[0].reason == "150 of 150 quotes vanished at once"
    assert (returned.rows_changed, returned.held, returned.brought) == (0, (), ("steam",))
    assert query_rows(paths, "SELECT count(*), min(observed_at) FROM quotes") == [(150, minute(20))]


@pytest.mark.slow
def test_provider_that_is_down_closes_nothing(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    load_quotes(paths, 0, range(10))
    report = load_quotes(paths, 10, range(4), down=["steam"])

    assert (report.rows_closed, report.rows_changed) == (0, 0)
    assert [(provider.provider, provider.reason) for provider in report.held] == [
        ("steam", "the API says that it is down")
    ]
    assert query_rows(paths, "SELECT complete, reason FROM observations WHERE run_id = 'r10'") == [
        (False, "provider dark")
    ]
    assert load_quotes(paths, 20, range(4)).rows_closed == 6


def test_suspect_provider_does_not_affect_the_others(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    both = [observe(minute(0), *quotes_of(range(150), p), providers=(p,)) for p in ("steam", "buff163")]
    land_and_load(paths, "a", *both)
    suspect = observe(minute(10), providers=("steam",))
    healthy = observe(minute(10), *quotes_of(range(149), "buff163"), providers=("buff163",))
    report = land_and_load(paths, "b", suspect, healthy)

    assert report.rows_closed == 1
    assert query_rows(paths, "SELECT provider, count(*) FROM quotes GROUP BY ALL ORDER BY ALL") == [
        ("buff163", 149),
        ("steam", 150),
    ]


def test_rule_counts_a_provider_over_all_shards_of_a_run(tmp_path: Path) -> None:
    """Two shards of a basket lose 60 quotes each: no shard alone loses more than 100."""
    paths = create_warehouse(tmp_path)
    halves = [[Quote(str(n)) for n in range(start, start + 90)] for start in (0, 90)]
    items = [tuple((q.item, q.row()["market_hash_name"], None) for q in half) for half in halves]
    land_and_load(paths, "a", *(observe(minute(0), *h, items=i) for h, i in zip(halves, items, strict=True)))
    report = land_and_load(
        paths, "b", *(observe(minute(10), *h[:30], items=i) for h, i in zip(halves, items, strict=True))
    )

    assert (report.rows_closed, [provider.provider for provider in report.held]) == (0, ["steam"])
