"""Work side by side, of which the first failure ends the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

from common.errors import most_severe

_T = TypeVar("_T")


async def run_to_completion(work: Awaitable[_T]) -> _T:
    """Wait for `work`, also when cancelled meanwhile: the cancellation goes on once it is done."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)  # what failed as well is told by what cancelled us
        raise


async def gather_fail_fast(*work: Coroutine[Any, Any, _T]) -> list[_T]:
    """Run `work` side by side; its results, in order.

    The first failure cancels the rest. Once all have ended, the most severe failure is raised alone; see
    `common.errors.most_severe` for the order.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(part) for part in work]
    except BaseExceptionGroup as failures:
        failure = most_severe(failures)
    else:
        return [task.result() for task in tasks]
    raise failure
