"""Load DuckDB's extensions from the packages of the extra `shared`: nothing is downloaded at run time."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import duckdb

from common.warehouse_errors import WarehouseUnusable

DUCKLAKE: Final = "ducklake"
POSTGRES: Final = "postgres_scanner"
HTTPFS: Final = "httpfs"
# DuckDB would fetch an extension from its own server, of the newest build.
SETTINGS: Final = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
ADVICE: Final = "`pip install --upgrade 'floorline[shared]'` installs those that fit"


def load_extensions(db: duckdb.DuckDBPyConnection, names: Iterable[str]) -> None:
    """Load extensions of DuckDB. Raises WarehouseUnusable where one is missing or of another version."""
    for name in names:
        path = str(find_extension(name)).replace("'", "''")
        try:
            db.execute(f"LOAD '{path}'")
        except duckdb.Error:
            raise WarehouseUnusable(f"DuckDB cannot load its extension {name}: {ADVICE}") from None


def find_extension(name: str) -> Path:
    """Return the file of an extension for this version of DuckDB. Raises WarehouseUnusable."""
    spec = find_spec(f"duckdb_extension_{name}")
    folders = spec.submodule_search_locations if spec is not None else None
    if not folders:
        raise WarehouseUnusable(f"DuckDB's extension {name} is not installed: {ADVICE}")
    versions = Path(folders[0]) / "extensions"
    file = versions / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    if not file.is_file():
        found = ", ".join(sorted(folder.name for folder in versions.glob("v*"))) or "no version"
        raise WarehouseUnusable(
            f"DuckDB's extension {name} is for {found}, and DuckDB is v{duckdb.__version__}: {ADVICE}"
        )
    return file
