"""The bound of other machines' clocks."""

from datetime import UTC, datetime, timedelta

import pytest

from common.clock import MAX_CLOCK_SKEW, bound_moment, elapsed, is_ahead

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "ahead",
    [timedelta(days=-365), timedelta(0), MAX_CLOCK_SKEW],
    ids=["a year behind", "equal", "at the bound"],
)
def test_moment_within_the_bound_is_kept(ahead: timedelta) -> None:
    assert bound_moment(NOW + ahead, NOW) == NOW + ahead
    assert not is_ahead(NOW + ahead, NOW)


@pytest.mark.parametrize("ahead", [MAX_CLOCK_SKEW + timedelta(microseconds=1), timedelta(days=3650)])
def test_moment_ahead_of_the_bound_becomes_the_bound(ahead: timedelta) -> None:
    assert bound_moment(NOW + ahead, NOW) == NOW + MAX_CLOCK_SKEW
    assert is_ahead(NOW + ahead, NOW)


@pytest.mark.parametrize(
    ("since", "age"),
    [
        (timedelta(days=-365), timedelta(days=365)),
        (timedelta(0), timedelta(0)),
        (MAX_CLOCK_SKEW, timedelta(0)),
        (MAX_CLOCK_SKEW + timedelta(microseconds=1), timedelta.max),
        (timedelta(days=3650), timedelta.max),
    ],
)
def test_age_of_a_stored_time_that_may_be_ahead(since: timedelta, age: timedelta) -> None:
    assert elapsed(NOW + since, NOW) == age
