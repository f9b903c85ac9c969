"""The name of a flow run, and when a scheduled run is stale."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from flows.run_context import is_stale, run_name, scheduled_time

SLOT = datetime(2026, 11, 21, 12, 10, tzinfo=UTC)
TEN_MINUTES = timedelta(minutes=10)


def test_run_name_has_baskets_and_slot_in_utc() -> None:
    local_zone = timezone(timedelta(hours=2))
    assert run_name(["core"], SLOT) == "core 2026-11-21T12:10Z"
    assert run_name(["core"], SLOT.astimezone(local_zone)) == "core 2026-11-21T12:10Z"
    assert run_name(["core", "knives"], SLOT) == "core, knives 2026-11-21T12:10Z"
    assert run_name([], SLOT) == "all 2026-11-21T12:10Z"


def test_run_name_has_seconds_within_a_minute() -> None:
    assert run_name(["core"], SLOT + timedelta(seconds=20)) == "core 2026-11-21T12:10:20Z"


def test_run_is_stale_after_more_than_one_interval() -> None:
    assert not is_stale(SLOT, SLOT - timedelta(seconds=9), TEN_MINUTES)  # workers start a little early
    assert not is_stale(SLOT, SLOT + TEN_MINUTES, TEN_MINUTES)
    assert is_stale(SLOT, SLOT + TEN_MINUTES + timedelta(microseconds=1), TEN_MINUTES)


def test_short_interval_gives_a_run_a_minute_to_start() -> None:
    """New: on a busy machine, every run of such a basket was skipped."""
    every = timedelta(seconds=10)
    assert not is_stale(SLOT, SLOT + timedelta(minutes=1), every)
    assert is_stale(SLOT, SLOT + timedelta(minutes=1, microseconds=1), every)


@given(st.datetimes(timezones=st.just(UTC)))
def test_run_without_schedule_is_never_stale(now: datetime) -> None:
    assert not is_stale(None, now, TEN_MINUTES)


def test_scheduled_time_is_none_outside_a_flow_run() -> None:
    assert scheduled_time() is None
