"""The month and the day's stream starts are counted beforehand, and corrected by what the source says."""

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
from connectors.ratelimit.admission import Permit
from connectors.ratelimit.ledger import MonthUsage, read_usage
from connectors.ratelimit.limiter import QuotaHeaders, RateLimiter
from tests.support.clocks import NOON, VirtualClock
from tests.support.rate_limits import MakeRateLimiter, arrival_times, shared_rate_limiter

STREAM = "POST /v1/prices"
PRICES = "GET /v1/prices"
JULY = datetime(2026, 7, 1, tzinfo=UTC)


def send(rate_limiter: RateLimiter, times: int = 1, *, metered: bool = True) -> Permit:
    async def main() -> Permit:
        for _ in range(times):
            async with rate_limiter.acquire(metered=metered) as slot:
                pass
        return slot

    return asyncio.run(main())


def told(rate_limiter: RateLimiter, used: int, limit: int = 1000) -> None:
    rate_limiter.sync_month(used, limit, since=rate_limiter.sync_point())


def test_a_request_counts_in_the_month_unless_it_is_exempt(make_rate_limiter: MakeRateLimiter) -> None:
    rate_limiter = make_rate_limiter(None, VirtualClock())
    assert rate_limiter.month_usage() == MonthUsage(0, None, None)
    told(rate_limiter, 41)
    send(rate_limiter, 3)
    send(rate_limiter, 5, metered=False)
    assert rate_limiter.month_usage() == MonthUsage(44, 1000, None, NOON)
    assert rate_limiter.month_usage().left == 956


def test_what_the_month_does_not_hold_is_not_sent(make_rate_limiter: MakeRateLimiter) -> None:
    clock = VirtualClock()
    rate_limiter = make_rate_limiter(None, clock)
    told(rate_limiter, 998)
    slot = send(rate_limiter)
    rate_limiter.observe_headers(PRICES, slot, QuotaHeaders(1000, 1, JULY))
    send(rate_limiter)
    with pytest.raises(QuotaExhausted, match="used up") as refused:
        send(rate_limiter)
    assert refused.value.resets_at == JULY
    send(rate_limiter, metered=False)


def test_who_waits_for_the_minute_is_told_when_the_month_ends_meanwhile(
    make_rate_limiter: MakeRateLimiter,
) -> None:
    clock = VirtualClock()
    rate_limiter = make_rate_limiter(1, clock)
    told(rate_limiter, 999)

    async def main() -> list[object]:
        return await asyncio.gather(
            *(rate_limiter.acquire().__aenter__() for _ in range(3)), return_exceptions=True
        )

    first, *others = asyncio.run(main())
    assert isinstance(first, Permit)
    assert [type(other) for other in others] == [QuotaExhausted] * 2
    assert rate_limiter.month_usage().left == 0


def test_a_new_month_starts_from_zero(make_rate_limiter: MakeRateLimiter) -> None:
    clock = VirtualClock()
    rate_limiter = make_rate_limiter(None, clock)
    told(rate_limiter, 999)
    rate_limiter.observe_headers(
        PRICES, send(rate_limiter), QuotaHeaders(1000, 0, NOON + timedelta(seconds=30))
    )
    clock.time = 29
    assert rate_limiter.month_usage().left == 0
    clock.time = 30
    assert rate_limiter.month_usage() == MonthUsage(0, 1000, None, NOON)
    send(rate_limiter)


def test_headers_that_describe_the_minute_do_not_speak_of_the_month(
    make_rate_limiter: MakeRateLimiter,
) -> None:
    rate_limiter = make_rate_limiter(20, VirtualClock())
    told(rate_limiter, 41)
    rate_limiter.observe_headers(
        PRICES, send(rate_limiter), QuotaHeaders(20, 0, NOON + timedelta(seconds=30))
    )
    rate_limiter.observe_headers(PRICES, send(rate_limiter), QuotaHeaders(None, None, None))
    assert rate_limiter.month_usage() == MonthUsage(43, 1000, None, NOON)


@pytest.mark.parametrize(("used", "expected"), [(600, 600), (10, 10), (44, 44)])
def test_the_source_is_believed_where_nothing_is_under_way(
    make_rate_limiter: MakeRateLimiter, used: int, expected: int
) -> None:
    clock = VirtualClock()
    rate_limiter = make_rate_limiter(None, clock)
    told(rate_limiter, 41)
    send(rate_limiter, 3)
    clock.time += 1
    told(rate_limiter, used)
    assert rate_limiter.month_usage().used == expected


@given(used=st.integers(0, 100), ours=st.integers(0, 100), under_way=st.integers(0, 5))
def test_our_own_count_stands_where_it_can_be_right(used: int, ours: int, under_way: int) -> None:
    """The source has counted none, some or all of what has no answer yet; the safest count is taken."""
    rate_limiter = RateLimiter(None, VirtualClock())
    told(rate_limiter, ours)

    async def main() -> None:
        for _ in range(under_way):
            await rate_limiter.acquire().__aenter__()
        told(rate_limiter, used)

    asyncio.run(main())
    ours += under_way
    possible = range(used, used + under_way + 1)
    assert rate_limiter.month_usage().used == (ours if ours in possible else possible[-1])


