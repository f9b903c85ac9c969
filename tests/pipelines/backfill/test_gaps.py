"""Where nobody took a complete look at a basket for longer than 1.5 intervals, and why."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.time_ranges import intersect, union
from tests.support.backfill_state import spans
from tests.support.warehouse import (
    Page,
    Quote,
    ShardSpec,
    create_warehouse,
    land,
    load_into_memory,
    minute,
    observe,
)
from warehouse.gaps import CoverageGap, find_coverage_gaps, uncovered_spans, unfilled_spans
from warehouse.paths import WarehousePaths

TEN, LATE = timedelta(minutes=10), timedelta(minutes=15)


def seen(at: float, **told: Any) -> ShardSpec:
    """A look at one quote, which took two minutes."""
    return ShardSpec([Page(minute(at), [Quote()]), Page(minute(at + 2), [], offset=1)], **told)


def failed(home: WarehousePaths, run_id: str, at: float, reason: str, basket: str) -> None:
    """A run that saw nothing."""
    facts = {"incomplete_reason": reason, "finished_at": minute(at + 1)}
    land(home, run_id, state="auth_failed", started_at=minute(at), facts=facts, basket=basket)


def failing(home: WarehousePaths) -> None:
    """Two runs that the source refused, and one that was killed."""
    land(home, "f0", seen(0), basket="failing")
    for at in (10, 20):
        failed(home, f"f{at}", at, "the key was revoked", "failing")
    land(home, "f30", state=None, started_at=minute(30), basket="failing")
    land(home, "f50", seen(50), basket="failing")


def partial(home: WarehousePaths) -> None:
    """A run that saw one currency of two, behind one that saw nothing; another that failed left no hole."""
    failed(home, "p2", 2, "no connection", "partial")
    land(home, "p3", seen(3), seen(3, currency="EUR"), basket="partial")
    failed(home, "p10", 10, "no connection", "partial")
    looks = seen(20), seen(20, currency="EUR", complete=False)
    why = {"incomplete_reason": "steam EUR #2: cut"}
    land(home, "p20", *looks, state="incomplete", facts=why, basket="partial")
    land(home, "p40", seen(40), basket="partial")


def strangers(home: WarehousePaths) -> None:
    """A shard that was cut short in a run that says it is done, and a provider that came unasked."""
    land(home, "s0", seen(0, complete=False), basket="strangers")
    land(home, "s20", observe(minute(20), Quote(), Quote(provider="csfloat")), basket="strangers")
    land(home, "s30", seen(30), basket="strangers", flow="replay")


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a database with some baskets of which each has its own way of failing."""
    home = create_warehouse(tmp_path_factory.mktemp("gaps"))
    for world in (failing, partial, strangers):
        world(home)
    with load_into_memory(sorted(home.landing.iterdir())) as db:
        yield db


def find_gaps(
    reader: duckdb.DuckDBPyConnection,
    basket: str,
    source: str = "cs2cap",
    *,
    interval: timedelta = TEN,
    currency: str = "USD",
) -> list[CoverageGap]:
    """Return the gaps of a basket in the hour from minute 0 on."""
    since, until = minute(0), minute(60)
    return find_coverage_gaps(
        reader, basket, source, interval=interval, currency=currency, since=since, until=until
    )


def hole(start: float, end: float, *told: object) -> CoverageGap:
    return CoverageGap(minute(start), minute(end), *(told or ("absent",)))  # type: ignore[arg-type]


REVOKED = ("the key was revoked", "the process ended in the middle of the run")
CUT = ("no connection", "steam EUR #2: cut")


@pytest.mark.parametrize(
    ("basket", "currency", "expected"),
    [
        ("failing", "USD", [hole(2, 50, "failed", ("f10", "f20", "f30"), REVOKED)]),
        ("partial", "USD", [hole(5, 40, "incomplete", ("p10", "p20"), CUT), hole(42, 60)]),
        ("partial", "EUR", [hole(5, 60, "incomplete", ("p10", "p20"), CUT)]),
        ("strangers", "USD", [hole(0, 20, "incomplete", ("s0",), ("cut short",)), hole(20, 60)]),
        ("failing", "EUR", [hole(0, 60, "failed", ("f10", "f20", "f30"), REVOKED)]),
        ("other", "USD", [hole(0, 60)]),
    ],
)
def test_a_hole_tells_its_cause_and_its_runs(
    reader: duckdb.DuckDBPyConnection, basket: str, currency: str, expected: list[CoverageGap]
) -> None:
    assert find_gaps(reader, basket, currency=currency) == expected


def test_another_source_and_a_longer_interval_have_their_own_holes(reader: duckdb.DuckDBPyConnection) -> None:
    assert find_gaps(reader, "partial", "other") == [hole(0, 60)]
    assert find_gaps(reader, "partial", interval=3 * TEN) == []


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ((0, 1, 10, 11, 26, 27, 42, 47), ()),
        ((0, 1, 10, 11, 27, 28, 44, 45), (11, 27, 28, 44)),
        ((16, 17, 30, 31, 45, 46), (0, 16)),
        ((0, 1, 15, 16, 30, 31, 40, 44), (44, 60)),
        ((-30, -29, 50, 51), (0, 50)),
        ((-30, -20, -6, 8, 20, 50), ()),
        ((20, 20, 40, 40), (0, 20, 20, 40, 40, 60)),
        ((0, 50, 10, 11), ()),
        ((-20, 70), ()),
        ((), (0, 60)),
    ],
    ids=[
        "in time",
        "late",
        "at first",
        "at last",
        "from before",
        "long",
        "moments",
        "one in another",
        "around",
        "none",
    ],
)
def test_spans_between_looks_are_too_long_by_more_than_half_an_interval(
    looks: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    taken = spans(*(-at for at in looks))
    assert uncovered_spans(taken, LATE, (minute(0), minute(60))) == spans(*(-at for at in expected))


def test_what_is_held_is_not_missing() -> None:
    gap = hole(0, 60)
    assert unfilled_spans(gap, []) == [(minute(0), minute(60))]
    assert unfilled_spans(gap, spans(10, -5, -30, -90)) == [(minute(5), minute(30))]
    assert unfilled_spans(gap, [(minute(0), minute(60))]) == []


moments = st.tuples(st.integers(0, 120), st.integers(0, 20))


@given(st.lists(moments, max_size=10), st.integers(0, 120), st.integers(0, 120), st.integers(1, 30))
def test_no_moment_is_missed_and_none_told_without_cause(
    told: Sequence[tuple[int, int]], since: int, length: int, late: int
) -> None:
    """A minute is missing where the look before it and the one behind it are far apart."""
    looks = [(minute(start), minute(start + took)) for start, took in told if start + took <= since + length]
    within = minute(since), minute(since + length)
    found = uncovered_spans(looks, timedelta(minutes=late), within)
    assert union(found) == intersect(found, [within])
    assert all(earlier[1] <= later[0] for earlier, later in pairwise(found))

    def missing(number: int) -> bool:
        at = minute(number)
        begun = max((end for start, end in looks if start <= at), default=minute(since))
        following = min([start for start, _ in looks if start > at] + [within[1]])
        return begun <= at and following - begun > timedelta(minutes=late)

    assert {n for n in range(since, since + length) if any(a <= minute(n) < b for a, b in found)} == {
        n for n in range(since, since + length) if missing(n)
    }
