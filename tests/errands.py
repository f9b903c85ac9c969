"""What tests have done in another process, which imports it from here."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from connectors.base import Page
from connectors.errors import RateLimited
from connectors.frames import QUOTES
from connectors.paging import Sheet
from tests.conftest import NOON
from warehouse.errors import WarehouseFull


def empty(offset: int) -> tuple[Page, Sheet]:
    """A page without rows."""
    page = Page(0, offset, 3, NOON, QUOTES.to_frame(), (), {}, "")
    return page, Sheet(offset, 1, 3, False, (), "")


def killed() -> tuple[Page, Sheet]:
    """End the process as the kernel does when memory is short."""
    os.kill(os.getpid(), signal.SIGKILL)
    return empty(0)


def limited() -> tuple[Page, Sheet]:
    """Fail with an error that says when to come again."""
    raise RateLimited("too fast", "cs2cap", retry_after=7.0)


def full() -> tuple[Page, Sheet]:
    """Find no room."""
    raise WarehouseFull("no space left", Path("here"))
