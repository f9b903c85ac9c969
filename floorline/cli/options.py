"""Options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

LATEST: Final = "latest"
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help="The configuration; floorline.toml or $FLOORLINE_CONFIG by default."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
WithPrefect = Annotated[
    bool | None,
    typer.Option(
        "--prefect/--no-prefect", help="Run as a Prefect flow; by default if a Prefect API is configured."
    ),
]
