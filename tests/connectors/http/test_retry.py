"""Which failures are retried, after which waits, and when retrying ends."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import KeyRevoked, Outage, RateLimited, RequestRejected, SourceError, Unavailable
from connectors.http.retry import RetryPolicy
from tests.support.clocks import VirtualClock


def run(policy: RetryPolicy, failures: list[SourceError]) -> tuple[str | SourceError, list[float]]:
    """Run an attempt that fails with each of `failures`, then succeeds; return the outcome and the waits."""
    clock = VirtualClock()
    remaining: Iterator[SourceError] = iter(failures)

    async def attempt() -> str:
        for failure in remaining:
            raise failure
        return "done"

    try:
        return asyncio.run(policy.run(attempt, clock)), clock.slept
    except SourceError as error:
        return error, clock.slept


def test_waits_double_up_to_the_cap() -> None:
    policy = RetryPolicy(attempts=8, base=1.0, cap=8.0, random=lambda: 1.0)
    result, waits = run(policy, [Unavailable("down")] * 6)
    assert result == "done"
    assert waits == [1, 2, 4, 8, 8, 8]


def test_jitter_removes_up_to_half_of_a_wait() -> None:
    _, waits = run(RetryPolicy(base=1.0, random=lambda: 0.0), [Unavailable("down")] * 3)
    assert waits == [0.5, 1, 2]


def test_last_failure_is_raised_after_all_attempts() -> None:
    failures = [Unavailable(str(number)) for number in range(9)]
    result, waits = run(RetryPolicy(attempts=3), list(failures))
    assert result is failures[2]
    assert len(waits) == 2


@pytest.mark.parametrize("error", [KeyRevoked("no"), RequestRejected("no"), SourceError("no")])
def test_only_temporary_failures_are_retried(error: SourceError) -> None:
    assert run(RetryPolicy(), [error]) == (error, [])


def test_retry_after_sets_the_wait() -> None:
    _, waits = run(RetryPolicy(), [RateLimited("slow", retry_after=17.0)])
    assert waits == [17.0]


def test_retry_after_beyond_the_maximum_wait_ends_at_once() -> None:
    error = RateLimited("slow", retry_after=121.0)
    assert run(RetryPolicy(max_wait=120.0), [error]) == (error, [])


def test_maximum_wait_is_the_sum_of_all_waits() -> None:
    failures = [RateLimited("slow", retry_after=50.0)] * 5
    result, waits = run(RetryPolicy(max_wait=120.0), [*failures])
    assert isinstance(result, RateLimited)
    assert waits == [50.0, 50.0]


def test_announced_outage_is_worth_one_more_attempt() -> None:
    outages = [Outage("closed", retry_after=30.0) for _ in range(3)]
    result, waits = run(RetryPolicy(random=lambda: 1.0), [Unavailable("down"), *outages])
    assert (result, waits) == (outages[1], [0.5, 30])


def test_failures_of_one_kind_are_limited_without_the_others() -> None:
    policy = RetryPolicy(attempts=9, base=0, failures={Unavailable: 2})
    slow, down = RateLimited("slow"), [Unavailable(str(number)) for number in range(2)]
    assert run(policy, [slow, down[0], slow, slow, down[1], slow])[0] is down[1]
    assert run(policy, [slow, down[0], slow, slow])[0] == "done"


@given(
    st.lists(st.none() | st.floats(0, 200), max_size=12),
    st.integers(1, 8),
    st.floats(0, 300),
    st.floats(0, 1, exclude_max=True),
)
def test_attempts_and_waiting_never_exceed_the_policy(
    retry_afters: list[float | None], attempts: int, max_wait: float, draw: float
) -> None:
    policy = RetryPolicy(attempts=attempts, max_wait=max_wait, random=lambda: draw)
    _, waits = run(policy, [RateLimited("slow", retry_after=seconds) for seconds in retry_afters])
    assert len(waits) < attempts
    assert sum(waits) <= max_wait * (1 + 1e-9)
    assert all(
        wait >= seconds for wait, seconds in zip(waits, retry_afters, strict=False) if seconds is not None
    )
