"""The command `floorline snapshot`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from floorline.cli.completion import complete_baskets
from floorline.cli.options import AsJson, ConfigFile, Quiet, WithPrefect
from floorline.collection import paused_collection

if TYPE_CHECKING:
    from pipelines.results import RunResult


def snapshot(
    baskets: Annotated[
        list[str] | None,
        typer.Argument(metavar="BASKET", help="Baskets; all by default.", autocompletion=complete_baskets),
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
    prefect: WithPrefect = None,
    quiet: Quiet = False,
    force: Annotated[
        bool, typer.Option("--force", help="Run baskets that need more requests than the month has left.")
    ] = False,
) -> None:
    """Take a snapshot of the market for the configured baskets.

    Fetch, land, load and publish. A run that was interrupted continues with the pages that it has landed.
    """
    with paused_collection():
        from floorline.cli.execution import (
            connected_settings,
            run_flow_or_pipeline,
            runs_as_flow,
            snapshot_progress,
        )
        from floorline.cli.render.runs import print_results
        from pipelines.exit_codes import worst_exit_code
        from pipelines.snapshot.pipeline import SnapshotPipeline

    as_flow = runs_as_flow(prefect)
    settings, names = connected_settings(config), tuple(baskets or ())
    with snapshot_progress(quiet=quiet) as progress:

        async def run_flow() -> list[RunResult]:
            from flows.snapshot import run_in_process

            return await run_in_process(names, config, progress, force=force)

        async def run_pipeline() -> list[RunResult]:
            return await SnapshotPipeline(settings, names, progress=progress, force=force).run()

        results = run_flow_or_pipeline(run_flow, run_pipeline, as_flow=as_flow)
    print_results(results, as_json=as_json, quiet=quiet)
    raise typer.Exit(worst_exit_code(result.exit_code for result in results))
