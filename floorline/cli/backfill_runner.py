"""Run backfills one after another within one budget, and say how to go on where they stop."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import typer

from floorline.cli.execution import backfill_progress, run_flow_or_pipeline
from floorline.cli.json_output import CommandEnded
from floorline.cli.render.backfill import print_announcement, print_results
from floorline.console import print_error
from pipelines.backfill.pipeline import BackfillPipeline, OnPlan
from pipelines.backfill.progress import BackfillProgress, ProgressUpdate
from pipelines.backfill.request import BackfillRequest
from pipelines.backfill.results import BackfillResult
from pipelines.config import Settings
from pipelines.exit_codes import worst_exit_code

# An interrupt, a rejected key or a used-up quota: the next backfill would end the same way.
FINAL_EXIT_CODES: Final = frozenset({130, 4, 5})
BUDGET_EXIT_CODE: Final = 5


class IdTracker:
    """Forwards the progress of backfills, and keeps the ID of the one that runs."""

    def __init__(self, progress: BackfillProgress) -> None:
        self._progress = progress
        self.backfill_id = ""

    def update(self, update: ProgressUpdate) -> None:
        """Keep the ID, and forward the update."""
        self.backfill_id = update.backfill_id
        self._progress.update(update)


def run_backfills(
    requests: Sequence[BackfillRequest],
    settings: Settings,
    config: Path | None,
    *,
    as_json: bool,
    as_flow: bool,
    quiet: bool,
) -> None:
    """Run the backfills, which share their budget; print their results and exit.

    Raises CommandEnded where a signal stops them, with the command that goes on.
    """
    on_plan: OnPlan = (lambda _plan: None) if quiet or as_json else print_announcement
    results: list[BackfillResult] = []
    left = requests[0].budget if requests else None
    with backfill_progress(quiet=quiet) as progress:
        for request in requests:
            if left == 0:
                break
            within = request.model_copy(update={"budget": left})
            results += _run(within, settings, config, progress=progress, on_plan=on_plan, as_flow=as_flow)
            left = None if left is None else max(left - results[-1].requests, 0)
            if results[-1].exit_code in FINAL_EXIT_CODES:
                break
    print_results(results, as_json=as_json, quiet=quiet)
    codes = [result.exit_code for result in results]
    if left == 0 and len(results) < len(requests):
        print_error("the budget is spent: `floorline backfill --gaps` fills the gaps that are left")
        codes.append(BUDGET_EXIT_CODE)
    raise typer.Exit(worst_exit_code(codes))


def _run(
    request: BackfillRequest,
    settings: Settings,
    config: Path | None,
    *,
    progress: BackfillProgress,
    on_plan: OnPlan,
    as_flow: bool,
) -> list[BackfillResult]:
    tracker = IdTracker(progress)

    async def run_flow() -> list[BackfillResult]:
        from flows.backfill import run_in_process

        return await run_in_process(request, config, tracker)

    async def run_pipeline() -> list[BackfillResult]:
        pipeline = BackfillPipeline(settings, request, progress=tracker, on_plan=on_plan)
        return [await pipeline.run()]

    try:
        return run_flow_or_pipeline(run_flow, run_pipeline, as_flow=as_flow)
    except CommandEnded as ended:
        message = f"{ended.error.message}; {_how_to_go_on(tracker.backfill_id)}"
        raise CommandEnded(dataclasses.replace(ended.error, message=message)) from None


def _how_to_go_on(backfill_id: str) -> str:
    if not backfill_id:
        return "no backfill had begun: the same command begins it"
    return f"`floorline backfill --resume {backfill_id}` continues where backfill {backfill_id} stopped"
