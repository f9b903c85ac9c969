"""`maintain ...`, `rejects ...`, `export`."""

from __future__ import annotations

from pathlib import Path

from common.clock import SystemClock
from common.errors import ConfigError
from floorline import console
from floorline.cli.execution import _warehouse_paths
from floorline.cli.render.runs import print_files, print_loads, print_rebuild, print_replay
from pipelines.config import load_settings
from pipelines.loading import load_and_publish
from warehouse.paths import WarehousePaths
from warehouse.queries import run_query


def export(to: Path, config: Path | None, *, as_json: bool) -> None:
    """One DuckDB file for a name that ends so, else a folder of Parquet files."""
    from warehouse.maintenance import export_duckdb, export_parquet

    home = _warehouse_paths(config)
    if to.suffix in {".duckdb", ".db"}:
        export_duckdb(home, to)
        files = [to]
    else:
        files = list(export_parquet(home, to))
    print_files(files, as_json=as_json)


def rejects_list(config: Path | None, *, as_json: bool, limit: int) -> None:
    """The rejects that were not replayed."""
    found = run_query(
        _warehouse_paths(config),
        "SELECT reject_id, observed_at, source, basket, currency, reason, raw FROM rejects"
        " WHERE replayed_run_id IS NULL ORDER BY observed_at DESC, reject_id LIMIT ?",
        [limit],
    )
    console.print_rows(found, as_json=as_json)


def rejects_replay(config: Path | None, *, as_json: bool) -> None:
    """Read the rejects again and load what fits by now."""
    from pipelines.replay import replay

    print_replay(replay(load_settings(config), SystemClock()), as_json=as_json)


def maintain_load(config: Path | None, *, as_json: bool) -> None:
    """Load what waits."""
    settings = load_settings(config)
    WarehousePaths(settings.root).prepare()
    print_loads(load_and_publish(settings, [], SystemClock()), as_json=as_json)


def maintain_rebuild(config: Path | None, *, as_json: bool, yes: bool) -> None:
    """Make the database anew, after saying what that loses."""
    import typer

    from pipelines.loading import parse_raw_rows
    from warehouse.maintenance import rebuild, rebuildable_landings

    home = _warehouse_paths(config)
    runs = rebuildable_landings(home)
    if not runs:
        raise ConfigError(f"no landing is kept under {home.landing}: there is nothing to rebuild from")
    if not yes:
        oldest = runs[0].observed_from
        typer.confirm(
            f"{len(runs)} landings from {oldest:%Y-%m-%d %H:%M} UTC on make a new database; what is older"
            " stays in the old file only, which is put aside. Go on?",
            abort=True,
            err=True,
        )
    print_rebuild(rebuild(home, SystemClock().now, retype=parse_raw_rows), as_json=as_json)
