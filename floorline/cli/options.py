"""Options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

LATEST: Final = "latest"


def inherit_config(context: typer.Context, given: Path | None) -> Path | None:
    """Return the configuration that the command names, or else the one that stands before the command."""
    parent = context.parent
    while given is None and parent is not None:
        given, parent = parent.params.get("config"), parent.parent
    return given


ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        callback=inherit_config,
        help="The configuration; floorline.toml or $FLOORLINE_CONFIG by default.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing where all is well.")]
WithPrefect = Annotated[
    bool | None,
    typer.Option(
        "--prefect/--no-prefect", help="Run as a Prefect flow; by default if a Prefect API is configured."
    ),
]
