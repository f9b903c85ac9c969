"""Requests of the month and stream starts are counted before they are sent, and corrected by reports."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import (
    Busy,
    PlanForbids,
    QuotaExhausted,
    RateLimited,
    SourceError,
    StreamsExhausted,
    Unavailable,
)
from common.sqlite_state import SqliteState
from connectors.ratelimit.admission import Permit
from connectors.ratelimit.ledger import read_usage
from connectors.ratelimit.ledger_tables import MonthUsage
from connectors.ratelimit.limiter import QuotaHeaders, RateLimiter
from tests.support.clocks import NOON, VirtualClock
from tests.support.rate_limits import MakeRateLimiter, arrival_times, shared_rate_limiter

STREAM = "POST /v1/prices"
PRICES = "GET /v1/prices"
JULY = datetime(2026, 7, 1, tzinfo=UTC)


def send_requests(rate_limiter: RateLimiter, times: int = 1, *, metered: bool = True) -> Permit:
    async def main() -> Permit:
        for _ in range(times):
            async with rate_limiter.acquire(metered=metered) as permit:
                pass
        return permit

    return asyncio.run(main())


def report(rate_limiter: RateLimiter, used: int, limit: int = 1000) -> None:
    rate_limiter.sync_month(used, limit, since=rate_limiter.sync_point())


def test_metered_requests_count_in_the_month(make_rate_limiter: MakeRateLimiter) -> None:
    rate_limiter = make_rate_limiter(None, VirtualClock())
    assert rate_limiter.month_usage() == MonthUsage(0, None, None)
    report(rate_limiter, 41)
    send_requests(rate_limiter, 3)
    send_requests(rate_limiter, 5, metered=False)
    assert rate_limiter.month_usage() == MonthUsage(44, 1000, None, NOON)
    assert rate_limiter.month_usage().left == 956


def test_no_request_is_sent_beyond_the_months_limit(make_rate_limiter: MakeRateLimiter) -> None:
    clock = VirtualClock()
    rate_limiter = make_rate_limiter(None, clock)
    report(rate_limiter, 998)
    permit = send_requests(rate_limiter)
    rate_limiter.observe_headers(PRICES, permit, QuotaHeaders(1000, 1, JULY))
    send_requests(rate_limiter)
    with pytest.raises(QuotaExhausted, match="used up") as refused:
        send_requests(rate_limiter)
    assert refused.value.resets_at == JULY
    send_requests(rate_limiter, metered=False)


def test_waiting_request_fails_when_the_month_is_used_up_meanwhile(
    make_rate_limiter: MakeRateLimiter,
) -> None:
    clock = VirtualClock()
    rate_limiter = make_rate_limiter(1, clock)
    report(rate_limiter, 999)

    async def main() -> list[object]:
        return await asyncio.gather(
            *(rate_limiter.acquire().__aenter__() for _ in range(3)), return_exceptions=True
        )

    first, *others = asyncio.run(main())
    assert isinstance(first, Permit)
    assert [type(other) for other in others] == [QuotaExhausted] * 2
    assert rate_limiter.month_usage().left == 0


def test_new_month_starts_from_zero(make_rate_limiter: MakeRateLimiter) -> None:
    clock = VirtualClock()
    rate_limiter = make_rate_limiter(None, clock)
    report(rate_limiter, 999)
    rate_limiter.observe_headers(
        PRICES, send_requests(rate_limiter), QuotaHeaders(1000, 0, NOON + timedelta(seconds=30))
    )
    clock.time = 29
    assert rate_limiter.month_usage().left == 0
    clock.time = 30
    next_reset = datetime(2026, 7, 1, 12, 0, 30, tzinfo=UTC)  # the same time of the next month
    assert rate_limiter.month_usage() == MonthUsage(0, 1000, next_reset, NOON)
    send_requests(rate_limiter)


def test_headers_about_the_minute_do_not_change_the_month(
    make_rate_limiter: MakeRateLimiter,
) -> None:
    rate_limiter = make_rate_limiter(20, VirtualClock())
    report(rate_limiter, 41)
    rate_limiter.observe_headers(
        PRICES, send_requests(rate_limiter), QuotaHeaders(20, 0, NOON + timedelta(seconds=30))
    )
    rate_limiter.observe_headers(PRICES, send_requests(rate_limiter), QuotaHeaders(None, None, None))
    assert rate_limiter.month_usage() == MonthUsage(43, 1000, None, NOON)


@pytest.mark.parametrize(("used", "expected"), [(600, 600), (10, 10), (44, 44)])
def test_report_replaces_the_count_where_no_request_is_in_flight(
    make_rate_limiter: MakeRateLimiter, used: int, expected: int
) -> None:
    clock = VirtualClock()
    rate_limiter = make_rate_limiter(None, clock)
    report(rate_limiter, 41)
    send_requests(rate_limiter, 3)
    clock.time += 1
    report(rate_limiter, used)
    assert rate_limiter.month_usage().used == expected


@given(used=st.integers(0, 100), own=st.integers(0, 100), in_flight=st.integers(0, 5))
def test_own_count_stays_where_it_can_be_right(used: int, own: int, in_flight: int) -> None:
    """The source has counted none, some or all of the unanswered requests; the safest count is taken."""
    rate_limiter = RateLimiter(None, VirtualClock())
    report(rate_limiter, own)

    async def main() -> None:
        for _ in range(in_flight):
            await rate_limiter.acquire().__aenter__()
        report(rate_limiter, used)

    asyncio.run(main())
    own += in_flight
    possible = range(used, used + in_flight + 1)
    assert rate_limiter.month_usage().used == (own if own in possible else possible[-1])


def test_month_survives_a_restart_and_is_known_without_the_key(tmp_path: Path) -> None:
    clock = VirtualClock()
    rate_limiter = shared_rate_limiter(SqliteState(tmp_path / "state.db"), None, clock)
    assert read_usage(SqliteState(tmp_path / "state.db"), "cs2cap") is None
    report(rate_limiter, 990)
    send_requests(rate_limiter, 2)
    rate_limiter.close()
    again = shared_rate_limiter(SqliteState(tmp_path / "state.db"), None, clock)
    assert again.month_usage().left == 8
    known = read_usage(SqliteState(tmp_path / "state.db"), "cs2cap")
    assert known is not None
    assert (known.used, known.limit, known.reported_at) == (992, 1000, NOON)
    assert read_usage(SqliteState(tmp_path / "state.db"), "other") is None
    assert read_usage(SqliteState(tmp_path / "nowhere.db"), "cs2cap") is None


def test_stream_starts_are_counted_for_a_day(make_rate_limiter: MakeRateLimiter) -> None:
    clock = VirtualClock()
    rate_limiter = make_rate_limiter(None, clock)
    assert rate_limiter.stream_usage(STREAM) == (0, None)
    rate_limiter.set_stream_limit(STREAM, 2)
    rate_limiter.claim_stream_start(STREAM)
    clock.time = 3600
    rate_limiter.claim_stream_start(STREAM)
    assert rate_limiter.stream_usage(STREAM) == (2, 2)
    with pytest.raises(StreamsExhausted) as refused:
        rate_limiter.claim_stream_start(STREAM)
    assert refused.value.resets_at == NOON + timedelta(days=1)
    assert rate_limiter.stream_usage("POST /v1/bids") == (0, None)
    clock.time = 86_400
    rate_limiter.claim_stream_start(STREAM)
    assert rate_limiter.stream_usage(STREAM) == (2, 2)


def test_stream_starts_survive_a_restart(tmp_path: Path) -> None:
    clock = VirtualClock()
    first = shared_rate_limiter(SqliteState(tmp_path / "state.db"), None, clock)
    first.set_stream_limit(STREAM, 50)
    first.claim_stream_start(STREAM)
    first.close()
    assert shared_rate_limiter(SqliteState(tmp_path / "state.db"), None, clock).stream_usage(STREAM) == (
        1,
        50,
    )


@pytest.mark.parametrize(("remaining", "used"), [(46, 4), (49, 1), (50, 0)])
def test_stream_headers_correct_the_stream_starts(
    make_rate_limiter: MakeRateLimiter, remaining: int, used: int
) -> None:
    clock = VirtualClock()
    rate_limiter = make_rate_limiter(None, clock)
    report(rate_limiter, 7, limit=50)
    rate_limiter.claim_stream_start(STREAM)
    rate_limiter.claim_stream_start(STREAM)
    rate_limiter.observe_headers(
        STREAM, send_requests(rate_limiter), QuotaHeaders(50, remaining, NOON + timedelta(hours=2))
    )
    assert rate_limiter.stream_usage(STREAM) == (used, 50)
    assert rate_limiter.month_usage().used == 8, "the month is another quota, even with the same limit"
    if used > 2:
        clock.time = 2 * 3600
        assert rate_limiter.stream_usage(STREAM) == (2, 50), (
            "starts of other processes expire at the reported time"
        )


@pytest.mark.parametrize(
    "quota", [QuotaHeaders(10**14, 0, None), QuotaHeaders(50, 51, None), QuotaHeaders(None, 3, None)]
)
def test_impossible_stream_headers_are_ignored(
    make_rate_limiter: MakeRateLimiter, quota: QuotaHeaders
) -> None:
    rate_limiter = make_rate_limiter(None, VirtualClock())
    rate_limiter.set_stream_limit(STREAM, 50)
    rate_limiter.claim_stream_start(STREAM)
    rate_limiter.observe_headers(STREAM, send_requests(rate_limiter), quota)
    assert rate_limiter.stream_usage(STREAM) == (1, 50)


def test_huge_counts_are_capped(make_rate_limiter: MakeRateLimiter) -> None:
    rate_limiter = make_rate_limiter(2**64 - 1, VirtualClock())
    report(rate_limiter, 2**64 - 1, limit=2**64 - 1)
    assert rate_limiter.month_usage().left == 0


def test_refused_stream_start_does_not_count(make_rate_limiter: MakeRateLimiter) -> None:
    rate_limiter = make_rate_limiter(None, VirtualClock())
    rate_limiter.set_stream_limit(STREAM, 2)
    rate_limiter.claim_stream_start(STREAM)
    rate_limiter.observe_error(STREAM, Busy("another stream is active"))
    rate_limiter.observe_error(PRICES, Busy("no stream at all"))
    assert rate_limiter.stream_usage(STREAM) == (0, 2)


def test_exhausted_streams_error_uses_up_the_starts(make_rate_limiter: MakeRateLimiter) -> None:
    rate_limiter = make_rate_limiter(None, VirtualClock())
    rate_limiter.set_stream_limit(STREAM, 3)
    rate_limiter.claim_stream_start(STREAM)
    soon = NOON + timedelta(minutes=5)
    rate_limiter.observe_error(STREAM, StreamsExhausted("exhausted", resets_at=soon))
    with pytest.raises(StreamsExhausted) as refused:
        rate_limiter.claim_stream_start(STREAM)
    assert refused.value.resets_at == soon


@pytest.mark.parametrize(
    "error", [RateLimited("burst"), QuotaExhausted("month"), Unavailable("down"), PlanForbids("tier")]
)
def test_other_errors_of_a_stream_do_not_change_the_starts(
    make_rate_limiter: MakeRateLimiter, error: SourceError
) -> None:
    rate_limiter = make_rate_limiter(None, VirtualClock())
    rate_limiter.set_stream_limit(STREAM, 50)
    rate_limiter.claim_stream_start(STREAM)
    rate_limiter.claim_stream_start(STREAM)
    rate_limiter.observe_headers(
        STREAM, send_requests(rate_limiter), QuotaHeaders(1_000_000, 0, None), error=error
    )
    rate_limiter.observe_error(STREAM, error)
    assert rate_limiter.stream_usage(STREAM) == (1, 50)


def test_quota_exhausted_error_uses_up_the_month(make_rate_limiter: MakeRateLimiter) -> None:
    rate_limiter = make_rate_limiter(None, VirtualClock())
    report(rate_limiter, 10)
    rate_limiter.observe_error(PRICES, QuotaExhausted("used up", resets_at=JULY))
    assert rate_limiter.month_usage() == MonthUsage(1000, 1000, JULY, NOON)


def test_clock_set_back_keeps_a_start_for_a_day_at_most(make_rate_limiter: MakeRateLimiter) -> None:
    clock = VirtualClock()
    rate_limiter = make_rate_limiter(None, clock)
    rate_limiter.set_stream_limit(STREAM, 1)
    clock.time = 40 * 86_400.0
    rate_limiter.claim_stream_start(STREAM)
    clock.time = 0
    assert rate_limiter.stream_usage(STREAM) == (1, 1)
    clock.time = 86_400.0
    rate_limiter.claim_stream_start(STREAM)


def test_processes_share_the_month(tmp_path: Path) -> None:
    clock = VirtualClock()
    one, other = (shared_rate_limiter(SqliteState(tmp_path / "state.db"), None, clock) for _ in range(2))
    report(one, 997)
    assert len(arrival_times(one, clock, [(0.0, 0.0)] * 2)) == 2
    assert len(arrival_times(other, clock, [(0.0, 0.0)])) == 1
    for rate_limiter in (one, other):
        with pytest.raises(QuotaExhausted):
            send_requests(rate_limiter)


@pytest.mark.parametrize("ahead", [timedelta(days=33), timedelta(days=3653)])
def test_reset_further_ahead_than_a_month_is_unknown(ahead: timedelta) -> None:
    usage = MonthUsage(7, 100, NOON + ahead)
    assert usage.as_of(NOON) == MonthUsage(7, 100, None)
    assert usage._replace(resets_at=NOON + timedelta(days=31)).as_of(NOON).resets_at == NOON + timedelta(
        days=31
    )
