"""How commands run a pipeline: interruptible by signals, with progress bars where a person watches."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from floorline import console
from flows.prefect_api import prefect_configured
from pipelines.backfill.progress import BackfillProgress, NullBackfillProgress
from pipelines.config import load_settings
from pipelines.snapshot.progress import NullProgress, Progress
from warehouse.paths import WarehousePaths

_T = TypeVar("_T")


def warehouse_paths(config: Path | None) -> WarehousePaths:
    """Return the warehouse of a configuration."""
    return WarehousePaths(load_settings(config).root)


def snapshot_progress(*, quiet: bool) -> contextlib.AbstractContextManager[Progress]:
    """Return progress bars on stderr if a person watches; else a progress that shows nothing."""
    if quiet or not sys.stderr.isatty():
        return contextlib.nullcontext(NullProgress())
    from rich.console import Console

    from floorline.cli.render.progress import progress_bars

    return progress_bars(Console(stderr=True))


def backfill_progress(*, quiet: bool) -> contextlib.AbstractContextManager[BackfillProgress]:
    """Return a progress bar on stderr if a person watches; else a progress that shows nothing."""
    if quiet or not sys.stderr.isatty():
        return contextlib.nullcontext(NullBackfillProgress())
    from rich.console import Console

    from floorline.cli.render.progress import backfill_bar

    return backfill_bar(Console(stderr=True))


def run_interruptible(work: Coroutine[Any, Any, _T]) -> _T:
    """Run `work` to its end; SIGTERM and Ctrl-C cancel `work`, and the process exits with 143 or 130.

    A cancelled run lands and loads the pages that arrived.
    """

    async def guarded() -> _T:
        task = asyncio.ensure_future(work)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _terminate, task, terminated)
        return await task

    terminated: list[bool] = []
    try:
        return asyncio.run(guarded())
    except (KeyboardInterrupt, asyncio.CancelledError):
        exit_interrupted(143 if terminated else 130)


def run_flow_or_pipeline(
    flow: Callable[[], Coroutine[Any, Any, _T]],
    pipeline: Callable[[], Coroutine[Any, Any, _T]],
    *,
    prefect: bool | None,
) -> _T:
    """Run `flow` if `prefect` is set, else `pipeline`; if None, `flow` where a Prefect API is configured."""
    if not (prefect_configured() if prefect is None else prefect):
        return run_interruptible(pipeline())
    from flows.in_process import FlowTerminated

    try:
        return run_interruptible(flow())
    except FlowTerminated:
        exit_interrupted(143)


def exit_interrupted(code: int) -> NoReturn:
    """End the process after a signal with this exit code."""
    console.print_error("stopped; the data that had arrived is kept")
    raise SystemExit(code) from None


def _terminate(task: asyncio.Future[Any], terminated: list[bool]) -> None:
    terminated.append(True)
    task.cancel()
