"""The command `floorline report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from floorline.cli.completion import complete_items
from floorline.cli.options import AsJson, ConfigFile


def report(
    to: Annotated[
        Path, typer.Argument(metavar="FILE", help="The HTML file to write; one that exists is replaced.")
    ],
    config: ConfigFile = None,
    as_json: AsJson = False,
    items: Annotated[
        list[str] | None,
        typer.Option(
            "--items",
            metavar="NAME",
            help="Items with a part of their own: NAME, or NAME @ PHASE.",
            autocompletion=complete_items,
        ),
    ] = None,
    since: Annotated[
        Literal["1h", "24h", "7d", "30d"], typer.Option(help="The time within which prices moved.")
    ] = "24h",
    currency: Annotated[str, typer.Option(metavar="CODE", help="The currency of the amounts.")] = "USD",
) -> None:
    """Write the market and the collection into one HTML file.

    The file needs no network and runs no script: it can be sent by mail. Tables have at most 20 rows.
    """
    from common.errors import ConfigError
    from common.files import atomic_write
    from dashboard.report import render_report
    from floorline.cli.execution import warehouse_paths
    from floorline.cli.render.runs import print_files

    html = render_report(
        warehouse_paths(config), currency=currency.upper(), items=tuple(items or ()), window=since
    )
    try:
        atomic_write(to, html.encode("utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no path of a file"
        raise ConfigError(f"the report cannot be written to {to}: {reason}") from None
    print_files("report", [to], as_json=as_json)
