"""Flow runs in the process of their caller: the caller's progress goes in, the results come back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

from prefect.client.schemas.objects import State
from prefect.exceptions import TerminationSignal

from flows.prefect_api import check_prefect_reachable

FlowTerminated = TerminationSignal  # Prefect raises it on SIGTERM, which it handles itself during a flow run
P = TypeVar("P")
R = TypeVar("R")


class CallerContext(Generic[P, R]):
    """The caller of a flow run in this process: its progress P and its list of results R.

    A context variable, because Prefect stores the parameters of a flow run in its database.
    """

    def __init__(self, flow: str, no_progress: P) -> None:
        self._no_progress = no_progress
        self._current: ContextVar[tuple[P, list[R]]] = ContextVar(f"{flow}_caller")

    def get(self) -> tuple[P, list[R]]:
        """Return the caller's progress and results; without a caller, no progress and a new list."""
        return self._current.get((self._no_progress, []))

    @contextmanager
    def collect_results(self, progress: P) -> Iterator[list[R]]:
        """Report the flow runs inside to `progress`, and collect their results."""
        results: list[R] = []
        token = self._current.set((progress, results))
        try:
            yield results
        finally:
            self._current.reset(token)

    async def run(self, flow: Callable[[], Awaitable[State[Any]]], progress: P) -> list[R]:
        """Run `flow` and return its results. Raises the error that ended it before its first result."""
        await check_prefect_reachable()
        with self.collect_results(progress) as results:
            state = await flow()
        if not results:  # the flow ended before its pipeline: its state has the error
            await state.aresult()
        return results
