"""A warehouse of four runs for tests of damaged databases, and the load that comes after the damage."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from tests.support.warehouse import (
    Quote,
    copy_warehouse,
    create_warehouse,
    land,
    land_and_load,
    load,
    minute,
    observe,
    query_all,
    query_rows,
)
from warehouse.paths import WarehousePaths

VIEWS = ("quotes", "quote_history", "observations", "rejects")
RUNS = "SELECT * EXCLUDE (loaded_at) FROM runs ORDER BY ALL"
RESTORED = "SELECT message FROM alerts WHERE cause = 'database.restored'"
Rows = list[list[tuple[object, ...]]]


@dataclasses.dataclass(frozen=True, slots=True)
class Template:
    """A warehouse with four runs, and its database after the second one."""

    paths: WarehousePaths
    older: Path

    def copy(self, folder: Path, *, landings: bool) -> WarehousePaths:
        """Copy the warehouse; without landings they are pruned, as they are after a day."""
        paths = copy_warehouse(self.paths, folder)
        shutil.copy(self.older, folder / "older")
        if not landings:
            for landing in paths.landing.iterdir():
                shutil.rmtree(landing)
        return paths


def create_template(factory: pytest.TempPathFactory) -> Template:
    """Create the warehouse in a temporary folder."""
    paths = create_warehouse(factory.mktemp("template"))
    older = factory.mktemp("older") / "market.duckdb"
    rejects = [("did not fit", '{"item_id": 9}')]
    for number in range(4):
        quotes = [Quote(str(item), 100 + item * number) for item in range(number, 40)]
        land_and_load(paths, f"r{number}", observe(minute(10 * number), *quotes, rejects=rejects))
        if number == 1:
            shutil.copy(paths.writer, older)
    return Template(paths, older)


def load_next(paths: WarehousePaths) -> Rows:
    """Land and load one more run; return the rows after it."""
    land_and_load(paths, "next", observe(minute(60), Quote("5", 777)))
    return rows(paths)


def rows(paths: WarehousePaths) -> Rows:
    """Return the rows of the compared views."""
    return query_all(paths, [*(f"FROM {view} ORDER BY ALL" for view in VIEWS), RUNS])


def check_next_load(paths: WarehousePaths, expected: Rows) -> None:
    """Load one more run: its rows are those of an undamaged warehouse, and each alert is one line."""
    land(paths, "next", observe(minute(60), Quote("5", 777)))
    assert [report.run_id for report in load(paths)] == ["next"]
    assert rows(paths) == expected
    assert all("\n" not in message for (message,) in query_rows(paths, RESTORED))
