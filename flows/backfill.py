"""The flows `backfill`, whose request is a form in Prefect, and `sales`, which runs on schedule."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger
from prefect.artifacts import acreate_table_artifact
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed

from common.clock import SystemClock
from common.text import sanitize
from flows.artifacts import artifact_key, code_span, publish_progress
from flows.in_process import CallerContext
from flows.run_context import FAILED_STATES, flow_run_name
from pipelines.backfill.pipeline import BackfillPipeline
from pipelines.backfill.progress import BackfillProgress, NullBackfillProgress, ProgressUpdate
from pipelines.backfill.request import BackfillRequest
from pipelines.backfill.results import MAX_REASONS, STOPPED, BackfillResult
from pipelines.backfill.sales import next_request
from pipelines.config import Settings, load_settings

caller = CallerContext[BackfillProgress, BackfillResult]("backfill", NullBackfillProgress())


class BackfillProgressTracker:
    """Forwards the progress, and keeps the last update for the progress artifact."""

    def __init__(self, progress: BackfillProgress) -> None:
        self._progress = progress
        self._last = ProgressUpdate(shards=0)

    def update(self, update: ProgressUpdate) -> None:
        """Keep and forward an update."""
        self._last = update
        self._progress.update(update)

    @property
    def percent(self) -> float:
        """The fetched part of the requested time range, from 0 to 100."""
        return round(100 * self._last.fraction, 1)

    @property
    def description(self) -> str:
        """The shards that have ended, and the rows and requests so far."""
        last = self._last
        return f"{last.ended:,} of {last.shards:,} shards, {last.rows:,} rows, {last.requests:,} requests"


def _backfill_run_name() -> str:
    # Prefect passes the parameter on as it was given: as a model, or as the fields of one
    request = flow_run.parameters.get("request")
    series = request.get("series") if isinstance(request, dict) else getattr(request, "series", None)
    return flow_run_name(f"backfill {series or BackfillRequest.model_fields['series'].default}")


@flow(name="backfill", flow_run_name=_backfill_run_name, persist_result=False, log_prints=False)
async def backfill(request: BackfillRequest, config: str | None = None) -> State[Any]:
    """Backfill from the API's history, with the configuration at `config`.

    Ends as Completed, as Stopped (of type COMPLETED) by the request's own budget, as Cancelled if a user
    cancelled the backfill, or in a state of FAILED_STATES.
    """
    return await _run_backfill(load_settings(Path(config) if config else None), request)


@flow(name="sales", flow_run_name=lambda: flow_run_name("sales"), persist_result=False, log_prints=False)
async def sales(source: str, config: str | None = None) -> State[Any]:
    """Read the sales of a source since 48 hours before the last complete read. Ends as `backfill`."""
    settings = load_settings(Path(config) if config else None)
    return await _run_backfill(settings, next_request(settings, source, SystemClock().now()))


async def run_in_process(
    request: BackfillRequest, config: Path | None, progress: BackfillProgress
) -> list[BackfillResult]:
    """Run the flow `backfill` and return its results. Raises as `CallerContext.run`."""
    path = str(config) if config else None
    return await caller.run(lambda: backfill(request, path, return_state=True), progress)


async def _run_backfill(settings: Settings, request: BackfillRequest) -> State[Any]:
    progress, collected = caller.get()
    tracker = BackfillProgressTracker(progress)
    async with publish_progress(tracker, artifact_key("backfill", request.series, "progress")):
        result = await BackfillPipeline(settings, request, progress=tracker).run()
    collected.append(result)
    return await _final_state(result)


async def _final_state(result: BackfillResult) -> State[Any]:
    """Log and publish the result; return the state of the flow run."""
    message = summarize(result)
    get_run_logger().log(logging.ERROR if result.state in FAILED_STATES else logging.INFO, "%s", message)
    await acreate_table_artifact(
        table=[_row(result)],
        key=artifact_key("backfill", result.series),
        description=code_span(message),
    )
    if result.state in FAILED_STATES:
        return Failed(name=FAILED_STATES[result.state], message=message)
    if result.state == "cancelled":
        return Cancelled(message=message)
    return Completed(name="Stopped" if result.state == STOPPED else None, message=message)


def summarize(result: BackfillResult) -> str:
    """Return the result of a backfill in one line."""
    counts = f"{result.shards_done:,} shards done, {result.rows_new:,} new rows, {result.requests:,} requests"
    left = f", {result.shards_left:,} shards left" if result.shards_left else ""
    reason = str(result.error).rstrip(".") if result.error else "; ".join(result.broken[:MAX_REASONS])
    reason = sanitize(reason, 1000)
    return "; ".join(filter(None, (f"{result.state}: {counts}{left}", reason, result.hint)))


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
