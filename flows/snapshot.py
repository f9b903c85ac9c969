"""The flow `snapshot`: a line in its log for each shard, and a task that loads and publishes.

A task for each shard would add 20 KB to Prefect's database, most of them events; a line adds 1 KB.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from common.clock import SystemClock
from common.text import format_exact_duration, pluralize, sanitize
from connectors.shards import Shard
from flows.artifacts import artifact_key, publish_progress
from flows.in_process import CallerContext
from flows.run_context import FAILED_STATES, flow_run_name, is_stale, scheduled_time
from flows.schedule_runs import tend_schedule
from flows.snapshot_report import log_result, publish_report, summarize
from pipelines.config import BasketSettings, Settings, load_settings
from pipelines.results import RunResult
from pipelines.snapshot.extraction import shard_label
from pipelines.snapshot.page_writers import LandedPage
from pipelines.snapshot.pipeline import LoadStep, SnapshotPipeline
from pipelines.snapshot.progress import NullProgress, PageCounter, Progress
from warehouse.loading.run import LoadReport
from warehouse.state.database import open_state
from warehouse.state.ticks import MissedTick, record_ticks

caller = CallerContext[Progress, RunResult]("snapshot", NullProgress())


class ProgressTracker:
    """Forwards the progress, logs each shard, and counts the pages of each basket for the artifact."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._rows: Counter[tuple[str, int]] = Counter()
        self.counters: dict[str, PageCounter] = {}

    def planned(self, basket: str, shards: tuple[Shard, ...]) -> None:
        """Log the plan of a basket, and start counting its pages."""
        self.counters[basket] = PageCounter(shards)
        requests, routes = sum(shard.least_requests for shard in shards), Counter(s.route for s in shards)
        get_run_logger().info(
            "%s: planned %s (%s), at least %s",
            basket,
            pluralize(len(shards), "shard"),
            ", ".join(f"{count:,} by the route {route}" for route, count in routes.items()),
            pluralize(requests, "request"),
        )
        self._progress.planned(basket, shards)

    def landed(self, basket: str, shard: Shard, page: LandedPage) -> None:
        """Count a landed page."""
        self.counters[basket].landed(shard, page)
        self._rows[basket, shard.number] += page.rows
        self._progress.landed(basket, shard, page)

    def ended(self, basket: str, shard: Shard, failure: str | None) -> None:
        """Log how the extraction of a shard ended, in the log of the flow run."""
        name, rows = f"{basket}: {shard_label(shard)}", self._rows.pop((basket, shard.number), 0)
        if failure is None:
            get_run_logger().info("fetched %s, rows: %s", name, f"{rows:,}")
        else:
            reason = sanitize(failure.removeprefix(f"{shard_label(shard)}: "), 1000)
            get_run_logger().error("incomplete %s, rows: %s: %s", name, f"{rows:,}", reason)
        self._progress.ended(basket, shard, failure)

    def finished(self, basket: str) -> None:
        """Forward the end of a basket."""
        self._progress.finished(basket)

    @property
    def percent(self) -> float:
        """The landed part of the expected pages of all baskets, from 0 to 100."""
        total = sum(counter.total for counter in self.counters.values())
        landed = sum(counter.pages for counter in self.counters.values())
        return round(100 * landed / total, 1) if total else 0.0

    @property
    def description(self) -> str:
        """The landed pages and rows of each basket."""
        return "; ".join(
            f"{basket}: {counter.pages:,} of {counter.total:,} pages, {counter.rows:,} rows"
            for basket, counter in self.counters.items()
        )


@flow(name="snapshot", flow_run_name=flow_run_name, persist_result=False, log_prints=False)
async def snapshot(
    baskets: list[str] | None = None, config: str | None = None, *, force: bool = False
) -> State[Any]:
    """Take a snapshot of these baskets (all by default) with the configuration at `config`.

    A basket that needs more requests than the month has left is not run, unless `force` is set.
    Ends as Completed, as Skipped (of type COMPLETED) if the run starts more than one interval late, or in a
    state of FAILED_STATES.
    """
    settings = load_settings(Path(config) if config else None)
    selected = settings.select_baskets(tuple(baskets or ()))
    every, scheduled, now = max(basket.every for basket in selected), scheduled_time(), SystemClock().now()
    if scheduled is not None and is_stale(scheduled, now, every):
        late = f"it started {format_exact_duration(now - scheduled)} late, more than one interval"
        skipped = [MissedTick(basket.name, scheduled, "skipped", late) for basket in selected]
        paths = settings.paths
        paths.prepare()  # it may be the first run of all
        await asyncio.to_thread(record_ticks, open_state(paths), skipped, now)
        await _tend(settings, selected, every)
        return Completed(name="Skipped", message=late)
    progress, collected = caller.get()
    tracker = ProgressTracker(progress)
    pipeline = SnapshotPipeline(settings, tuple(baskets or ()), progress=tracker, force=force)
    async with publish_progress(tracker, artifact_key("walk", *(basket.name for basket in selected))):
        results = await pipeline.run(_wrap_load_as_task)
    collected.extend(results)
    await _tend(settings, selected, every)
    return await _final_state(results)


async def _tend(settings: Settings, selected: Sequence[BasketSettings], every: timedelta) -> None:
    names = [basket.name for basket in selected]
    await tend_schedule(settings, names, names, every=every, now=SystemClock().now())


async def run_in_process(
    names: Sequence[str], config: Path | None, progress: Progress, *, force: bool
) -> list[RunResult]:
    """Run the flow for these baskets (none: all) and return the results. Raises as `CallerContext.run`."""
    path = str(config) if config else None
    return await caller.run(
        lambda: snapshot(list(names) or None, path, force=force, return_state=True), progress
    )


async def _final_state(results: Sequence[RunResult]) -> State[Any]:
    """Log and publish the results; return the state of the flow run."""
    for result in results:
        log_result(result)
        await publish_report(result)
    states = {result.state for result in results}
    failed = next((name for state, name in FAILED_STATES.items() if state in states), None)
    message = "; ".join(f"{result.basket}: {summarize(result)}" for result in results)
    return Failed(name=failed, message=message) if failed else Completed(message=message)


def _wrap_load_as_task(step: LoadStep) -> LoadStep:
    """Return the load as a task, without parameters and results that Prefect would store.

    It is no asset (`materialize`): the open-source server has neither an API nor a page for assets. One for
    the basket and one for the published copy would add 5 events, with 15 of their resources, to each run.
    """

    async def load_and_publish() -> Sequence[LoadReport]:  # Prefect awaits only a coroutine function
        return await step()

    return task(name="load and publish", persist_result=False, cache_policy=NO_CACHE)(load_and_publish)
