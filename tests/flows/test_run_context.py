"""Ticks: what a run is called, and which one comes too late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from flows.run_context import is_stale, run_name, scheduled_time

SLOT = datetime(2026, 11, 21, 12, 10, tzinfo=UTC)
TEN = timedelta(minutes=10)


def test_a_run_is_called_by_its_basket_and_slot_in_utc() -> None:
    here = timezone(timedelta(hours=2))
    assert run_name(["core"], SLOT) == "core 2026-11-21T12:10Z"
    assert run_name(["core"], SLOT.astimezone(here)) == "core 2026-11-21T12:10Z"
    assert run_name(["core", "knives"], SLOT) == "core, knives 2026-11-21T12:10Z"
    assert run_name([], SLOT) == "all 2026-11-21T12:10Z"


def test_slots_within_a_minute_differ_in_name() -> None:
    assert run_name(["core"], SLOT + timedelta(seconds=20)) == "core 2026-11-21T12:10:20Z"


def test_a_tick_is_stale_after_more_than_one_interval() -> None:
    assert not is_stale(SLOT, SLOT - timedelta(seconds=9), TEN)  # workers start a little early
    assert not is_stale(SLOT, SLOT + TEN, TEN)
    assert is_stale(SLOT, SLOT + TEN + timedelta(microseconds=1), TEN)


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_run_started_by_hand_is_never_stale(now: datetime) -> None:
    assert not is_stale(None, now, TEN)


def test_outside_a_flow_run_there_is_no_tick() -> None:
    assert scheduled_time() is None
