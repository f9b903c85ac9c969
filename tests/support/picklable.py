"""What tests have done in another process, which imports it from here."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from common.errors import RateLimited, WarehouseFull
from connectors.pages import TypedPage
from connectors.pagination import PageInfo
from connectors.schemas import QUOTES
from tests.support.clocks import NOON


def empty(offset: int) -> tuple[TypedPage, PageInfo]:
    """A page without rows."""
    page = TypedPage(0, offset, 3, NOON, QUOTES.to_frame(), (), {}, "")
    return page, PageInfo(offset, 1, 3, False, (), "")


def killed() -> tuple[TypedPage, PageInfo]:
    """End the process as the kernel does when memory is short."""
    os.kill(os.getpid(), signal.SIGKILL)
    return empty(0)


def limited() -> tuple[TypedPage, PageInfo]:
    """Fail with an error that says when to come again."""
    raise RateLimited("too fast", "cs2cap", retry_after=7.0)


def full() -> tuple[TypedPage, PageInfo]:
    """Find no room."""
    raise WarehouseFull("no space left", Path("here"))
