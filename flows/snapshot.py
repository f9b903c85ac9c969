"""The market snapshot as a Prefect flow: a task a shard, one that loads; a rejected key fails it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from common.clock import SystemClock
from flows.artifacts import ProgressTracker, artifact_key, publish_progress, publish_results, summarize
from flows.run_context import flow_run_name, is_stale, scheduled_time
from pipelines.config import load_settings
from pipelines.results import RunResult
from pipelines.snapshot.extraction import ShardTask
from pipelines.snapshot.pipeline import LoadStep, SnapshotPipeline
from pipelines.snapshot.progress import NullProgress, Progress
from warehouse.loading.run import LoadReport

# The names of the states, all of type FAILED, by what befell a run; the first that did counts.
NAMES = {
    "auth_failed": "AuthFailed",
    "quota_exhausted": "QuotaExhausted",
    "plan_forbids": "PlanForbids",
    "failed": "Failed",
    "incomplete": "Incomplete",
}
# What a caller in this process wants to see of a flow run; parameters would end up in Prefect's database.
_progress: ContextVar[Progress] = ContextVar("progress", default=NullProgress())  # noqa: B039 - it has no state
_results: ContextVar[list[RunResult] | None] = ContextVar("results", default=None)


@contextmanager
def collect_results(progress: Progress) -> Iterator[list[RunResult]]:
    """Show the progress of flow runs called inside, and collect their results."""
    results: list[RunResult] = []
    tokens = _progress.set(progress), _results.set(results)
    try:
        yield results
    finally:
        _progress.reset(tokens[0])
        _results.reset(tokens[1])


@flow(name="snapshot", flow_run_name=flow_run_name, persist_result=False, log_prints=False)
async def snapshot(
    baskets: list[str] | None = None, config: str | None = None, *, force: bool = False
) -> State[Any]:
    """Take a snapshot of these baskets (all of them by default) with the configuration at `config`.

    A basket that cannot fit into what is left of the month is refused unless `force` is set.
    Ends as Completed, as Skipped (of type COMPLETED) where its tick comes too late, or as one of `NAMES`.
    """
    settings = load_settings(Path(config) if config else None)
    chosen = settings.chosen(tuple(baskets or ()))
    tick, clock = scheduled_time(), SystemClock()
    if is_stale(tick, clock.now(), max(basket.every for basket in chosen)):
        return Completed(name="Skipped", message=f"the tick of {tick} comes more than one interval late")
    watched_walk = ProgressTracker(_progress.get())
    taking = SnapshotPipeline(settings, tuple(baskets or ()), progress=watched_walk, force=force)
    async with publish_progress(
        watched_walk, artifact_key("walk", *(basket.name for basket in chosen)), clock
    ):
        results = await taking.run(_wrap_as_task, _wrap_load_as_task)
    collected = _results.get()
    if collected is not None:
        collected.extend(results)
    return await _final_state(results)


async def _final_state(results: Sequence[RunResult]) -> State[Any]:
    """Report what the runs came to; the flow run's state."""
    logger = get_run_logger()
    for result in results:
        logger.log(20 if result.exit_code == 0 else 40, "%s: %s", result.basket, summarize(result))
    await publish_results(results)
    states = {result.state for result in results}
    failed = next((name for state, name in NAMES.items() if state in states), None)
    message = "; ".join(f"{result.basket}: {summarize(result)}" for result in results)
    return Failed(name=failed, message=message) if failed else Completed(message=message)


def _wrap_as_task(label: str, fetch: ShardTask) -> ShardTask:
    """The fetch of one shard as a task; it takes nothing and returns nothing, so nothing of it is stored."""
    return task(name=f"fetch {label}", persist_result=False, cache_policy=NO_CACHE)(fetch)


def _wrap_load_as_task(step: LoadStep) -> LoadStep:
    async def load_and_publish() -> Sequence[LoadReport]:
        return await step()

    return task(name="load and publish", persist_result=False, cache_policy=NO_CACHE)(load_and_publish)
