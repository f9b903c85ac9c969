"""The commands `floorline backup` and `floorline restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from floorline.cli.options import AsJson, ConfigFile


def backup(
    to: Annotated[Path, typer.Argument(metavar="TO", help="A new folder.")],
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Back up the warehouse and the configuration, while it runs.

    The backup has the database, the landings, the state and the configuration.
    """
    from common.clock import SystemClock
    from floorline.cli.execution import end_on_sigterm
    from floorline.cli.render.backup import print_backup
    from pipelines.backup import back_up
    from pipelines.config import config_path, load_settings

    with end_on_sigterm():
        manifest = back_up(config_path(config), load_settings(config), to, SystemClock().now())
    print_backup(to, manifest, as_json=as_json)


def restore(
    folder: Annotated[Path, typer.Argument(metavar="FROM", help="The folder of a backup.")],
    config: ConfigFile = None,
    as_json: AsJson = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Restore over a warehouse; its files are moved aside.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Only verify that the backup is whole.")] = False,
) -> None:
    """Restore a backup into an empty warehouse.

    Without a configuration, that of the backup is restored, too.
    """
    from common.clock import SystemClock
    from floorline.cli.execution import end_on_sigterm
    from floorline.cli.render.backup import print_restored, print_verified
    from floorline.up.access import refuse_running
    from pipelines.backup import restore as restore_backup
    from pipelines.config import config_path
    from warehouse.backup.manifest import verify_backup

    if check:
        print_verified(folder, verify_backup(folder), as_json=as_json)
        return
    with end_on_sigterm():
        result = restore_backup(
            folder, config_path(config), replace=replace, now=SystemClock().now(), check_root=refuse_running
        )
    print_restored(folder, result, as_json=as_json)
