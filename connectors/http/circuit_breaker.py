"""The circuit breaker of a source or of a route: a failure that no retry helps stops all other requests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from common.errors import SourceError


class CircuitBreaker:
    """Lets requests pass until it trips; then every running, waiting and later request gets the error."""

    def __init__(self) -> None:
        self._error: SourceError | None = None
        self._running: set[asyncio.Timeout] = set()

    def trip(self, error: SourceError) -> None:
        """Cancel every running request at once. Only the first error counts."""
        if self._error is None:
            self._error = error
            # The timeout ends at `guard`; task.cancel() would end the callers, too.
            for timeout in self._running:
                timeout.reschedule(0)

    @asynccontextmanager
    async def guard(self) -> AsyncIterator[None]:
        """Run a request inside; raise a copy of the error that tripped the breaker."""
        if self._error is None:
            try:
                async with asyncio.timeout(None) as timeout:
                    self._running.add(timeout)
                    try:
                        yield
                    finally:
                        self._running.discard(timeout)
            except TimeoutError:
                if self._error is None:  # a timeout of the request's own
                    raise
            else:
                return
        # A copy: concurrent raises of one exception would mix their tracebacks.
        raise replace(self._error)
