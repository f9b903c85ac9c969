"""Page writers: land pages in order through threads or the worker process, and report its failures."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from common.errors import RateLimited
from common.warehouse_errors import WarehouseFull, WriterProcessDied
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
from tests.support.picklable import (
    build_empty_page,
    kill_worker,
    raise_rate_limited,
    raise_warehouse_full,
)
from warehouse.landing.model import ShardHeader
from warehouse.landing.reader import read_shard
from warehouse.landing.writer import ShardWriter

_T = TypeVar("_T")
PageWriter = ThreadPageWriter | ProcessPageWriter
HEADER = ShardHeader(1, "USD", ("standard",), ("steam",), None)
IN_PROCESS = pytest.param(ProcessPageWriter, marks=pytest.mark.server)
EACH_WRITER = pytest.mark.parametrize("writer_class", [ThreadPageWriter, IN_PROCESS])


def run_with(writer_class: type[PageWriter], job: Callable[[PageWriter], Awaitable[_T]]) -> _T:
    """Run `job` with a page writer, and close the page writer."""

    async def main() -> _T:
        page_writer = writer_class()
        try:
            return await job(page_writer)
        finally:
            closing = page_writer.close()
            if closing is not None:
                await closing

    return asyncio.run(main())


@EACH_WRITER
def test_page_numbers_follow_the_file_although_a_page_fails_and_a_caller_is_cancelled(
    tmp_path: Path, writer_class: type[PageWriter]
) -> None:
    writer = ShardWriter(tmp_path, HEADER)

    async def job(page_writer: PageWriter) -> list[object]:
        builders: list[PageBuilder] = [
            partial(build_empty_page, 1),
            raise_rate_limited,
            partial(build_empty_page, 2),
            partial(build_empty_page, 3),
        ]
        tasks = [asyncio.create_task(page_writer.land(writer, build, NOON)) for build in builders]
        await asyncio.sleep(0)
        tasks[2].cancel()
        results: list[object] = list(await asyncio.gather(*tasks, return_exceptions=True))
        await page_writer.finish(writer, complete=True, reason=None)
        return results

    _, second, third, _ = run_with(writer_class, job)
    assert isinstance(second, RateLimited)
    assert isinstance(third, asyncio.CancelledError)
    landed = read_shard(writer.folder, f"{HEADER.number:04}")
    assert landed is not None
    assert [(number, meta.offset) for number, meta in landed.pages] == [(0, 1), (1, 2), (2, 3)]
    assert [meta.offset for meta, _ in landed.batches()] == [1, 2, 3]


@EACH_WRITER
def test_full_disk_raises_warehouse_full_with_its_fields(
    tmp_path: Path, writer_class: type[PageWriter]
) -> None:
    async def job(page_writer: PageWriter) -> None:
        await page_writer.land(ShardWriter(tmp_path, HEADER), raise_warehouse_full, NOON)

    with pytest.raises(WarehouseFull) as caught:
        run_with(writer_class, job)
    assert (caught.value.detail, caught.value.path) == ("no space left", Path("here"))


@EACH_WRITER
def test_shard_without_a_page_is_finished(tmp_path: Path, writer_class: type[PageWriter]) -> None:
    writer = ShardWriter(tmp_path, HEADER)
    run_with(writer_class, lambda page_writer: page_writer.finish(writer, complete=False, reason="refused"))
    summary = json.loads((tmp_path / "0001.json").read_text())
    assert (summary["complete"], summary["reason"], summary["pages"]) == (False, "refused", [])


def test_killed_worker_process_is_reported(tmp_path: Path) -> None:
    async def job(page_writer: PageWriter) -> None:
        await page_writer.land(ShardWriter(tmp_path, HEADER), kill_worker, NOON)

    with pytest.raises(WriterProcessDied, match="killed"):
        run_with(ProcessPageWriter, job)


def test_worker_process_that_cannot_be_started_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))

    async def job(page_writer: PageWriter) -> None:
        await page_writer.finish(ShardWriter(tmp_path, HEADER), complete=True, reason=None)

    with pytest.raises(WriterProcessDied, match="could not be started"):
        run_with(ProcessPageWriter, job)


def shard(route: Route = "catalog") -> Shard:
    return Shard(0, "cs2cap", "USD", ("steam",), None, route=route)


def plan(requests: int, *shards: Shard) -> SnapshotPlan:
    step = PlanStep("catalog", ("standard",), "USD", ("steam",), None, requests, requests)
    return SnapshotPlan(shards, (), (step,))


@pytest.mark.parametrize(
    ("requests", "route", "expected"),
    [
        pytest.param(PROCESS_MIN_PAGES, "catalog", ProcessPageWriter, marks=pytest.mark.server),
        (PROCESS_MIN_PAGES - 1, "catalog", ThreadPageWriter),
        (PROCESS_MIN_PAGES, "stream", ThreadPageWriter),
    ],
)
def test_long_catalog_extraction_uses_the_worker_process(
    requests: int, route: Route, expected: type[PageWriter]
) -> None:
    async def main() -> PageWriter:
        async with PageWriters() as page_writers:
            page_writers.warm_up(plan(requests, shard(route)))
            assert isinstance(page_writers.for_shard(shard("stream")), ThreadPageWriter)
            return page_writers.for_shard(shard(route))

    assert isinstance(asyncio.run(main()), expected)
