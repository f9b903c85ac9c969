"""Page builders and other work that tests run in a worker process, which imports them from here."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from common.errors import RateLimited
from common.warehouse_errors import WarehouseFull
from connectors.pages import TypedPage
from connectors.pagination import PageInfo
from connectors.schemas import QUOTES
from tests.support.clocks import NOON


def build_empty_page(offset: int) -> tuple[TypedPage, PageInfo]:
    """Return a page without rows."""
    page = TypedPage(0, offset, 3, NOON, QUOTES.to_frame(), (), {}, "")
    return page, PageInfo(offset, 1, 3, False, (), "")


def kill_worker() -> tuple[TypedPage, PageInfo]:
    """Kill the process, as the kernel does when memory is short."""
    os.kill(os.getpid(), signal.SIGKILL)
    return build_empty_page(0)


def raise_rate_limited() -> tuple[TypedPage, PageInfo]:
    """Raise an error that has a field of its own."""
    raise RateLimited("too fast", "cs2cap", retry_after=7.0)


def raise_warehouse_full() -> tuple[TypedPage, PageInfo]:
    """Raise the error of a full disk."""
    raise WarehouseFull("no space left", Path("here"))


class UnpicklableError(Exception):
    """An error that pickle writes but cannot read again."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(reason)


def raise_unpicklable() -> None:
    """Raise an error that the parent cannot unpickle."""
    raise UnpicklableError(reason="anything")
