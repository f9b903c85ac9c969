"""What is tried again, after how long, and when it is given up."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import KeyRevoked, RateLimited, RequestRejected, SourceError, Unavailable
from connectors.http.retry import RetryPolicy
from tests.support.clocks import VirtualClock


def run(policy: RetryPolicy, failures: list[SourceError]) -> tuple[str | SourceError, list[float]]:
    """Try what fails in this way first and then succeeds; tell how it ended and the waits between."""
    clock = VirtualClock()
    script: Iterator[SourceError] = iter(failures)

    async def attempt() -> str:
        for failure in script:
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


def test_jitter_takes_up_to_half_of_a_wait() -> None:
    _, waits = run(RetryPolicy(base=1.0, random=lambda: 0.0), [Unavailable("down")] * 3)
    assert waits == [0.5, 1, 2]


def test_gives_up_after_the_attempts_with_the_last_failure_itself() -> None:
    failures = [Unavailable(str(number)) for number in range(9)]
    result, waits = run(RetryPolicy(attempts=3), list(failures))
    assert result is failures[2]
    assert len(waits) == 2


@pytest.mark.parametrize("error", [KeyRevoked("no"), RequestRejected("no"), SourceError("no")])
def test_only_what_passes_is_tried_again(error: SourceError) -> None:
    assert run(RetryPolicy(), [error]) == (error, [])


def test_retry_after_is_honoured() -> None:
    _, waits = run(RetryPolicy(), [RateLimited("slow", retry_after=17.0)])
    assert waits == [17.0]


def test_a_retry_after_beyond_the_budget_ends_at_once() -> None:
    error = RateLimited("slow", retry_after=121.0)
    assert run(RetryPolicy(max_wait=120.0), [error]) == (error, [])


def test_the_budget_is_for_all_waits_together() -> None:
    failures = [RateLimited("slow", retry_after=50.0)] * 5
    result, waits = run(RetryPolicy(max_wait=120.0), [*failures])
    assert isinstance(result, RateLimited)
    assert waits == [50.0, 50.0]


@given(
    st.lists(st.none() | st.floats(0, 200), max_size=12),
    st.integers(1, 8),
    st.floats(0, 300),
    st.floats(0, 1, exclude_max=True),
)
def test_never_more_attempts_nor_waiting_than_allowed(
    asked: list[float | None], attempts: int, budget: float, draw: float
) -> None:
    policy = RetryPolicy(attempts=attempts, max_wait=budget, random=lambda: draw)
    _, waits = run(policy, [RateLimited("slow", retry_after=seconds) for seconds in asked])
    assert len(waits) < attempts
    assert sum(waits) <= budget * (1 + 1e-9)
    assert all(wait >= seconds for wait, seconds in zip(waits, asked, strict=False) if seconds is not None)
