"""Back up and restore a warehouse with its configuration, without secrets."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import tomlkit

from common.errors import ConfigError
from common.files import atomic_write, read_user_file, translate_os_errors
from common.text import escape
from pipelines.config import Settings, load_settings
from pipelines.config.environment import CONFIG, PREFIX
from pipelines.item_files import list_files
from warehouse.backup.creation import create_backup
from warehouse.backup.manifest import CONFIGURATION, Manifest, verify_backup
from warehouse.backup.restore import RestoreResult, restore_backup

CONFIG_NAME: Final = "floorline.toml"
BESIDE: Final = ("automations.yaml",)  # files beside the configuration that belong to it, where they exist
SAFE: Final = ("env:", "block:")  # recipients of alerts that name a place and hold no secret


def back_up(config: Path, settings: Settings, target: Path, now: datetime) -> Manifest:
    """Write a backup of the warehouse and its configuration into a new folder.

    Raises as `create_backup`, and ConfigError for a shared warehouse.
    """
    if settings.shared is not None:
        raise ConfigError(
            "a shared warehouse is backed up where it is: its PostgreSQL database, and then its bucket;"
            " `floorline export` writes all of it to one file"
        )
    text, secrets = _without_secrets(read_user_file(config))
    files, elsewhere = _read_item_files(settings)
    files |= {
        name: (settings.base / name).read_bytes() for name in BESIDE if (settings.base / name).is_file()
    }
    return create_backup(
        settings.paths,
        target,
        {CONFIG_NAME: text.encode(), **files},
        left_out=[*_key_places(settings), *secrets, *elsewhere, *_variables()],
        now=now,
        wait=settings.warehouse.lock_wait.total_seconds(),
    )


def restore(
    folder: Path, config: Path, *, replace: bool, now: datetime, check_root: Callable[[Path], None]
) -> RestoreResult:
    """Restore a backup into the warehouse of the configuration.

    Where there is no configuration, it is restored first, with the files beside it. `check_root` gets the
    folder of the warehouse, and may refuse it. Raises as `restore_backup`, and ConfigError, also for a shared
    warehouse.
    """
    manifest = verify_backup(folder)
    if not config.exists():
        _restore_configuration(folder, manifest, config)
    settings = load_settings(config)
    if settings.shared is not None:
        raise ConfigError(
            "a shared warehouse is restored where it is: its PostgreSQL database and its bucket; to bring the"
            " backup of one machine back, remove [shared] and restore it into an empty folder"
        )
    check_root(settings.root)
    wait = settings.warehouse.lock_wait.total_seconds()
    return restore_backup(folder, settings.paths, replace=replace, now=now, wait=wait)


def _restore_configuration(folder: Path, manifest: Manifest, config: Path) -> None:
    """Write the configuration of a backup, and the files beside it where they are missing."""
    base = config.absolute().parent
    for file in manifest.files:
        name = file.name_in(CONFIGURATION)
        target = config if name == CONFIG_NAME else base / (name or "")
        if name and not target.exists():
            with translate_os_errors(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                atomic_write(target, (folder / file.path).read_bytes())


def _without_secrets(text: str) -> tuple[str, list[str]]:
    """Return the configuration without what may hold a secret, and what was left out of it."""
    document: Any = tomlkit.parse(text)
    left_out = []
    alerts = document.get("alerts", {})
    recipients = alerts.get("notify", [])
    recipients = [recipients] if isinstance(recipients, str) else list(recipients)
    kept = [entry for entry in recipients if str(entry).startswith(SAFE)]
    if len(kept) < len(recipients):
        alerts["notify"] = kept
        left_out.append(f"[alerts] notify: {len(recipients) - len(kept)} of {len(recipients)} addresses")
    return tomlkit.dumps(document), left_out


def _key_places(settings: Settings) -> Iterator[str]:
    """Yield where each key is: a backup has no key."""
    for name, source in settings.sources.items():
        places = (source.key, getattr(source, "key_next", None))
        yield f"the key of {name}: {' and '.join(filter(None, places))}"


def _read_item_files(settings: Settings) -> tuple[dict[str, bytes], list[str]]:
    """Return the item files below the folder of the configuration, by their names; and the others."""
    contents, elsewhere = {}, []
    for name in list_files(settings.baskets):
        path = Path(name)
        is_below = not (path.is_absolute() or ".." in path.parts or name.startswith("~"))
        if is_below and (settings.base / path).is_file():
            contents[path.as_posix()] = (settings.base / path).read_bytes()
        else:
            elsewhere.append(f"the item file {escape(name)}")
    return contents, elsewhere


def _variables(environment: Mapping[str, str] = os.environ) -> Iterator[str]:
    """Yield the names of the variables that set a part of the configuration."""
    names = sorted(name for name in environment if name.upper().startswith(PREFIX) and name.upper() != CONFIG)
    if names:
        yield f"variables of the environment: {', '.join(names)}"
