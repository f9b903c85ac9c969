"""DuckDB and its extension wheels have one version: an extension works with no other version of DuckDB."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import duckdb

EXTENSIONS = {
    "duckdb-extension-ducklake": "ducklake",
    "duckdb-extension-httpfs": "httpfs",
    "duckdb-extension-postgres-scanner": "postgres_scanner",
}


def test_the_extension_wheels_have_the_version_of_duckdb() -> None:
    versions = {name: metadata.version(name) for name in ("duckdb", *EXTENSIONS)}
    assert set(versions.values()) == {duckdb.__version__}, versions


def test_the_package_pins_duckdb_and_its_extensions_to_one_version() -> None:
    required = metadata.requires("floorline") or []
    pins = [entry.partition(";")[0].strip() for entry in required if entry.startswith("duckdb")]
    exact = {pin.partition("==")[0]: pin.partition("==")[2] for pin in pins if "==" in pin}
    assert set(exact) == {"duckdb", *EXTENSIONS}
    assert set(exact.values()) == {duckdb.__version__}


def test_duckdb_loads_the_extensions_of_the_wheels() -> None:
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as db:
        for name, extension in EXTENSIONS.items():
            files = [
                Path(str(file.locate()))
                for file in metadata.files(name) or []
                if file.suffix == ".duckdb_extension"
            ]
            assert [file.stem for file in files] == [extension]
            db.load_extension(str(files[0]))
        loaded = {
            name
            for (name,) in db.execute(
                "SELECT extension_name FROM duckdb_extensions() WHERE loaded"
            ).fetchall()
        }
    assert loaded >= set(EXTENSIONS.values())
