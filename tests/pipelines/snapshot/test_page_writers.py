"""Where answers become landed pages: counted as they lie, whatever befalls their makers and callers."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from common.errors import RateLimited, WarehouseFull, WriterProcessDied
from connectors.pages import PageBuilder
from connectors.shards import Route, Shard
from pipelines.planning.model import PlanStep, SnapshotPlan
from pipelines.snapshot.page_writers import (
    PROCESS_MIN_PAGES,
    PageWriters,
    ProcessPageWriter,
    ThreadPageWriter,
)
from tests.support.clocks import NOON
from tests.support.picklable import empty, full, killed, limited
from warehouse.landing.model import ShardHeader
from warehouse.landing.reader import read_shard
from warehouse.landing.writer import ShardWriter

_T = TypeVar("_T")
AnyPress = ThreadPageWriter | ProcessPageWriter
HEADER = ShardHeader(1, "USD", ("standard",), ("steam",), None)
BOTH = pytest.mark.parametrize("apart", [False, True], ids=["here", "apart"])


def pressing(job: Callable[[AnyPress], Awaitable[_T]], *, apart: bool) -> _T:
    """Do `job` with a press, and close it."""

    async def main() -> _T:
        press = ProcessPageWriter() if apart else ThreadPageWriter()
        try:
            return await job(press)
        finally:
            closed = press.close()
            if closed is not None:
                await closed

    return asyncio.run(main())


@BOTH
def test_pages_are_counted_as_they_lie_though_some_fail_and_some_callers_leave(
    tmp_path: Path, apart: bool
) -> None:
    writer = ShardWriter(tmp_path, HEADER)

    async def job(press: AnyPress) -> list[object]:
        makes: list[PageBuilder] = [partial(empty, 1), limited, partial(empty, 2), partial(empty, 3)]
        tasks = [asyncio.create_task(press.land(writer, make, NOON)) for make in makes]
        await asyncio.sleep(0)
        tasks[2].cancel()
        ended: list[object] = list(await asyncio.gather(*tasks, return_exceptions=True))
        await press.finish(writer, complete=True, reason=None)
        return ended

    _, two, three, _ = pressing(job, apart=apart)
    assert isinstance(two, RateLimited)
    assert isinstance(three, asyncio.CancelledError)
    landed = read_shard(writer.arrow_writer.path)
    assert landed is not None
    assert [(number, mark.offset) for number, mark in landed.pages] == [(0, 1), (1, 2), (2, 3)]
    assert [mark.offset for mark, _ in landed.batches()] == [1, 2, 3]


@BOTH
def test_a_full_disk_is_told_as_such(tmp_path: Path, apart: bool) -> None:
    async def job(press: AnyPress) -> None:
        await press.land(ShardWriter(tmp_path, HEADER), full, NOON)

    with pytest.raises(WarehouseFull) as caught:
        pressing(job, apart=apart)
    assert (caught.value.detail, caught.value.path) == ("no space left", Path("here"))


@BOTH
def test_a_shard_without_a_page_ends_too(tmp_path: Path, apart: bool) -> None:
    writer = ShardWriter(tmp_path, HEADER)
    pressing(lambda press: press.finish(writer, complete=False, reason="refused"), apart=apart)
    ended = json.loads((tmp_path / "0001.json").read_text())
    assert (ended["complete"], ended["reason"], ended["pages"]) == (False, "refused", [])


def test_a_press_that_was_killed_is_said_to_be_dead(tmp_path: Path) -> None:
    async def job(press: AnyPress) -> None:
        await press.land(ShardWriter(tmp_path, HEADER), killed, NOON)

    with pytest.raises(WriterProcessDied, match="killed"):
        pressing(job, apart=True)


def test_a_press_that_cannot_be_started_is_said_to_be_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))

    async def job(press: AnyPress) -> None:
        await press.finish(ShardWriter(tmp_path, HEADER), complete=True, reason=None)

    with pytest.raises(WriterProcessDied, match="could not be started"):
        pressing(job, apart=True)


def shard(route: Route = "catalog") -> Shard:
    return Shard(0, "cs2cap", "USD", ("steam",), None, route=route)


def plan(requests: int, *shards: Shard) -> SnapshotPlan:
    leg = PlanStep("catalog", ("standard",), "USD", ("steam",), None, requests, requests)
    return SnapshotPlan(shards, (), (leg,))


@pytest.mark.parametrize(
    ("requests", "route", "apart"),
    [
        pytest.param(PROCESS_MIN_PAGES, "catalog", True, marks=pytest.mark.server),
        (PROCESS_MIN_PAGES - 1, "catalog", False),
        (PROCESS_MIN_PAGES, "stream", False),
    ],
)
def test_many_pages_of_catalogs_go_to_a_process_of_their_own(
    requests: int, route: Route, apart: bool
) -> None:
    async def main() -> bool:
        async with PageWriters() as presses:
            presses.warm_up(plan(requests, shard(route)))
            assert isinstance(presses.for_shard(shard("stream")), ThreadPageWriter)
            return isinstance(presses.for_shard(shard(route)), ProcessPageWriter)

    assert asyncio.run(main()) == apart
