"""Which of several errors the user must act on first."""

from __future__ import annotations

from collections.abc import Iterator

from common.errors import AuthRejected, FloorlineError, QuotaExhausted
from common.warehouse_errors import WarehouseError


def most_severe(failure: BaseException) -> BaseException:
    """Return the exception in a (nested) group that the user must act on first.

    The order is: an exception that ends the process, a bug, the warehouse, a rejected key, a used-up quota,
    any other error. Among equals the first one counts. An exception that is not a group is returned as it is.
    """
    return min(_flatten(failure), key=_severity)


def _flatten(failure: BaseException) -> Iterator[BaseException]:
    if not isinstance(failure, BaseExceptionGroup):
        yield failure
        return
    for part in failure.exceptions:
        yield from _flatten(part)


def _severity(failure: BaseException) -> int:
    if not isinstance(failure, Exception):
        return 0
    if not isinstance(failure, FloorlineError):
        return 1
    kinds = (WarehouseError, AuthRejected, QuotaExhausted, FloorlineError)
    return 2 + next(rank for rank, kind in enumerate(kinds) if isinstance(failure, kind))
