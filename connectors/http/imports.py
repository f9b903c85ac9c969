"""Import a library without a part of it that nobody needs here."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hide_module(name: str) -> Iterator[None]:
    """Let an import of a module raise ImportError in a block, unless the module is imported already."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]
