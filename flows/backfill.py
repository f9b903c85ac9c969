"""The flows `backfill`, whose request is a form in Prefect, and `sales`, which runs on schedule."""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from prefect import flow, get_run_logger
from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed

from common.clock import SystemClock
from common.text import sanitize
from common.time_ranges import Interval
from connectors.series import Series
from flows.artifacts import artifact_key, code_span, publish_progress
from flows.in_process import CallerContext
from flows.run_context import FAILED_STATES, flow_run_name
from flows.schedule_runs import tend_schedule
from pipelines.backfill.pipeline import BackfillPipeline
from pipelines.backfill.plan import BackfillPlan
from pipelines.backfill.plan_text import describe_cost, describe_request, describe_shards
from pipelines.backfill.progress import BackfillProgress, NullBackfillProgress, ProgressUpdate
from pipelines.backfill.request import BackfillRequest, parse_request
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


FORM_BUDGET: Final = 1_000  # requests; a field of the form that nobody has changed must not cost a month


def _backfill_run_name() -> str:
    series = flow_run.parameters.get("series") or "points"
    kind = "plan of a backfill" if flow_run.parameters.get("dry_run", True) else "backfill"
    return flow_run_name(f"{kind} {series}")


@flow(name="backfill", flow_run_name=_backfill_run_name, persist_result=False, log_prints=False)
async def backfill(  # noqa: PLR0913, PLR0917 - one parameter per field of the form
    start: datetime,
    items: list[str],
    providers: list[str],
    end: datetime | None = None,
    series: Series = "points",
    interval: Interval | None = None,
    source: str | None = None,
    windows: list[str] | None = None,
    budget: int | None = FORM_BUDGET,
    dry_run: bool = True,
    config: str | None = None,
) -> State[Any]:
    """Backfill from the API's history; by default, say only what that would cost.

    Ends as Completed, as Planned (of type COMPLETED) for a dry run, as Stopped (of type COMPLETED) by the
    budget, as Cancelled if a user cancelled the backfill, or in a state of FAILED_STATES.

    Args:
        start: The start, inclusive (UTC).
        items: Names, ids, globs, or "all" alone for every item.
        providers: Keys of marketplaces, or "all" alone.
        end: The end, exclusive (UTC); now if empty.
        series: Price history (points), candles of all marketplaces, sales, or daily prices of years (daily).
        interval: Candles only: 5m, 1h or 1d.
        source: The name of a source; the only CS2Cap source if empty.
        windows: Only these parts of the time, each as START/END in ISO 8601; all of it if empty.
        budget: Stop after this number of requests; without a limit if empty.
        dry_run: Show the plan and its cost, and use none of the month's quota.
        config: The path of the configuration.

    """
    settings = load_settings(Path(config) if config else None)
    request = parse_request(
        {
            "series": series,
            "source": source,
            "items": tuple(items),
            "providers": tuple(providers),
            "interval": interval,
            "start": start,
            "end": end,
            "windows": tuple(tuple(window.split("/", 1)) for window in windows or ()),
            "budget": budget,
        }
    )
    return await (_plan_backfill(settings, request) if dry_run else _run_backfill(settings, request))


@flow(name="sales", flow_run_name=lambda: flow_run_name("sales"), persist_result=False, log_prints=False)
async def sales(source: str, config: str | None = None) -> State[Any]:
    """Read the sales of a source since 48 hours before the last complete read. Ends as `backfill`."""
    settings = load_settings(Path(config) if config else None)
    state = await _run_backfill(settings, next_request(settings, source, SystemClock().now()))
    every = settings.sales_every.get(source)
    if every is not None:
        await tend_schedule(settings, ["sales"], (), every=every, now=SystemClock().now())
    return state


async def run_in_process(
    request: BackfillRequest, config: Path | None, progress: BackfillProgress
) -> list[BackfillResult]:
    """Run the flow `backfill` and return its results. Raises as `CallerContext.run`."""
    parameters = {
        "start": request.start,
        "end": request.end,
        "items": [str(item) for item in request.items],
        "providers": list(request.providers),
        "series": request.series,
        "interval": request.interval,
        "source": request.source,
        "windows": ["/".join(time.isoformat() for time in window) for window in request.windows] or None,
        "budget": request.budget,
        "dry_run": False,
        "config": str(config) if config else None,
    }
    return await caller.run(lambda: backfill(**parameters, return_state=True), progress)


async def _plan_backfill(settings: Settings, request: BackfillRequest) -> State[Any]:
    """Log and publish what a backfill would cost; return the state of the flow run."""
    plan = await BackfillPipeline(settings, request).plan()
    lines = [describe_request(plan), describe_shards(plan), describe_cost(plan), *plan.notes]
    if not plan.fits:
        lines.append("the month does not have enough requests left for this backfill")
    lines.append("run it again with dry_run off to fetch this")
    for line in lines:
        get_run_logger().info("%s", sanitize(line, 1000))
    await acreate_markdown_artifact(
        key=artifact_key("backfill", request.series, "plan"),
        markdown="\n".join(f"- {code_span(line)}" for line in lines),
        description=code_span(describe_cost(plan)),
    )
    return Completed(name="Planned", message=sanitize(f"{lines[1]}: {lines[2]}", 1000))


def _log_plan(plan: BackfillPlan) -> None:
    get_run_logger().info("%s: %s", describe_shards(plan), describe_cost(plan))


async def _run_backfill(settings: Settings, request: BackfillRequest) -> State[Any]:
    progress, collected = caller.get()
    tracker = BackfillProgressTracker(progress)
    async with publish_progress(tracker, artifact_key("backfill", request.series, "progress")):
        result = await BackfillPipeline(settings, request, progress=tracker, on_plan=_log_plan).run()
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
