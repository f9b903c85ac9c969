"""The commands `floorline status` and `floorline query`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from floorline.cli.options import AsJson, ConfigFile

if TYPE_CHECKING:
    from floorline.cli.render.query import Form


def status(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show the last runs, the open alerts and what is not loaded.

    A line for each basket; then the database, the usage of the month, and what needs attention.
    """
    from common.clock import MAX_CLOCK_SKEW, SystemClock
    from common.numbers import from_unix_time
    from floorline.cli.render.status import StatusReport, print_status
    from pipelines.config import load_settings
    from pipelines.planning.quota import active_holds, month_usage
    from warehouse.landing.inventory import landings_set_aside, pending_landings
    from warehouse.landing.reader import CorruptLanding
    from warehouse.paths import WarehousePaths
    from warehouse.queries import LAST_RUNS, run_query, set_aside_baskets
    from warehouse.state.alerts import read_alerts

    settings, now = load_settings(config), SystemClock().now()
    paths = WarehousePaths(settings.root)
    published = paths.published.exists()
    corrupt: list[CorruptLanding] = []
    pending = pending_landings(paths.landing, corrupt.append)
    report = StatusReport(
        runs=run_query(paths, LAST_RUNS, {"latest": now + MAX_CLOCK_SKEW}).records() if published else [],
        alerts=read_alerts(paths.state, open_only=True),
        pending=pending,
        landings_aside=[*landings_set_aside(paths.landing), *corrupt],
        set_aside=set_aside_baskets(paths),
        published_at=from_unix_time(paths.published.stat().st_mtime) if published else None,
        now=now,
        months=month_usage(settings, now),
        holds=active_holds(settings, now),
    )
    print_status(settings, report, as_json=as_json)


def query(
    sql: Annotated[
        str | None,
        typer.Argument(help="The SQL, or - for the standard input; docs/warehouse.md lists the views."),
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the result as CSV.")] = False,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="Read the SQL from this file.")] = None,
    columns: Annotated[str, typer.Option(help="Print only these columns, separated by commas.")] = "",
    allow_files: Annotated[
        bool, typer.Option("--allow-files", help="Allow SQL to use files, networks, extensions and settings.")
    ] = False,
) -> None:
    """Query the published database with SQL, read-only.

    Several statements, separated by semicolons, run in order.
    """
    from floorline.cli.execution import warehouse_paths
    from floorline.cli.render.query import print_results
    from warehouse.query_session import query_results

    if as_json and as_csv:
        raise typer.BadParameter("choose one of --json and --csv")
    text = _read_sql(sql, file)
    chosen = [name.strip() for name in columns.split(",") if name.strip()]
    form: Form = "json" if as_json else "csv" if as_csv else "table"
    with query_results(warehouse_paths(config).published, text, allow_files=allow_files) as results:
        print_results(results, form=form, columns=chosen)


def _read_sql(sql: str | None, file: Path | None) -> str:
    """Return the SQL of the command line, of the file, or of the standard input."""
    from common.errors import ConfigError

    if (sql is None) == (file is None):
        raise typer.BadParameter("give the SQL, a file with the SQL (-f FILE), or - for the standard input")
    try:
        if file is not None:
            return file.read_text("utf-8")
        # Where the locale is not UTF-8, Python keeps the bytes of what it cannot decode.
        return os.fsencode(sys.stdin.read() if sql == "-" else str(sql)).decode("utf-8")
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"the SQL cannot be read from {file or 'the standard input'}: {reason}") from None
