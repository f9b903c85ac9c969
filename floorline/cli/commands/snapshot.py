"""The command `floorline snapshot`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from floorline.cli.options import AsJson, ConfigFile, WithPrefect

if TYPE_CHECKING:
    from pipelines.results import RunResult
    from pipelines.snapshot.progress import Progress


def snapshot(
    baskets: Annotated[list[str] | None, typer.Argument(help="Basket names; all baskets by default.")] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
    prefect: WithPrefect = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress bars.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Run baskets that need more requests than the month has left.")
    ] = False,
) -> None:
    """Take a market snapshot of the configured baskets: fetch, land, load, publish."""
    from floorline.cli.execution import run_interruptible, snapshot_progress
    from floorline.cli.render.runs import print_results
    from flows.prefect_api import prefect_configured
    from pipelines.config import load_settings
    from pipelines.results import worst_exit_code
    from pipelines.snapshot.pipeline import SnapshotPipeline

    settings, names = load_settings(config), tuple(baskets or ())
    with snapshot_progress(quiet=quiet) as progress:
        if prefect_configured() if prefect is None else prefect:
            results = _run_as_flow(names, config, progress, force=force)
        else:
            pipeline = SnapshotPipeline(settings, names, progress=progress, force=force)
            results = run_interruptible(pipeline.run())
    print_results(results, as_json=as_json)
    raise typer.Exit(worst_exit_code(result.exit_code for result in results))


def _run_as_flow(
    names: tuple[str, ...], config: Path | None, progress: Progress, *, force: bool
) -> list[RunResult]:
    from prefect.exceptions import TerminationSignal

    from floorline.cli.execution import exit_interrupted, run_interruptible
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
    """Run the flow once. Raises the error that ended the flow before any basket had a result."""
    from flows.prefect_api import check_prefect_reachable
    from flows.snapshot import snapshot as flow

    await check_prefect_reachable()
    path = str(config) if config else None
    state = await flow(list(names) or None, path, force=force, return_state=True)
    if not results:
        await state.aresult()
