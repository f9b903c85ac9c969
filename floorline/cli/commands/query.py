"""The commands `floorline status` and `floorline query`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from floorline.cli.options import AsJson, ConfigFile


def status(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show each basket's last runs, the open alerts and the landings that are not loaded yet."""
    from common.clock import SystemClock
    from floorline.cli.render.status import StatusReport, print_status
    from pipelines.config import load_settings
    from pipelines.planning.quota import month_usage
    from warehouse.landing.reader import pending_landings
    from warehouse.paths import WarehousePaths
    from warehouse.queries import LAST_RUNS, run_query
    from warehouse.state.alerts import read_alerts

    settings, now = load_settings(config), SystemClock().now()
    paths = WarehousePaths(settings.root)
    published = paths.published.exists()
    report = StatusReport(
        runs=run_query(paths, LAST_RUNS).records() if published else [],
        alerts=read_alerts(paths.state, open_only=True),
        pending=pending_landings(paths.landing),
        published_at=datetime.fromtimestamp(paths.published.stat().st_mtime, UTC) if published else None,
        now=now,
        months=month_usage(settings, now),
    )
    print_status(settings, report, as_json=as_json)


def query(
    sql: Annotated[str, typer.Argument(help="One SQL query; docs/warehouse.md lists the views.")],
    config: ConfigFile = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the result as CSV.")] = False,
) -> None:
    """Query the published database with SQL, read-only."""
    from floorline.cli.execution import warehouse_paths
    from floorline.console import print_rows
    from warehouse.queries import run_query

    print_rows(run_query(warehouse_paths(config), sql), as_json=as_json, as_csv=as_csv)
