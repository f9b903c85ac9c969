"""The commands `floorline status` and `floorline metrics`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from floorline.cli.options import AsJson, ConfigFile

if TYPE_CHECKING:
    from floorline.monitoring.status import StatusReport
    from pipelines.config import Settings


def status(
    config: ConfigFile = None,
    as_json: AsJson = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Print only what is wrong; exit with 10 for old data, 11 for an alert, 12 for a landing.",
        ),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="With --check: print nothing if all is well.")
    ] = False,
) -> None:
    """Show the last runs, the open alerts and what is not loaded.

    A line for each basket; then the database, the usage of the month, and what needs attention.
    """
    from floorline.cli.render.status import print_problems, print_status
    from floorline.monitoring.problems import check_exit_code, find_problems

    settings, report = _read_report(config)
    if as_json or not check:
        print_status(settings, report, as_json=as_json)
    else:
        print_problems(settings, report, quiet=quiet)
    if check:
        raise typer.Exit(check_exit_code(find_problems(settings, report)))


def metrics(
    config: ConfigFile = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Write this file, whole or not at all; else stdout.")
    ] = None,
) -> None:
    """Print metrics in Prometheus' format, or write them to a file.

    Age and rows of the baskets, requests and quota, rejects, open alerts, landings that wait, sizes.
    """
    from floorline import console
    from floorline.monitoring.metrics import build_registry, render_metrics, write_metrics

    registry = build_registry(*_read_report(config))
    if output is not None:
        write_metrics(registry, output)
    else:
        console.print_line(render_metrics(registry).rstrip("\n"))


def _read_report(config: Path | None) -> tuple[Settings, StatusReport]:
    from common.clock import SystemClock
    from floorline.monitoring.status import read_status
    from floorline.up.access import prefect_home, read_access
    from pipelines.config import load_settings

    settings = load_settings(config)
    access = read_access(prefect_home(settings.root))
    return settings, read_status(settings, SystemClock().now(), access.status if access else None)
