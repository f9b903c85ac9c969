"""The command `floorline migrate`."""

from __future__ import annotations

from typing import Annotated

import typer

from floorline.cli.options import AsJson, ConfigFile


def migrate(
    config: ConfigFile = None,
    as_json: AsJson = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Move the warehouse of this machine to where [shared] says.

    Alerts, backfills and every quote are copied, and each view of the copy is compared with the original. The
    files here stay, and nothing uses them any more. A command that is killed can be run again. `floorline
    export` is the way back.
    """
    from floorline.cli.execution import confirm, end_on_sigterm
    from floorline.cli.render.transfer import print_transfer
    from floorline.up.access import refuse_running
    from pipelines.config import load_settings
    from pipelines.transfer import move_warehouse

    settings = load_settings(config)
    refuse_running(settings.root)
    if not yes and settings.shared is not None:
        confirm(f"{settings.root} will be moved to {settings.shared.storage}. Continue?")
    with end_on_sigterm():
        print_transfer(move_warehouse(settings), as_json=as_json)
