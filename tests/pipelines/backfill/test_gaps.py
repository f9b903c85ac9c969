"""Coverage gaps: time ranges of more than 1.5 intervals without a complete observation of a basket."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
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

TEN_MINUTES, LONGEST_PAUSE = timedelta(minutes=10), timedelta(minutes=15)


def observed(at: float, **fields: Any) -> ShardSpec:
    """Return an observation of one quote that takes two minutes."""
    return ShardSpec([Page(minute(at), [Quote()]), Page(minute(at + 2), [], offset=1)], **fields)


def land_failed_run(paths: WarehousePaths, run_id: str, at: float, reason: str, basket: str) -> None:
    """Land a run without an observation."""
    facts = {"incomplete_reason": reason, "finished_at": minute(at + 1)}
    land(paths, run_id, state="auth_failed", started_at=minute(at), facts=facts, basket=basket)


def land_rejected_runs(paths: WarehousePaths) -> None:
    """Land two runs that the source rejected, and one that was killed, between two complete runs."""
    land(paths, "f0", observed(0), basket="failing")
    for at in (10, 20):
        land_failed_run(paths, f"f{at}", at, "the key was revoked", "failing")
    land(paths, "f30", state=None, started_at=minute(30), basket="failing")
    land(paths, "f50", observed(50), basket="failing")


def land_partial_runs(paths: WarehousePaths) -> None:
    """Land runs that failed or observed only one of two currencies, between complete runs."""
    land_failed_run(paths, "p2", 2, "no connection", "partial")
    land(paths, "p3", observed(3), observed(3, currency="EUR"), basket="partial")
    land_failed_run(paths, "p10", 10, "no connection", "partial")
    observations = observed(20), observed(20, currency="EUR", complete=False)
    facts = {"incomplete_reason": "steam EUR #2: cut"}
    land(paths, "p20", *observations, state="incomplete", facts=facts, basket="partial")
    land(paths, "p40", observed(40), basket="partial")


def land_unrequested_provider(paths: WarehousePaths) -> None:
    """Land a run that is done but has an incomplete shard, and one with a provider that was not requested."""
    land(paths, "s0", observed(0, complete=False), basket="unrequested")
    land(paths, "s20", observe(minute(20), Quote(), Quote(provider="csfloat")), basket="unrequested")
    land(paths, "s30", observed(30), basket="unrequested", flow="replay")


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a database with three baskets whose runs fail in different ways."""
    paths = create_warehouse(tmp_path_factory.mktemp("gaps"))
    for land_runs in (land_rejected_runs, land_partial_runs, land_unrequested_provider):
        land_runs(paths)
    with load_into_memory(sorted(paths.landing.iterdir())) as db:
        yield db


def find_gaps(
    reader: duckdb.DuckDBPyConnection,
    basket: str,
    source: str = "cs2cap",
    *,
    interval: timedelta = TEN_MINUTES,
    currency: str = "USD",
) -> list[CoverageGap]:
    """Return the gaps of a basket in the hour from minute 0 on."""
    since, until = minute(0), minute(60)
    return find_coverage_gaps(
        reader, basket, source, interval=interval, currency=currency, since=since, until=until
    )


def gap_at(start: float, end: float, *cause: object) -> CoverageGap:
    return CoverageGap(minute(start), minute(end), *(cause or ("absent",)))  # type: ignore[arg-type]


REVOKED = ("the key was revoked", "the process ended in the middle of the run")
CUT = ("no connection", "steam EUR #2: cut")


@pytest.mark.parametrize(
    ("basket", "currency", "expected"),
    [
        ("failing", "USD", [gap_at(2, 50, "failed", ("f10", "f20", "f30"), REVOKED)]),
        ("partial", "USD", [gap_at(5, 40, "incomplete", ("p10", "p20"), CUT), gap_at(42, 60)]),
        ("partial", "EUR", [gap_at(5, 60, "incomplete", ("p10", "p20"), CUT)]),
        ("unrequested", "USD", [gap_at(0, 20, "incomplete", ("s0",), ("cut short",)), gap_at(20, 60)]),
        ("failing", "EUR", [gap_at(0, 60, "failed", ("f10", "f20", "f30"), REVOKED)]),
        ("other", "USD", [gap_at(0, 60)]),
    ],
)
def test_gap_has_its_cause_and_runs(
    reader: duckdb.DuckDBPyConnection, basket: str, currency: str, expected: list[CoverageGap]
) -> None:
    assert find_gaps(reader, basket, currency=currency) == expected


@pytest.mark.parametrize("days", [1, 30])
def test_gap_begins_at_the_last_observation_however_old(tmp_path: Path, days: int) -> None:
    """The first observation of the window is late, unless the one before was recent."""
    paths = create_warehouse(tmp_path)
    for number, at in (("old", -days * 1440), ("new", 7), ("newer", 17)):
        land(paths, number, observed(at), basket="late")
    with load_into_memory(sorted(paths.landing.iterdir())) as db:
        gaps = find_coverage_gaps(
            db, "late", "cs2cap", interval=TEN_MINUTES, currency="USD", since=minute(0), until=minute(20)
        )
    assert gaps == [gap_at(0, 7)]


def test_gaps_depend_on_source_and_interval(reader: duckdb.DuckDBPyConnection) -> None:
    assert find_gaps(reader, "partial", "other") == [gap_at(0, 60)]
    assert find_gaps(reader, "partial", interval=3 * TEN_MINUTES) == []


@pytest.mark.parametrize(
    ("observations", "expected"),
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
        "late at the start",
        "late at the end",
        "from before the window",
        "long",
        "instants",
        "nested",
        "around the window",
        "none",
    ],
)
def test_pause_longer_than_one_and_a_half_intervals_is_a_gap(
    observations: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    observed_spans = spans(*(-at for at in observations))
    assert uncovered_spans(observed_spans, LONGEST_PAUSE, (minute(0), minute(60))) == spans(
        *(-at for at in expected)
    )


def test_unfilled_spans_exclude_covered_time() -> None:
    gap = gap_at(0, 60)
    assert unfilled_spans(gap, []) == [(minute(0), minute(60))]
    assert unfilled_spans(gap, spans(10, -5, -30, -90)) == [(minute(5), minute(30))]
    assert unfilled_spans(gap, [(minute(0), minute(60))]) == []


durations = st.tuples(st.integers(0, 120), st.integers(0, 20))


@given(st.lists(durations, max_size=10), st.integers(0, 120), st.integers(0, 120), st.integers(1, 30))
def test_uncovered_spans_hold_exactly_the_missing_minutes(
    drawn: Sequence[tuple[int, int]], since: int, length: int, late: int
) -> None:
    """A minute is missing if the observations before and after it are too far apart."""
    observations = [
        (minute(start), minute(start + took)) for start, took in drawn if start + took <= since + length
    ]
    within = minute(since), minute(since + length)
    pauses = uncovered_spans(observations, timedelta(minutes=late), within)
    assert union(pauses) == intersect(pauses, [within])
    assert all(earlier[1] <= later[0] for earlier, later in pairwise(pauses))

    def is_missing(number: int) -> bool:
        at = minute(number)
        last_end = max((end for start, end in observations if start <= at), default=minute(since))
        next_start = min([start for start, _ in observations if start > at] + [within[1]])
        return last_end <= at and next_start - last_end > timedelta(minutes=late)

    assert {n for n in range(since, since + length) if any(a <= minute(n) < b for a, b in pauses)} == {
        n for n in range(since, since + length) if is_missing(n)
    }
