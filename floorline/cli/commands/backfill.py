"""What the commands `floorline backfill ...` do, once their arguments are read."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from common.errors import ConfigError
from floorline.cli.commands.backfill_options import BackfillOptions, requests_of
from floorline.cli.execution import exit_interrupted, run_interruptible
from floorline.cli.render import backfill as render_backfill
from flows.prefect_api import prefect_configured
from pipelines.backfill.pipeline import BackfillPipeline
from pipelines.backfill.plan import BackfillPlan
from pipelines.backfill.progress import BackfillProgress, NullBackfillProgress
from pipelines.backfill.request import BackfillRequest
from pipelines.backfill.results import BackfillResult
from pipelines.config import load_settings
from warehouse.paths import WarehousePaths
from warehouse.state.backfill_rows import BackfillRecord as Record
from warehouse.state.backfills import BackfillStore

# The worst of several runs comes first.
EXIT_CODE_ORDER: Final = (130, 4, 5, 2, 1, 3)
# What would befall the next one, too.
STOPS: Final = frozenset({130, 4, 5})


def run(
    asked: BackfillOptions, config: Path | None, *, as_json: bool, prefect: bool | None, quiet: bool
) -> int:
    """Fill the past and tell of it; the exit code."""
    settings = load_settings(config)
    requests = requests_of(asked, settings)
    flows = prefect_configured() if prefect is None else prefect
    announce = _ignore_plan if quiet or as_json else render_backfill.print_announcement
    results: list[BackfillResult] = []
    with _watching(shown=sys.stderr.isatty() and not quiet) as progress:
        for request in requests:
            if flows:
                results += _as_flow(request, config, progress)
            else:
                one = BackfillPipeline(settings, request, progress=progress, announce=announce)
                results.append(run_interruptible(one.run()))
            if results[-1].exit_code in STOPS:
                break
    render_backfill.print_results(results, as_json=as_json, several=asked.gaps)
    return next((code for code in EXIT_CODE_ORDER if code in {result.exit_code for result in results}), 0)


def dry_run(asked: BackfillOptions, config: Path | None, *, as_json: bool) -> int:
    """Show what it would fetch and cost; 0 if the month can hold it, else 5."""
    settings = load_settings(config)
    plans = [asyncio.run(BackfillPipeline(settings, one).plan()) for one in requests_of(asked, settings)]
    render_backfill.print_plans(plans, as_json=as_json, several=asked.gaps)
    return 0 if all(plan.fits for plan in plans) else 5


def list_backfills(config: Path | None, *, as_json: bool) -> None:
    """All backfills."""
    books = _store(config)
    found = books.list_all() if books else []
    render_backfill.print_list([(one, _holder(books, one)) for one in found], as_json=as_json)


def show_backfill(backfill_id: str, config: Path | None, *, as_json: bool) -> None:
    """One backfill with its shards."""
    books = _store_with(config, backfill_id)
    found = books.get(backfill_id)
    render_backfill.print_backfill(
        found, books.list_shards(backfill_id), _holder(books, found), as_json=as_json
    )


def cancel(backfill_id: str, config: Path | None, *, as_json: bool) -> None:
    """Give one up. Raises ConfigError for one that is done."""
    books = _store_with(config, backfill_id)
    if books.get(backfill_id).state == "done":
        raise ConfigError(f"backfill {backfill_id} is done: there is nothing to cancel")
    holder = books.lock_holder(backfill_id)
    render_backfill.print_cancelled(books.cancel(backfill_id), holder, as_json=as_json)


def _as_flow(
    request: BackfillRequest, config: Path | None, progress: BackfillProgress
) -> list[BackfillResult]:
    from prefect.exceptions import TerminationSignal

    from flows.backfill import collect_results

    with collect_results(progress) as results:
        try:
            run_interruptible(_flow_run(request, config, results))
        except TerminationSignal:  # Prefect takes SIGTERM for itself
            exit_interrupted(143)
    return results


async def _flow_run(request: BackfillRequest, config: Path | None, results: list[BackfillResult]) -> None:
    """One flow run. What ended it before there was a result to tell of is raised."""
    from flows.backfill import backfill
    from flows.prefect_api import check_prefect_reachable

    await check_prefect_reachable()
    state = await backfill(request, str(config) if config else None, return_state=True)
    if not results:
        await state.aresult()


@contextlib.contextmanager
def _watching(*, shown: bool) -> Iterator[BackfillProgress]:
    """A bar on stderr where a person watches; silence otherwise."""
    if not shown:
        yield NullBackfillProgress()
        return
    from rich.console import Console

    from floorline.cli.render.progress import backfill_bar

    with backfill_bar(Console(stderr=True)) as progress:
        yield progress


def _store(config: Path | None) -> BackfillStore | None:
    home = WarehousePaths(load_settings(config).root)
    return BackfillStore(home.state) if home.state.exists() else None


def _store_with(config: Path | None, backfill_id: str) -> BackfillStore:
    books = _store(config)
    if books is None:
        raise ConfigError(f"there is no backfill {backfill_id!r}: none was begun yet")
    return books


def _holder(books: BackfillStore | None, found: Record) -> str | None:
    """Who runs it at this moment."""
    return books.lock_holder(found.backfill_id) if books and found.state == "running" else None


def _ignore_plan(_plan: BackfillPlan) -> None:
    """Say nothing of a plan."""
