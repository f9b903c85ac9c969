"""Backfills as Prefect flows: on demand, the request being a form, and sales on schedule."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger
from prefect.artifacts import acreate_table_artifact
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed

from common.clock import SystemClock
from flows.artifacts import artifact_key, publish_alert, publish_progress
from flows.run_context import flow_run_name
from flows.snapshot import NAMES
from pipelines.alerts.rules import CAUSE_BY_STATE
from pipelines.backfill.pipeline import BackfillPipeline
from pipelines.backfill.progress import BackfillProgress, NullBackfillProgress, ProgressUpdate
from pipelines.backfill.request import BackfillRequest
from pipelines.backfill.results import STOPPED, BackfillResult
from pipelines.backfill.sales import next_request
from pipelines.config import Settings, load_settings
from pipelines.results import RunResult

# What a caller in this process wants to see of a flow run; parameters would end up in Prefect's database.
_progress: ContextVar[BackfillProgress] = ContextVar("progress", default=NullBackfillProgress())  # noqa: B039 - no state
_results: ContextVar[list[BackfillResult] | None] = ContextVar("results", default=None)


@contextmanager
def collect_results(progress: BackfillProgress) -> Iterator[list[BackfillResult]]:
    """Show the progress of flow runs called inside, and collect their results."""
    results: list[BackfillResult] = []
    tokens = _progress.set(progress), _results.set(results)
    try:
        yield results
    finally:
        _progress.reset(tokens[0])
        _results.reset(tokens[1])


class BackfillProgressTracker:
    """Passes progress on, and remembers how far it is for whoever asks."""

    def __init__(self, progress: BackfillProgress) -> None:
        self._progress = progress
        self._standing: ProgressUpdate | None = None

    def update(self, standing: ProgressUpdate) -> None:
        """Hear how far it is."""
        self._standing = standing
        self._progress.update(standing)

    @property
    def percent(self) -> float:
        """How much of the time that is asked for is fetched, of 100."""
        return round(100 * self._standing.share, 1) if self._standing else 0.0

    @property
    def description(self) -> str:
        """How far it is: shards, rows, requests."""
        now = self._standing or ProgressUpdate(0)
        return f"{now.ended:,} of {now.shards:,} shards, {now.rows:,} rows, {now.requests:,} requests"


def _name() -> str:
    return flow_run_name(f"backfill {_series(flow_run.parameters.get('request'))}")


def _series(request: object) -> str:
    """The series of a request, which Prefect hands on as it was given: a model, or what becomes one."""
    told = request.get("series") if isinstance(request, dict) else getattr(request, "series", None)
    return str(told or BackfillRequest.model_fields["series"].default)


@flow(name="backfill", flow_run_name=_name, persist_result=False, log_prints=False)
async def backfill(request: BackfillRequest, config: str | None = None) -> State[Any]:
    """Fill the past with what the API still has of it, with the configuration at `config`.

    Ends as Completed, as Stopped (of type COMPLETED) by the request's own budget, as Cancelled where somebody
    gave the backfill up, or as one of the names of a snapshot's states.
    """
    return await _run_backfill(load_settings(Path(config) if config else None), request)


@flow(name="sales", flow_run_name=lambda: flow_run_name("sales"), persist_result=False, log_prints=False)
async def sales(source: str, config: str | None = None) -> State[Any]:
    """Read the sales of a source since the last complete read, and 48 hours behind it; ends as `backfill`."""
    settings = load_settings(Path(config) if config else None)
    return await _run_backfill(settings, next_request(settings, source, SystemClock().now()))


async def _run_backfill(settings: Settings, request: BackfillRequest) -> State[Any]:
    clock, followed = SystemClock(), BackfillProgressTracker(_progress.get())
    async with publish_progress(followed, artifact_key("backfill", request.series, "progress"), clock):
        result = await BackfillPipeline(settings, request, clock, followed).run()
    collected = _results.get()
    if collected is not None:
        collected.append(result)
    return await _final_state(result)


async def _final_state(result: BackfillResult) -> State[Any]:
    """Report what the backfill came to; the flow run's state."""
    message = summarize(result)
    get_run_logger().log(logging.ERROR if result.state in NAMES else logging.INFO, "%s", message)
    await acreate_table_artifact(
        table=[_row(result)], key=artifact_key("backfill", result.series), description=message
    )
    if result.state in CAUSE_BY_STATE and result.error is not None:
        await publish_alert(_as_run(result), result.error)
    if result.state in NAMES:
        return Failed(name=NAMES[result.state], message=message)
    if result.state == "cancelled":
        return Cancelled(message=message)
    return Completed(name="Stopped" if result.state == STOPPED else None, message=message)


def _as_run(result: BackfillResult) -> RunResult:
    """The backfill as what an alert tells of."""
    return RunResult(
        run_id=result.backfill_id,
        basket=f"backfill {result.series}",
        source=result.source,
        state=result.state,
        requests=result.requests,
        pages=0,
        error=result.error,
        key_tail=result.key_tail,
    )


def summarize(result: BackfillResult) -> str:
    """What a backfill came to, in one line."""
    done = f"{result.shards_done:,} shards done, {result.rows_new:,} new rows, {result.requests:,} requests"
    left = f", {result.shards_left:,} shards left" if result.shards_left else ""
    why = str(result.error).rstrip(".") if result.error else "; ".join(result.broken[:5])
    return "; ".join(filter(None, (f"{result.state}: {done}{left}", why, result.hint)))


def _row(result: BackfillResult) -> dict[str, Any]:
    return {
        "backfill": result.backfill_id,
        "series": result.series,
        "source": result.source,
        "state": result.state,
        "shards done": result.shards_done,
        "broken": result.shards_broken,
        "left": result.shards_left,
        "new rows": result.rows_new,
        "rejected": result.rows_rejected,
        "requests": result.requests,
        "quota left": "" if result.quota_remaining is None else result.quota_remaining,
    }
