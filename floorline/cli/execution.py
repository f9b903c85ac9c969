"""run_interruptible, progress bars or none, run as flow or not, exit codes."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from floorline import console
from pipelines.config import load_settings
from pipelines.snapshot.progress import NullProgress, Progress
from warehouse.paths import WarehousePaths

_T = TypeVar("_T")


@contextlib.contextmanager
def _progress_bars(*, shown: bool) -> Iterator[Progress]:
    """Bars on stderr where a person watches; silence otherwise."""
    if not shown:
        yield NullProgress()
        return
    from rich.console import Console

    from floorline.cli.render.progress import progress_bars

    with progress_bars(Console(stderr=True)) as progress:
        yield progress


def run_interruptible(work: Coroutine[Any, Any, _T]) -> _T:
    """Run `work`; SIGTERM stops it as Ctrl-C does, what arrived being landed, with exit code 143."""

    async def guarded() -> _T:
        task = asyncio.ensure_future(work)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _stop, task, terminated)
        return await task

    terminated: list[bool] = []
    try:
        return asyncio.run(guarded())
    except (KeyboardInterrupt, asyncio.CancelledError):
        exit_interrupted(143 if terminated else 130)


def exit_interrupted(code: int) -> NoReturn:
    """End the process, which was told to stop, with this exit code."""
    console.print_error("stopped; what had arrived is kept")
    raise SystemExit(code) from None


def _stop(task: asyncio.Future[Any], terminated: list[bool]) -> None:
    terminated.append(True)
    task.cancel()


def _warehouse_paths(config: Path | None) -> WarehousePaths:
    return WarehousePaths(load_settings(config).root)
