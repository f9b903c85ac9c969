"""Handle signals in another way while a block runs, and find the signal behind an exception."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def signal_handler(
    handler: Callable[[int, FrameType | None], object], *numbers: signal.Signals
) -> Iterator[None]:
    """Call `handler` for these signals in the block; restore the earlier handlers at the end."""
    earlier = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler_before in earlier.items():
            signal.signal(number, handler_before)


def list_causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the exception, its cause, the cause of that, and so on.

    A signal during an import is raised in the module that is imported: Python wraps what is raised while a
    class is made in a RuntimeError, DuckDB in an ImportError. What is imported after it may fail, too. So
    the KeyboardInterrupt is often only a cause.
    """
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def was_interrupted(error: BaseException) -> bool:
    """Return whether Ctrl-C is behind an exception."""
    return any(isinstance(cause, KeyboardInterrupt) for cause in list_causes(error))
