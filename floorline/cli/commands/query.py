"""What each command does, once its arguments are read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from common.clock import SystemClock
from floorline import console
from floorline.cli.execution import _warehouse_paths
from floorline.cli.render import status as render_status
from pipelines.config import load_settings
from pipelines.planning.quota import month_usage
from warehouse.landing.reader import pending_landings
from warehouse.paths import WarehousePaths
from warehouse.queries import LAST_RUNS, run_query
from warehouse.state.alerts import AlertStore


def status(config: Path | None, *, as_json: bool) -> None:
    """Each basket's last run, the published copy, the landings that wait, the open alerts."""
    settings = load_settings(config)
    home = WarehousePaths(settings.root)
    runs = run_query(home, LAST_RUNS).records() if home.published.exists() else []
    alerts = AlertStore(home.state).list_alerts(open_only=True) if home.state.exists() else []
    published = (
        datetime.fromtimestamp(home.published.stat().st_mtime, UTC) if home.published.exists() else None
    )
    now = SystemClock().now()
    months = month_usage(settings, now)
    found = render_status.StatusReport(runs, alerts, pending_landings(home.landing), published, now, months)
    render_status.print_status(settings, found, as_json=as_json)


def query(sql: str, config: Path | None, *, as_json: bool, as_csv: bool) -> None:
    """The answer to one query."""
    console.print_rows(run_query(_warehouse_paths(config), sql), as_json=as_json, as_csv=as_csv)
