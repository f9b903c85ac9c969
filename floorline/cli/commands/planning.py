"""The commands `floorline plan` and `floorline gaps`."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import Annotated

import typer

from floorline.cli.completion import complete_baskets
from floorline.cli.options import AsJson, ConfigFile


def plan(
    config: ConfigFile = None,
    as_json: AsJson = False,
    offline: Annotated[
        bool,
        typer.Option("--offline", help="Send no request: use only configured tiers and cached catalogs."),
    ] = False,
) -> None:
    """Show what the baskets cost in a month, and whether it fits.

    The exit code is 5 if the month's quota is not enough.
    """
    import asyncio

    from common.clock import SystemClock
    from floorline.cli.execution import connected_settings
    from floorline.cli.render.plan import print_forecasts
    from floorline.console import print_error
    from pipelines.planning.estimate import forecast_sources

    settings = connected_settings(config)
    forecasting = forecast_sources(settings, SystemClock(), offline=offline, on_request=print_error)
    forecasts = asyncio.run(forecasting)
    print_forecasts(forecasts, as_json=as_json)
    raise typer.Exit(0 if all(source.fits for source in forecasts) else 5)


def gaps(
    config: ConfigFile = None,
    as_json: AsJson = False,
    basket: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Basket names; all baskets by default.", autocompletion=complete_baskets
        ),
    ] = None,
    since: Annotated[
        datetime | None, typer.Option(help="Where to begin (UTC); each basket's first run by default.")
    ] = None,
) -> None:
    """Show when baskets were not observed in time, and why.

    Says what the API can still provide, and which command fills it.
    """
    import asyncio

    from common.clock import SystemClock
    from common.numbers import EARLIEST_YEAR
    from floorline.cli.execution import connected_settings
    from floorline.cli.render.gaps import print_gaps
    from floorline.console import print_error
    from pipelines.backfill.gaps import find_gaps

    settings, names = connected_settings(config), tuple(basket or ())
    start = since.replace(tzinfo=UTC, year=max(since.year, EARLIEST_YEAR)) if since else None
    result = asyncio.run(find_gaps(settings, SystemClock(), names, since=start, on_request=print_error))
    fill_command = f"floorline backfill --gaps{f' --config {shlex.quote(str(config))}' if config else ''}"
    print_gaps(result, fill_command, as_json=as_json)
