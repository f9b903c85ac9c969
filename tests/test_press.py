"""Where answers become landed pages: counted as they lie, whatever befalls their makers and callers."""

import asyncio
from functools import partial
from pathlib import Path
from typing import NoReturn

from connectors.base import Make, Page
from connectors.errors import RateLimited
from connectors.frames import QUOTES
from connectors.paging import Sheet
from flows.press import Press
from tests.conftest import NOON
from warehouse.landed import read_shard
from warehouse.landing import ShardWriter
from warehouse.pages import ShardHeader

HEADER = ShardHeader(1, "USD", ("standard",), ("steam",), None)


def empty(offset: int) -> tuple[Page, Sheet]:
    """A page without rows."""
    page = Page(0, offset, 0, NOON, QUOTES.to_frame(), (), {}, "")
    return page, Sheet(offset, 1, 0, False, (), "")


def limited() -> NoReturn:
    """An answer that is no page."""
    raise RateLimited("slow down", "cs2cap")


def test_pages_are_counted_as_they_lie_though_some_fail_and_some_callers_leave(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, HEADER)

    async def main() -> list[object]:
        async with Press() as press:
            makes: list[Make] = [partial(empty, 1), limited, partial(empty, 2), partial(empty, 3)]
            tasks = [asyncio.create_task(press.land(writer, make, NOON)) for make in makes]
            await asyncio.sleep(0)
            tasks[2].cancel()
            return await asyncio.gather(*tasks, return_exceptions=True)

    _, two, three, _ = asyncio.run(main())
    assert isinstance(two, RateLimited)
    assert isinstance(three, asyncio.CancelledError)
    writer.finish(complete=True, reason=None)
    landed = read_shard(writer.file.path)
    assert landed is not None
    assert [(number, mark.offset) for number, mark in landed.pages] == [(0, 1), (1, 2), (2, 3)]
    assert [mark.offset for mark, _ in landed.batches()] == [1, 2, 3]
