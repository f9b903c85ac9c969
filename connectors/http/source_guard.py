"""What the errors of responses mean for other requests: which of them stop, and which of them wait."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from common.clock import Clock
from common.errors import (
    AuthRejected,
    Intercepted,
    OnHold,
    Outage,
    QuotaExhausted,
    RateLimited,
    RouteForbidden,
    SourceError,
    SourceIntercepted,
    StreamsExhausted,
    TransientError,
    Unavailable,
    UserNotFound,
)
from connectors.http.circuit_breaker import CircuitBreaker
from connectors.http.headers import localize_reset, retry_after
from connectors.ratelimit.limiter import RateLimiter

# After so many requests in a row that something else answered, the API is out of reach.
MAX_INTERCEPTED: Final = 3


class SourceGuard:
    """Stops or pauses the requests to one source as the errors of its responses demand."""

    def __init__(self, rate_limiter: RateLimiter, clock: Clock) -> None:
        self._rate_limiter = rate_limiter
        self._clock = clock
        self._circuit_breaker = CircuitBreaker()
        self._intercepted = 0
        self._route_breakers: defaultdict[str, CircuitBreaker] = defaultdict(CircuitBreaker)

    @asynccontextmanager
    async def guard(self, route: str) -> AsyncIterator[None]:
        """Run a request inside; raise the error that stopped the source or the route of the request."""
        async with self._circuit_breaker.guard(), self._route_breakers[route].guard():
            try:
                yield
            except Intercepted as error:
                raise self._count_interception(error) from None
            except SourceError as error:
                if error.status is not None:  # the API's own answer
                    self._intercepted = 0
                raise
            self._intercepted = 0

    def _count_interception(self, error: Intercepted) -> Intercepted:
        """Stop the source where several requests in a row, with their retries, did not reach the API."""
        self._intercepted += 1
        if self._intercepted < MAX_INTERCEPTED or isinstance(error, SourceIntercepted):
            return error
        final = SourceIntercepted(error.detail, error.source, error.code, error.status, error.request_id)
        self._circuit_breaker.trip(final)
        return final

    def obey(self, route: str, error: SourceError, headers: Mapping[str, str]) -> SourceError:
        """Stop or pause other requests as an error demands; return the error to raise.

        The first AuthRejected, QuotaExhausted (of the month) or UserNotFound stops the source, the first
        RouteForbidden its route. A rate limit, and an outage whose end is announced, pause every request with
        the key.
        """
        if isinstance(error, TransientError):
            self._read_wait(error, headers)
        if isinstance(error, QuotaExhausted):
            error.resets_at = localize_reset(error.resets_at, headers, self._clock.now())
        stops = AuthRejected | QuotaExhausted | UserNotFound
        if isinstance(error, stops) and not isinstance(error, StreamsExhausted):
            self._circuit_breaker.trip(error)
        if isinstance(error, RouteForbidden):
            self._route_breakers[route].trip(error)
        if isinstance(error, RateLimited) or (isinstance(error, Unavailable) and "retry-after" in headers):
            error = self._pause(error)
        self._rate_limiter.observe_error(route, error)
        return error

    def _read_wait(self, error: TransientError, headers: Mapping[str, str]) -> None:
        """Set the wait that Retry-After asks for; after an Outage, no shorter one than the API documents."""
        requested = retry_after(headers, self._clock.now())
        if requested is not None:
            least = error.retry_after if isinstance(error, Outage) else None
            error.retry_after = max(requested, least or 0.0)

    def _pause(self, error: TransientError) -> TransientError:
        """Send nothing as long as the source asks; a wait longer than a run's is an error of its own."""
        held_until = self._rate_limiter.pause(error.retry_after or 1.0)
        if held_until is None:
            return error
        return OnHold(
            f"{error.detail}; the source asks to send nothing until {held_until:%Y-%m-%d %H:%M} UTC",
            error.source,
            code=error.code,
            status=error.status,
            request_id=error.request_id,
            retry_after=error.retry_after,
        )
