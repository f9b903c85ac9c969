"""The commands `floorline maintain ...`, `floorline rejects ...` and `floorline export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from floorline.cli.options import AsJson, ConfigFile, Quiet

if TYPE_CHECKING:
    from floorline.cli.render.query import Form

rejects_app = typer.Typer(help="Rejected rows, kept with their raw text.", no_args_is_help=True)
maintain_app = typer.Typer(help="Maintenance of the database and the landings.", no_args_is_help=True)
PENDING_REJECTS: Final = """
SELECT reject_id, observed_at, source, basket, currency, reason, raw FROM rejects
WHERE replayed_run_id IS NULL ORDER BY observed_at DESC, reject_id LIMIT {limit:d}
"""


def export(
    to: Annotated[
        Path, typer.Argument(metavar="PATH", help="A new file (.duckdb), or a new folder for Parquet.")
    ],
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Export everything to a DuckDB file or a folder of Parquet.

    A folder gets one Parquet file for each view.
    """
    from floorline.cli.execution import warehouse_paths
    from floorline.cli.render.runs import print_files
    from warehouse.export import export_duckdb, export_parquet

    paths = warehouse_paths(config)
    if to.suffix in {".duckdb", ".db"}:
        export_duckdb(paths, to)
        files = [to]
    else:
        files = list(export_parquet(paths, to))
    print_files("export", files, as_json=as_json)


@rejects_app.command("list", epilog="Example: floorline rejects list --limit 10")
def rejects_list(
    config: ConfigFile = None,
    as_json: AsJson = False,
    limit: Annotated[
        int, typer.Option(min=1, max=10**9, metavar="ROWS", help="The largest number of rows, newest first.")
    ] = 50,
) -> None:
    """List the rejected rows that were not replayed yet."""
    from floorline.cli.execution import warehouse_paths
    from floorline.cli.render.query import print_results
    from warehouse.queries.session import query_results

    with query_results(
        warehouse_paths(config).published_database, PENDING_REJECTS.format(limit=limit)
    ) as results:
        form: Form = "json" if as_json else "table"
        print_results(results, command="rejects list", form=form, others="--json shows the others")


