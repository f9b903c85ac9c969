"""How commands run a pipeline: interruptible by signals, with progress bars where a person watches."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from common.errors import ConfigError
from floorline.cli.json_output import CommandEnded, ErrorOutput
from floorline.signals import signal_handler
from flows.prefect_api import prefect_configured
from pipelines.config import Settings, load_settings
from pipelines.prefect_settings import import_prefect
from pipelines.snapshot.progress import NullProgress, Progress
from warehouse.paths import WarehousePaths

if TYPE_CHECKING:
    from pipelines.backfill.progress import BackfillProgress

_T = TypeVar("_T")


def warehouse_paths(config: Path | None) -> WarehousePaths:
    """Return the warehouse of a configuration."""
    return load_settings(config).paths


def connected_settings(config: Path | None) -> Settings:
    """Load a configuration for a command that may use Prefect, which must not be imported yet.

    Prefect gets the access to a running `floorline up` of the warehouse, also to read `block:` keys.
    """
    from floorline.up.access import connect_prefect

    settings = load_settings(config)
    connect_prefect(settings.root)
    return settings


def confirm(question: str) -> None:
    """Ask on stderr whether to go on: stdout is for the result, which may be JSON.

    Raises CommandEnded for a no, ConfigError where nobody answers, and KeyboardInterrupt.
    """
    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort as aborted:
        if isinstance(aborted.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        print(file=sys.stderr)  # noqa: T201 - the question has no line break
        raise ConfigError(
            "nobody answers on the standard input: use --yes to go on without a question"
        ) from None
    if not agreed:
        raise CommandEnded(ErrorOutput("Declined", "nothing was changed", exit_code=1))


def runs_as_flow(prefect: bool | None) -> bool:
    """Return whether runs are Prefect flow runs: `prefect`; None: whether the user has configured an API.

    Call it before `connected_settings`, which configures the API of a running `floorline up`.
    """
    return prefect_configured() if prefect is None else prefect


def snapshot_progress(*, quiet: bool) -> contextlib.AbstractContextManager[Progress]:
    """Return progress bars on stderr if a person watches; else a progress that shows nothing."""
    if quiet or not sys.stderr.isatty():
        return contextlib.nullcontext(NullProgress())
    from rich.console import Console

    from floorline.cli.render.progress import progress_bars

    return progress_bars(Console(stderr=True))


def backfill_progress(*, quiet: bool) -> contextlib.AbstractContextManager[BackfillProgress]:
    """Return a progress bar on stderr if a person watches; else a progress that shows nothing."""
    from pipelines.backfill.progress import NullBackfillProgress

    if quiet or not sys.stderr.isatty():
        return contextlib.nullcontext(NullBackfillProgress())
    from rich.console import Console

    from floorline.cli.render.progress import backfill_bar

    return backfill_bar(Console(stderr=True))


def run_flow_or_pipeline(
    flow: Callable[[], Coroutine[Any, Any, _T]],
    pipeline: Callable[[], Coroutine[Any, Any, _T]],
    *,
    as_flow: bool,
) -> _T:
    """Run `flow` if `as_flow` is true, else `pipeline`.

    Raises CommandEnded with the exit code 130 on Ctrl-C and with 143 on SIGTERM, after the data that arrived
    is landed and loaded.
    """
    if not as_flow:
        return run_interruptible(pipeline())
    import_prefect()
    from flows.in_process import FlowTerminated

    try:
        return run_interruptible(flow())
    except FlowTerminated:
        raise _interrupted(143) from None


def run_interruptible(work: Coroutine[Any, Any, _T]) -> _T:
    """Return the result of `work`; cancel it on Ctrl-C and SIGTERM, and raise CommandEnded then."""
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
        raise _interrupted(exit_code) from None


@contextlib.contextmanager
def end_on_sigterm() -> Iterator[None]:
    """End a block on SIGTERM as on Ctrl-C, so that it removes what it has begun.

    Raises CommandEnded with the exit code 143.
    """

    def end(*_: object) -> None:
        raise CommandEnded(ErrorOutput("Interrupted", "stopped before the end", 143))

    with signal_handler(end, signal.SIGTERM):
        yield


def _interrupted(code: int) -> CommandEnded:
    return CommandEnded(ErrorOutput("Interrupted", "stopped; the data that had arrived is kept", code))
