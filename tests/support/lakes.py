"""Lakes for tests: the catalog in a DuckDB file and the rows in a folder, copied from one without rows."""

import functools
import shutil
import tempfile
from pathlib import Path
from typing import Any

import duckdb

from warehouse.database import open_writer
from warehouse.lake.connection import NAME
from warehouse.lake.location import Catalog, LakeLocation, locate_lake
from warehouse.shared import SharedLocation

VIEWS = """
SELECT view_name FROM duckdb_views()
WHERE database_name = current_database() AND schema_name = 'main' AND NOT internal ORDER BY ALL
"""


def lake_in(folder: Path) -> LakeLocation:
    """Return the location of a lake in a folder."""
    catalog = functools.partial(Catalog, str(folder / "catalog.duckdb"))
    return LakeLocation(catalog, f"{folder}/files/", folder)


@functools.cache
def empty_catalog() -> bytes:
    """Return the catalog of a lake without rows, whose few rows are all in the catalog."""
    with tempfile.TemporaryDirectory() as name:
        with open_writer(lake_in(Path(name))):
            pass
        return (Path(name) / "catalog.duckdb").read_bytes()


def create_lake(folder: Path) -> LakeLocation:
    """Create a lake in a new folder by a copy: creating one takes as long as many loads."""
    folder.mkdir(parents=True)
    lake = lake_in(folder)
    (folder / "catalog.duckdb").write_bytes(empty_catalog())
    with duckdb.connect(folder / "catalog.duckdb") as db:
        db.execute("UPDATE ducklake_metadata SET value = ? WHERE key = 'data_path'", [lake.files])
    return lake


def copy_lake(source: Path, folder: Path) -> LakeLocation:
    """Copy a lake with its rows into a new folder."""
    shutil.copytree(source, folder)
    lake = lake_in(folder)
    with duckdb.connect(folder / "catalog.duckdb") as db:
        db.execute("UPDATE ducklake_metadata SET value = ? WHERE key = 'data_path'", [lake.files])
    return lake


def read_views(db: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[Any, ...]]]:
    """Return the sorted rows of every public view, by its name."""
    views = [name for (name,) in db.execute(VIEWS).fetchall()]
    return {view: db.execute(f"FROM {view} ORDER BY ALL").fetchall() for view in views}


def count_snapshots(db: duckdb.DuckDBPyConnection) -> int:
    """Return the number of the newest snapshot of a lake."""
    ((number,),) = db.execute("SELECT max(snapshot_id) FROM ducklake_snapshots(?)", [NAME]).fetchall()
    return int(number)


def postgres_lake(url: str, storage: str, folder: Path, endpoint: str | None = None) -> LakeLocation:
    """Return the location of a lake whose catalog is in the PostgreSQL database at `url`."""
    return locate_lake(SharedLocation(functools.partial(str, url), storage, endpoint), folder)
