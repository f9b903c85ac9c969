"""Concurrent work: run coroutines until the first failure, or one to its end in spite of cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

from common.severity import most_severe

_T = TypeVar("_T")


async def run_to_completion(work: Awaitable[_T]) -> _T:
    """Return the result of `work`. A cancellation meanwhile takes effect once the work is done."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)  # the cancellation hides a failure of the work
        raise


async def gather_fail_fast(*work: Coroutine[Any, Any, _T]) -> list[_T]:
    """Run `work` concurrently and return the results in order.

    The first failure cancels the rest. Once all have ended, the most severe failure is raised alone; see
    `common.severity.most_severe` for the order.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in work]
    except BaseExceptionGroup as failures:
        failure = most_severe(failures)
    else:
        return [task.result() for task in tasks]
    raise failure  # outside of the handler, so that the group is not its context