def test_the_month_survives_a_restart_and_is_known_without_the_key(tmp_path: Path) -> None:
    clock = VirtualClock()
    rate_limiter = shared_rate_limiter(tmp_path / "state.db", None, clock)
    assert read_usage(tmp_path / "state.db", "cs2cap") is None
    told(rate_limiter, 990)
    send(rate_limiter, 2)
    rate_limiter.close()
    again = shared_rate_limiter(tmp_path / "state.db", None, clock)
    assert again.month_usage().left == 8
    known = read_usage(tmp_path / "state.db", "cs2cap")
    assert known is not None
    assert (known.used, known.limit, known.reported_at) == (992, 1000, NOON)
    assert read_usage(tmp_path / "state.db", "other") is None
    assert read_usage(tmp_path / "nowhere.db", "cs2cap") is None


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
    first = shared_rate_limiter(tmp_path / "state.db", None, clock)
    first.set_stream_limit(STREAM, 50)
    first.claim_stream_start(STREAM)
    first.close()
    assert shared_rate_limiter(tmp_path / "state.db", None, clock).stream_usage(STREAM) == (1, 50)


@pytest.mark.parametrize(("remaining", "used"), [(46, 4), (49, 1), (50, 0)])
def test_a_streams_headers_speak_of_its_starts(
    make_rate_limiter: MakeRateLimiter, remaining: int, used: int
) -> None:
    clock = VirtualClock()
    rate_limiter = make_rate_limiter(None, clock)
    told(rate_limiter, 7, limit=50)
    rate_limiter.claim_stream_start(STREAM)
    rate_limiter.claim_stream_start(STREAM)
    rate_limiter.observe_headers(
        STREAM, send(rate_limiter), QuotaHeaders(50, remaining, NOON + timedelta(hours=2))
    )
    assert rate_limiter.stream_usage(STREAM) == (used, 50)
    assert rate_limiter.month_usage().used == 8, "the month is another quota, even if it is of the same size"
    if used > 2:
        clock.time = 2 * 3600
        assert rate_limiter.stream_usage(STREAM) == (2, 50), (
            "starts that others made end when the source says"
        )


@pytest.mark.parametrize(
    "quota", [QuotaHeaders(10**14, 0, None), QuotaHeaders(50, 51, None), QuotaHeaders(None, 3, None)]
)
def test_a_streams_headers_that_cannot_be_true_are_not_believed(
    make_rate_limiter: MakeRateLimiter, quota: QuotaHeaders
) -> None:
    rate_limiter = make_rate_limiter(None, VirtualClock())
    rate_limiter.set_stream_limit(STREAM, 50)
    rate_limiter.claim_stream_start(STREAM)
    rate_limiter.observe_headers(STREAM, send(rate_limiter), quota)
    assert rate_limiter.stream_usage(STREAM) == (1, 50)


def test_counts_beyond_measure_fit_all_the_same(make_rate_limiter: MakeRateLimiter) -> None:
    rate_limiter = make_rate_limiter(2**64 - 1, VirtualClock())
    told(rate_limiter, 2**64 - 1, limit=2**64 - 1)
    assert rate_limiter.month_usage().left == 0


def test_a_refused_start_is_taken_back(make_rate_limiter: MakeRateLimiter) -> None:
    rate_limiter = make_rate_limiter(None, VirtualClock())
    rate_limiter.set_stream_limit(STREAM, 2)
    rate_limiter.claim_stream_start(STREAM)
    rate_limiter.observe_error(STREAM, Busy("another stream is active"))
    rate_limiter.observe_error(PRICES, Busy("no stream at all"))
    assert rate_limiter.stream_usage(STREAM) == (0, 2)


def test_a_refusal_for_want_of_starts_uses_them_up(make_rate_limiter: MakeRateLimiter) -> None:
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
def test_another_refusal_of_a_stream_does_not_speak_of_its_starts(
    make_rate_limiter: MakeRateLimiter, error: SourceError
) -> None:
    rate_limiter = make_rate_limiter(None, VirtualClock())
    rate_limiter.set_stream_limit(STREAM, 50)
    rate_limiter.claim_stream_start(STREAM)
    rate_limiter.claim_stream_start(STREAM)
    rate_limiter.observe_headers(STREAM, send(rate_limiter), QuotaHeaders(1_000_000, 0, None), error)
    rate_limiter.observe_error(STREAM, error)
    assert rate_limiter.stream_usage(STREAM) == (1, 50)


def test_a_month_that_the_source_calls_used_up_is_used_up(make_rate_limiter: MakeRateLimiter) -> None:
    rate_limiter = make_rate_limiter(None, VirtualClock())
    told(rate_limiter, 10)
    rate_limiter.observe_error(PRICES, QuotaExhausted("used up", resets_at=JULY))
    assert rate_limiter.month_usage() == MonthUsage(1000, 1000, JULY, NOON)


def test_a_clock_that_goes_back_keeps_a_start_for_a_day_at_most(make_rate_limiter: MakeRateLimiter) -> None:
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
    one, other = (shared_rate_limiter(tmp_path / "state.db", None, clock) for _ in range(2))
    told(one, 997)
    assert len(arrival_times(one, clock, [(0.0, 0.0)] * 2)) == 2
    assert len(arrival_times(other, clock, [(0.0, 0.0)])) == 1
    for rate_limiter in (one, other):
        with pytest.raises(QuotaExhausted):
            send(rate_limiter)
