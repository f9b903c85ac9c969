"""The extensions come from installed packages; where one is missing or does not fit, the error says so."""

from pathlib import Path

import duckdb
import pytest

from common.warehouse_errors import WarehouseUnusable
from warehouse.lake.extensions import DUCKLAKE, HTTPFS, POSTGRES, SETTINGS, find_extension, load_extensions


def test_extensions_are_loaded_from_their_packages() -> None:
    with duckdb.connect(config=dict(SETTINGS)) as db:
        load_extensions(db, [DUCKLAKE, POSTGRES, HTTPFS])
        loaded = db.execute("SELECT extension_name FROM duckdb_extensions() WHERE loaded").fetchall()
    assert {(DUCKLAKE,), (POSTGRES,), (HTTPFS,)} <= set(loaded)


def test_missing_extension_is_named() -> None:
    with pytest.raises(WarehouseUnusable, match=r"extension spatial is not installed: `pip install"):
        find_extension("spatial")


def test_extension_of_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "duckdb_extension_other"
    (package / "extensions" / "v1.4.0").mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(WarehouseUnusable, match=rf"is for v1\.4\.0, and DuckDB is v{duckdb.__version__}"):
        find_extension("other")