@rejects_app.command("replay", epilog="Example: floorline rejects replay")
def rejects_replay(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Parse the rejected rows again; load those that parse now.

    Each row is loaded at the time of its observation.
    """
    from common.clock import SystemClock
    from common.text import pluralize
    from floorline.cli.render.runs import print_replay
    from floorline.console import print_error
    from pipelines.config import load_settings
    from pipelines.replay import count_series_rejects, replay

    settings, clock = load_settings(config), SystemClock()
    series_rejects = count_series_rejects(settings, clock)
    print_replay(replay(settings, clock), as_json=as_json)
    if series_rejects:
        print_error(
            f"{pluralize(series_rejects, 'rejected row')} of backfills cannot be replayed;"
            " the same backfill fetches again what had no usable row"
        )


@maintain_app.command("load", epilog="Example: floorline maintain load")
def maintain_load(config: ConfigFile = None, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Load the pending landings, and publish the database.

    Nothing is fetched. The exit code is 6 if a landing is not loaded.
    """
    from common.clock import SystemClock
    from floorline.cli.render.runs import print_loads
    from pipelines.config import load_settings
    from pipelines.loading import load_and_publish
    from pipelines.preparation import prepare_warehouse
    from pipelines.results import loads_exit_code

    settings, clock = load_settings(config), SystemClock()
    prepare_warehouse(settings, clock.now())
    loads = load_and_publish(settings, [], clock)
    print_loads("maintain load", loads, as_json=as_json, quiet=quiet)
    raise typer.Exit(loads_exit_code(loads))


@maintain_app.command("retry", epilog="Example: floorline maintain retry")
def maintain_retry(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN", help="The runs of these landings; without any, all of them."),
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Load the landings again that were set aside.

    Each is tried by itself; `floorline doctor` lists them. The exit code is 6 if one is not loaded.
    """
    from common.clock import SystemClock
    from common.errors import ConfigError
    from floorline.cli.render.runs import print_loads
    from pipelines.config import load_settings
    from pipelines.loading import load_and_publish
    from pipelines.preparation import prepare_warehouse
    from pipelines.results import loads_exit_code
    from warehouse.landing.set_aside import find_set_aside, release_landings

    settings, clock = load_settings(config), SystemClock()
    prepare_warehouse(settings, clock.now())
    paths = settings.paths
    found = {landing.run_id for landing in find_set_aside(paths)}
    if unknown := sorted(set(runs or ()) - found):
        raise ConfigError(f"no landing of the run {unknown[0]} is set aside; `floorline doctor` lists them")
    release_landings(paths, runs or ())
    loads = load_and_publish(settings, [], clock) if found else []
    print_loads("maintain retry", loads, as_json=as_json, quiet=quiet)
    raise typer.Exit(loads_exit_code(loads))


@maintain_app.command("seal", epilog="Example: floorline maintain seal")
def maintain_seal(
    config: ConfigFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    every: Annotated[
        bool, typer.Option("--all", help="Also where the database is smaller than `seal_above`.")
    ] = False,
) -> None:
    """Seal the months that are over, if the database is large.

    The history of each such month moves into a sorted file beside the database, which names the file by its
    whole path. A landing that comes late opens its month again.
    """
    from common.clock import SystemClock
    from floorline.cli.render.maintenance import print_seal
    from pipelines.config import load_settings
    from pipelines.maintenance import seal_months
    from pipelines.preparation import prepare_warehouse

    settings, now = load_settings(config), SystemClock().now()
    prepare_warehouse(settings, now)
    report = seal_months(settings, now, every=every)
    print_seal(report, above=settings.warehouse.seal_above, as_json=as_json, quiet=quiet)


@maintain_app.command("verify", epilog="Example: floorline maintain verify")
def maintain_verify(config: ConfigFile = None, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Verify the database, and the files of all sealed months.

    Both databases are read completely, the files are compared with their checksums, and rows are counted. An
    alert opens for what is wrong. The exit code is 6 then.
    """
    from common.clock import SystemClock
    from floorline.cli.render.maintenance import print_verification
    from pipelines.config import load_settings
    from pipelines.maintenance import verify_warehouse
    from pipelines.preparation import prepare_warehouse

    settings, now = load_settings(config), SystemClock().now()
    prepare_warehouse(settings, now)
    report = verify_warehouse(settings, now)
    print_verification(report, as_json=as_json, quiet=quiet)
    raise typer.Exit(6 if report.problems else 0)


@maintain_app.command("sizes", epilog="Example: floorline maintain sizes")
def maintain_sizes(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show what each table takes on the disk, the history by month."""
    from floorline.cli.execution import warehouse_paths
    from floorline.cli.render.maintenance import print_sizes
    from warehouse.maintenance.sizes import measure_sizes

    print_sizes(measure_sizes(warehouse_paths(config)), as_json=as_json)


@maintain_app.command("rebuild", epilog="Example: floorline maintain rebuild")
def maintain_rebuild(
    config: ConfigFile = None,
    as_json: AsJson = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Rebuild the database from the landings.

    What is older than the landings is taken over from the old database, which is renamed.
    """
    from common.clock import SystemClock
    from common.errors import ConfigError
    from floorline.cli.execution import confirm
    from floorline.cli.render.runs import print_rebuild
    from pipelines.config import load_settings
    from pipelines.loading import parse_raw_rows
    from pipelines.preparation import prepare_warehouse
    from warehouse.rebuild import rebuild, rebuildable_landings

    clock, settings = SystemClock(), load_settings(config)
    if settings.shared is not None:
        raise ConfigError("a shared warehouse is not rebuilt: restore its PostgreSQL database and its bucket")
    paths = prepare_warehouse(settings, clock.now())
    runs = rebuildable_landings(paths)
    if not runs:
        raise ConfigError(f"there is no landing under {paths.landing} to rebuild the database from")
    if not yes:
        confirm(
            f"{len(runs)} landings from {runs[0].header.started_at:%Y-%m-%d %H:%M} UTC on will be loaded"
            " again. Older data is taken over from the old database, which is renamed. Continue?"
        )
    print_rebuild(rebuild(paths, clock.now, row_parser=parse_raw_rows), as_json=as_json)
