"""The retry policy: which failures are retried, how often and how long. The only module with tenacity."""

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

import tenacity

from common.clock import Clock
from common.errors import ConnectionLost, InterceptedPage, Outage, RequestTimeout, TransientError

_T = TypeVar("_T")
_FailureLimits = Mapping[type[TransientError], int]
_ONE_MORE: Final[_FailureLimits] = {Outage: 2}
# Of a source that never answered, its address is in doubt: whoever waits wants to know.
UNKNOWN_SOURCE: Final[_FailureLimits] = {ConnectionLost: 2, RequestTimeout: 1, InterceptedPage: 2}


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Retry TransientErrors: at most `attempts` attempts, with at most `max_wait` seconds of waiting in all.

    The n-th wait is a random part, between half and all, of `base` * 2^n seconds, at most `cap`, and never
    less than the API's Retry-After. A wait that would exceed `max_wait` is not started: the failure is raised
    at once. `random` draws from [0, 1). `failures` says how many attempts may fail in one way, before the
    last of these failures is raised; `first_failures` the same until the source has answered once.
    """

    attempts: int = 6
    max_wait: float = 120.0
    base: float = 0.5
    cap: float = 30.0
    random: Callable[[], float] = random.random
    failures: _FailureLimits = field(default_factory=lambda: _ONE_MORE)
    first_failures: _FailureLimits = field(default_factory=dict)

    @property
    def until_answered(self) -> "RetryPolicy":
        """The policy for a source that has not answered yet."""
        return replace(self, failures={**self.failures, **self.first_failures})

    async def run(self, attempt: Callable[[], Awaitable[_T]], clock: Clock) -> _T:
        """Return the result of `attempt`, or raise the failure of the last attempt."""
        failures: list[TransientError] = []

        async def call() -> _T:
            try:
                return await attempt()
            except TransientError as error:
                failures.append(error)
                raise

        # Only a failure needs tenacity, which would take as long as all else that a request needs from us.
        with suppress(TransientError):
            return await call()
        return await self._retry(call, failures, clock)

    async def _retry(
        self, call: Callable[[], Awaitable[_T]], failures: Sequence[TransientError], clock: Clock
    ) -> _T:
        """Go on after the first of `failures`, to which `call` adds the others."""
        retrying = tenacity.AsyncRetrying(
            sleep=clock.sleep,
            retry=tenacity.retry_if_exception_type(TransientError),
            wait=self._wait,
            stop=lambda state: self._stop(state) or self._is_spent(failures),
            reraise=True,
        )
        first = iter(failures[:1])

        async def call_again() -> _T:  # tenacity awaits the result of a coroutine function only
            for failure in first:  # for tenacity, the first attempt fails now
                raise failure
            return await call()

        return await retrying(call_again)

    def _wait(self, state: tenacity.RetryCallState) -> float:
        longest = min(self.cap, self.base * 2.0 ** (state.attempt_number - 1))
        backoff = longest * (1 + self.random()) / 2
        error = state.outcome.exception() if state.outcome else None
        retry_after = error.retry_after if isinstance(error, TransientError) else None
        return backoff if retry_after is None else max(retry_after, backoff)

    def _stop(self, state: tenacity.RetryCallState) -> bool:
        # tenacity computes the next wait before it calls this method
        waited = state.idle_for + state.upcoming_sleep
        return state.attempt_number >= self.attempts or waited > self.max_wait

    def _is_spent(self, failures: Sequence[TransientError]) -> bool:
        """Return whether as many attempts as are allowed failed in the way of the last failure."""
        return any(
            isinstance(failures[-1], kind) and sum(isinstance(each, kind) for each in failures) >= limit
            for kind, limit in self.failures.items()
        )
