"""The command `floorline live`."""

from __future__ import annotations

from typing import Annotated

import typer

from floorline.cli.completion import complete_baskets
from floorline.cli.options import ConfigFile, Quiet


def live(
    baskets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="BASKET", help="Live baskets; all by default.", autocompletion=complete_baskets
        ),
    ] = None,
    config: ConfigFile = None,
    quiet: Quiet = False,
) -> None:
    """Follow the live feeds, until Ctrl-C.

    For baskets with live = true (CS2Cap, quant). Each change is landed as it arrives, and loaded and
    published every few seconds. Ctrl-C loads what has arrived.
    """
    from floorline import console
    from floorline.cli.execution import connected_settings, run_interruptible
    from pipelines.live.pipeline import LivePipeline

    def notify(line: str) -> None:
        if not quiet:
            console.print_error(line)

    run_interruptible(LivePipeline(connected_settings(config), tuple(baskets or ()), notify=notify).run())
