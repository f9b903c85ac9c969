"""Work side by side, of which the first failure ends the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from connectors.errors import AuthRejected, FloorlineError, leaves
from warehouse.errors import WarehouseError

_T = TypeVar("_T")


async def together(*work: Coroutine[Any, Any, _T]) -> list[_T]:
    """Run `work` side by side; its results, in order.

    The first failure cancels the rest. Once all have ended, the gravest failure is raised, on its own: what
    ends the process before a bug, then the warehouse's errors, a rejected key, and the others.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(part) for part in work]
    except BaseExceptionGroup as failures:
        failure = min(leaves(failures), key=_rank)
    else:
        return [task.result() for task in tasks]
    raise failure


def _rank(failure: BaseException) -> int:
    """The place of a failure's kind, the gravest first."""
    known = FloorlineError | WarehouseError
    grave = (not isinstance(failure, Exception), not isinstance(failure, known))
    kinds = (*grave, isinstance(failure, WarehouseError), isinstance(failure, AuthRejected), True)
    return kinds.index(True)
