"""Lakes in place of files: `pytest --warehouse lake` makes every warehouse of a test a shared one.

Each has a database of its own in the session's PostgreSQL, copied from one with an empty lake, and its rows
and its queue in its folder. A file beside them has the address of the database: processes of tests read it.
"""

from __future__ import annotations

import contextlib
import shutil
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, cast

import duckdb

from tests.support.states import share
from warehouse.database import open_writer
from warehouse.lake.location import locate_lake
from warehouse.paths import WarehousePaths
from warehouse.state.database import open_state

if TYPE_CHECKING:
    from tests.support.postgres import Postgres  # which imports tests.support.warehouse

ADDRESS: Final = "database"  # the file with the address, in the folder of the warehouse
MOVE_FILES: Final = "UPDATE ducklake_metadata SET value = %s WHERE key = 'data_path'"


class LakeWarehouses:
    """Creates shared warehouses. The databases that no folder has any more are dropped."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._folders: dict[str, Path] = {}  # by the address of their database
        self._template: str | None = None

    def reserve(self, folder: Path) -> None:
        """Create an empty database for the warehouse of a folder; its first load creates the lake."""
        self._enter(folder, self._postgres.create_database())

    def fill(self, folder: Path) -> None:
        """Create a database with an empty lake for the warehouse of a folder."""
        self._enter(folder, self._copy_database(self._find_template(), folder))

    def copy(self, source: Path, folder: Path) -> None:
        """Copy the folder of a warehouse, and its database."""
        shutil.copytree(source, folder, dirs_exist_ok=True)
        self._enter(folder, self._copy_database((source / ADDRESS).read_text(), folder))

    def _enter(self, folder: Path, address: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / ADDRESS
        file.touch(mode=0o600)
        file.write_text(address)
        self._folders[address] = folder
        self._drop_unused()

    def _find_template(self) -> str:
        """Return the address of a database with an empty lake, as the first load creates it."""
        if self._template is None:
            folder = self._postgres.folder / "template"
            paths = share(folder, self._postgres.create_database())
            paths.create_folders()
            open_state(paths).create()
            with open_writer(paths.loader_database):
                pass
            self._template = paths.shared.read_database_url() if paths.shared else ""
        return self._template

    def _copy_database(self, source: str, folder: Path) -> str:
        import psycopg

        address = self._postgres.create_database(template=source)
        shared = share(folder, address).shared
        assert shared is not None
        with psycopg.connect(address, autocommit=True) as db:
            db.execute(MOVE_FILES, [locate_lake(shared, folder).files])
        return address

    def _drop_unused(self) -> None:
        for address, folder in list(self._folders.items()):
            file = folder / ADDRESS
            if not file.exists() or file.read_text() != address:
                self._postgres.drop_database(address)
                del self._folders[address]


IN_USE: Final[list[LakeWarehouses]] = []


def use_lakes(lakes: LakeWarehouses) -> None:
    """Make the warehouses of all tests lakes."""
    IN_USE.append(lakes)


def lakes_in_use() -> LakeWarehouses | None:
    """Return what creates the warehouses of tests; None where these are files."""
    return IN_USE[-1] if IN_USE else None


def find_warehouse(folder: Path) -> WarehousePaths:
    """Return the warehouse in a folder: a shared one, where the folder has the address of a database."""
    file = folder / ADDRESS
    return share(folder, file.read_text() if file.exists() else None)


def shared_table(folder: Path) -> dict[str, str]:
    """Return the table [shared] of the configuration of such a warehouse."""
    return {"database": f"file:{folder / ADDRESS}", "storage": f"file://{folder}/shared"}


class LakeConnection:
    """A connection to a lake, open for writing until nobody uses it. It has the methods of DuckDB's."""

    def __init__(self, paths: WarehousePaths) -> None:
        stack = contextlib.ExitStack()
        self._db = stack.enter_context(open_writer(paths.loader_database))
        self.close = weakref.finalize(self, stack.close)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def connect_lake(paths: WarehousePaths) -> duckdb.DuckDBPyConnection:
    """Open a lake for writing; return what can be used like a connection of DuckDB."""
    return cast("duckdb.DuckDBPyConnection", LakeConnection(paths))
