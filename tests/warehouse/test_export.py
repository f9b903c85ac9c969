"""Exports: one DuckDB file, Parquet files of every view, and what DuckDB itself exports and imports."""

from pathlib import Path

import duckdb
import polars as pl
import pytest

from common.warehouse_errors import WarehouseUnusable
from tests.support.attached_reader import Rows, connect, read_names
from tests.support.markets import publish_market
from tests.support.warehouse import create_warehouse, public_views, query_rows
from warehouse.export import export_duckdb, export_parquet
from warehouse.paths import WarehousePaths
from warehouse.targets import partial_of


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> WarehousePaths:
    return publish_market(tmp_path_factory.mktemp("market"))


def read_file(path: Path) -> Rows:
    """Return the rows of every view and macro of a file that is opened by itself."""
    with connect(str(path)) as db:
        return read_names(db, path.stem)


@pytest.mark.slow
def test_exported_database_is_readable_on_its_own(paths: WarehousePaths, tmp_path: Path) -> None:
    target = tmp_path / "it's a backup.duckdb"
    export_duckdb(paths, target)
    assert read_file(target) == read_file(paths.published)
    with pytest.raises(WarehouseUnusable, match="exists already"):
        export_duckdb(paths, target)


@pytest.mark.slow
def test_exported_parquet_files_are_all_views_of_the_database(paths: WarehousePaths, tmp_path: Path) -> None:
    files = export_parquet(paths, tmp_path / "backup")
    assert [file.stem for file in files] == public_views(paths)
    assert {"spreads", "stale_quotes", "coverage"} <= {file.stem for file in files}
    for file in files:
        rows = query_rows(paths, f"FROM {file.stem} ORDER BY ALL")
        assert pl.read_parquet(file).height == len(rows)
        assert query_rows(paths, f"FROM '{file}' ORDER BY ALL") == rows
    with pytest.raises(WarehouseUnusable, match="exists already"):
        export_parquet(paths, tmp_path / "backup")


@pytest.mark.slow
@pytest.mark.parametrize("options", ["", "(FORMAT parquet)"])
@pytest.mark.parametrize("of_an_export", [False, True])
def test_database_that_duckdb_exports_can_be_imported(
    paths: WarehousePaths, tmp_path: Path, options: str, *, of_an_export: bool
) -> None:
    source = paths.published
    if of_an_export:
        source = tmp_path / "exported.duckdb"
        export_duckdb(paths, source)
    with connect(str(source)) as db:
        db.execute(f"EXPORT DATABASE '{tmp_path / 'folder'}' {options}")
    with duckdb.connect(str(tmp_path / "imported.duckdb")) as db:
        db.execute(f"IMPORT DATABASE '{tmp_path / 'folder'}'")
    assert read_file(tmp_path / "imported.duckdb") == read_file(paths.published)


def test_failed_export_does_not_block_the_next_one(paths: WarehousePaths, tmp_path: Path) -> None:
    partial = partial_of(tmp_path / "backup")
    partial.mkdir()
    (partial / "quotes.parquet").write_text("half")
    export_parquet(paths, tmp_path / "backup")
    assert [file.name for file in tmp_path.iterdir()] == ["backup"]


@pytest.mark.file_warehouse("the lakes of the tests exist already")
def test_export_without_a_database_is_refused(tmp_path: Path) -> None:
    empty = create_warehouse(tmp_path / "empty")
    for export in (export_duckdb, export_parquet):
        with pytest.raises(WarehouseUnusable, match="floorline snapshot"):
            export(empty, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()
