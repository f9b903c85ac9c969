"""What is tried again, how often and how long: transient failures only, within a budget of waiting."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import tenacity

from common.clock import Clock
from common.errors import TransientError

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """At most `attempts` tries of one request, waiting at most `budget` seconds in all between them.

    The n-th wait lies between half and all of `base` * 2^n seconds, at most `cap`; never less than the API's
    Retry-After. A wait that would exceed the budget is not begun: the failure is raised at once.
    `random` draws from [0, 1).
    """

    attempts: int = 6
    max_wait: float = 120.0
    base: float = 0.5
    cap: float = 30.0
    random: Callable[[], float] = random.random

    async def run(self, attempt: Callable[[], Awaitable[_T]], clock: Clock) -> _T:
        """Return what `attempt` returns; raise its last failure, as it was, when no other try is due."""
        retrying = tenacity.AsyncRetrying(
            sleep=clock.sleep,
            retry=tenacity.retry_if_exception_type(TransientError),
            wait=self._wait,
            stop=self._stop,
            reraise=True,
        )

        async def once() -> _T:
            return await attempt()

        return await retrying(once)

    def _wait(self, state: tenacity.RetryCallState) -> float:
        longest = min(self.cap, self.base * 2.0 ** (state.attempt_number - 1))
        backoff = longest * (1 + self.random()) / 2
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, TransientError) else None
        return backoff if asked is None else max(asked, backoff)

    def _stop(self, state: tenacity.RetryCallState) -> bool:
        waited = state.idle_for + state.upcoming_sleep
        return state.attempt_number >= self.attempts or waited > self.max_wait
