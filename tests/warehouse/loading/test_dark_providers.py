"""Too much gone at once is not believed, nor anything that a provider which is down does not bring."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.support.warehouse import Quote, home_in, look, minute, rows, snapshot
from warehouse.loading.run import LoadReport
from warehouse.paths import WarehousePaths


def some(numbers: Iterable[int], provider: str = "steam") -> list[Quote]:
    return [Quote(str(number), provider=provider) for number in numbers]


def after(home: WarehousePaths, at: int, left: Iterable[int], **facts: object) -> LoadReport:
    return snapshot(home, f"r{at}", look(minute(at), *some(left)), facts=facts)


@pytest.mark.parametrize(
    ("listed", "left", "closed"),
    [(300, 199, 0), (300, 200, 100), (400, 280, 120), (400, 279, 0), (100, 0, 100), (101, 0, 0)],
    ids=["101-of-300", "100-of-300", "30-percent", "more-than-30-percent", "all-of-100", "all-of-101"],
)
def test_more_than_a_hundred_and_more_than_30_percent(
    tmp_path: Path, listed: int, left: int, closed: int
) -> None:
    home = home_in(tmp_path)
    after(home, 0, range(listed))
    report = after(home, 10, range(left))

    assert report.rows_closed == closed
    assert rows(home, "SELECT count(*) FROM quotes") == [(listed - closed,)]
    assert [held.provider for held in report.held] == ([] if closed else ["steam"])
    looked = rows(home, "SELECT complete, reason FROM observations WHERE run_id = 'r10'")
    assert looked == ([(True, None)] if closed else [(False, "provider dark")])


def test_a_dark_provider_that_comes_back_changes_nothing(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    after(home, 0, range(150))
    held = after(home, 10, [])
    back = after(home, 20, range(150))

    assert held.held[0].reason == "150 of 150 quotes vanished at once"
    assert (back.rows_changed, back.held, back.brought) == (0, (), ("steam",))
    assert rows(home, "SELECT count(*), min(observed_at) FROM quotes") == [(150, minute(20))]


def test_a_provider_that_is_down_closes_nothing(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    after(home, 0, range(10))
    report = after(home, 10, range(4), down=["steam"])

    assert (report.rows_closed, report.rows_changed) == (0, 0)
    assert [(held.provider, held.reason) for held in report.held] == [
        ("steam", "the API says that it is down")
    ]
    assert rows(home, "SELECT complete, reason FROM observations WHERE run_id = 'r10'") == [
        (False, "provider dark")
    ]
    assert after(home, 20, range(4)).rows_closed == 6


def test_one_dark_provider_does_not_hold_the_others(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    both = [look(minute(0), *some(range(150), p), providers=(p,)) for p in ("steam", "buff163")]
    snapshot(home, "a", *both)
    dark = look(minute(10), providers=("steam",))
    bright = look(minute(10), *some(range(149), "buff163"), providers=("buff163",))
    report = snapshot(home, "b", dark, bright)

    assert report.rows_closed == 1
    assert rows(home, "SELECT provider, count(*) FROM quotes GROUP BY ALL ORDER BY ALL") == [
        ("buff163", 149),
        ("steam", 150),
    ]


def test_the_rule_counts_a_provider_over_the_shards_of_a_run(tmp_path: Path) -> None:
    """Two shards of a basket lose 60 quotes each: no shard alone passes a hundred."""
    home = home_in(tmp_path)
    halves = [[Quote(str(n)) for n in range(start, start + 90)] for start in (0, 90)]
    items = [tuple((q.item, q.row()["market_hash_name"], None) for q in half) for half in halves]
    snapshot(home, "a", *(look(minute(0), *h, items=i) for h, i in zip(halves, items, strict=True)))
    report = snapshot(
        home, "b", *(look(minute(10), *h[:30], items=i) for h, i in zip(halves, items, strict=True))
    )

    assert (report.rows_closed, [held.provider for held in report.held]) == (0, ["steam"])
