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


def run_flow_or_pipeline(
    flow: Callable[[], Coroutine[Any, Any, _T]],
    pipeline: Callable[[], Coroutine[Any, Any, _T]],
    *,
    prefect: bool | None,
) -> _T:
    """Run `flow` if `prefect` is true, else `pipeline`; None: `flow` where a Prefect API is configured.

    Exits with 130 on Ctrl-C and with 143 on SIGTERM, after the data that arrived is landed and loaded.
    """
    if not (prefect_configured() if prefect is None else prefect):
        return _run_interruptible(pipeline())
    from flows.in_process import FlowTerminated

    try:
        return _run_interruptible(flow())
    except FlowTerminated:
        _exit_interrupted(143)


def _run_interruptible(work: Coroutine[Any, Any, _T]) -> _T:
    exit_code = 130

    def terminate(task: asyncio.Future[_T]) -> None:
        nonlocal exit_code
        exit_code = 143
        task.cancel()

    async def cancel_on_sigterm() -> _T:
        # asyncio.run cancels its task on Ctrl-C; SIGTERM needs a handler that does the same.
        task = asyncio.ensure_future(work)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate, task)
        return await task

    try:
        return asyncio.run(cancel_on_sigterm())
    except (KeyboardInterrupt, asyncio.CancelledError):
        _exit_interrupted(exit_code)


def _exit_interrupted(code: int) -> NoReturn:
    console.print_error("stopped; the data that had arrived is kept")
    raise SystemExit(code) from None
