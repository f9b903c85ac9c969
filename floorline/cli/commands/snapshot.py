"""`snapshot`."""

from __future__ import annotations

import sys
from pathlib import Path

from floorline.cli.execution import _progress_bars, exit_interrupted, run_interruptible
from floorline.cli.render.runs import print_results
from flows.prefect_api import prefect_configured
from pipelines.config import load_settings
from pipelines.results import RunResult, exit_code
from pipelines.snapshot.pipeline import SnapshotPipeline
from pipelines.snapshot.progress import Progress


def snapshot(
    names: tuple[str, ...],
    config: Path | None,
    *,
    as_json: bool,
    prefect: bool | None,
    quiet: bool,
    force: bool = False,
) -> int:
    """Take a snapshot and tell of it; the exit code."""
    settings = load_settings(config)
    with _progress_bars(shown=sys.stderr.isatty() and not quiet) as progress:
        if prefect_configured() if prefect is None else prefect:
            results = _run_as_flow(names, config, progress, force=force)
        else:
            results = run_interruptible(
                SnapshotPipeline(settings, names, progress=progress, force=force).run()
            )
    print_results(results, as_json=as_json)
    return exit_code(results)


def _run_as_flow(
    names: tuple[str, ...], config: Path | None, progress: Progress, *, force: bool
) -> list[RunResult]:
    from prefect.exceptions import TerminationSignal

    from flows.snapshot import collect_results

    with collect_results(progress) as results:
        try:
            run_interruptible(_flow_run(names, config, results, force=force))
        except TerminationSignal:  # Prefect takes SIGTERM for itself
            exit_interrupted(143)
    return results


async def _flow_run(
    names: tuple[str, ...], config: Path | None, results: list[RunResult], *, force: bool
) -> None:
    """One flow run. What ended it before there were runs to tell of is raised."""
    from flows.prefect_api import check_prefect_reachable
    from flows.snapshot import snapshot as flow

    await check_prefect_reachable()
    path = str(config) if config else None
    state = await flow(list(names) or None, path, force=force, return_state=True)
    if not results:
        await state.aresult()
