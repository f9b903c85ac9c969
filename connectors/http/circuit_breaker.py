"""The gate that every request of a source passes, and that the first hopeless failure shuts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from common.errors import SourceError


class CircuitBreaker:
    """Open until `shut`; then whoever is inside, waiting or under way, or comes later gets the error."""

    def __init__(self) -> None:
        self._error: SourceError | None = None
        self._inside: set[asyncio.Timeout] = set()

    def trip(self, error: SourceError) -> None:
        """Turn everyone out, at once; the first error stands."""
        if self._error is None:
            self._error = error
            for passage in self._inside:
                passage.reschedule(0)

    @asynccontextmanager
    async def guard(self) -> AsyncIterator[None]:
        """Stay inside for as long as the gate is open; raises a copy of the error that shut it."""
        if self._error is None:
            try:
                async with asyncio.timeout(None) as passage:
                    self._inside.add(passage)
                    try:
                        yield
                    finally:
                        self._inside.discard(passage)
            except TimeoutError:
                if self._error is None:
                    raise
            else:
                return
        raise replace(self._error)
