"""A warehouse with all that a backup must bring back, and a backup of it."""

import os
import shutil
from pathlib import Path

import pytest

from tests.support.backups import ALERT, back_up
from tests.support.clocks import NOON
from tests.support.warehouse import (
    Quote,
    copy_warehouse,
    create_warehouse,
    land,
    land_and_load,
    minute,
    observe,
)
from warehouse.paths import WarehousePaths
from warehouse.state.alerts import AlertStore
from warehouse.state.database import open_state


@pytest.fixture(scope="package")
def template(tmp_path_factory: pytest.TempPathFactory) -> WarehousePaths:
    """Return a warehouse with two loads, a landing that waits, an open alert and a cached catalog."""
    paths = create_warehouse(tmp_path_factory.mktemp("template"))
    for number in range(2):
        quotes = [Quote(str(item), 100 + number * item) for item in range(number, 30)]
        land_and_load(paths, f"r{number}", observe(minute(number), *quotes, rejects=[("odd", "{}")]))
    AlertStore(open_state(paths)).raise_alert(ALERT, NOON)
    land(paths, "waiting", observe(minute(5), Quote("3", 777)))
    catalog = paths.catalog / "cs2cap" / "items.arrow"
    catalog.parent.mkdir()
    catalog.write_bytes(b"items")
    os.utime(catalog, ns=(10**18, 10**18 + 7))
    paths.published.chmod(0o444)
    return paths


@pytest.fixture
def paths(template: WarehousePaths, tmp_path: Path) -> WarehousePaths:
    return copy_warehouse(template, tmp_path / "data")


@pytest.fixture(scope="package")
def backed_up(template: WarehousePaths, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a backup of the template."""
    folder = tmp_path_factory.mktemp("backups") / "first"
    back_up(template, folder)
    return folder


@pytest.fixture
def folder(backed_up: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(backed_up, tmp_path / "backup"))
