"""Every public name of a file works, or fails loudly, when the file is attached beside another one."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.support import attached_reader
from tests.support.attached_reader import connect, read_attached, read_names, refused_macros
from tests.support.markets import publish_market
from tests.support.warehouse import Quote, copy_warehouse, land_and_load, minute, observe
from warehouse.paths import WarehousePaths

pytestmark = pytest.mark.file_warehouse("attaches published files")

NAMES = ("other", "quotes", "a friend's market")
OLDEST = (1, 3, 2)


@pytest.fixture(scope="module")
def markets(tmp_path_factory: pytest.TempPathFactory) -> list[WarehousePaths]:
    """Return two warehouses with other rows in every view."""
    folder = tmp_path_factory.mktemp("markets")
    return [publish_market(folder / name, cents) for name, cents in (("open", 100), ("other", 1000))]


@pytest.fixture(scope="module")
def files(markets: list[WarehousePaths]) -> tuple[str, str]:
    """Return their two published files."""
    return str(markets[0].published), str(markets[1].published)


@pytest.fixture(scope="module")
def direct(files: tuple[str, str]) -> attached_reader.Rows:
    with connect(files[1]) as db:
        return read_names(db, "market")


def test_markets_have_rows_in_every_view_and_none_in_common(
    files: tuple[str, str], direct: attached_reader.Rows
) -> None:
    assert [name for name, rows in direct.items() if not rows] == []
    with connect(files[0]) as db:
        opened = read_names(db, "market")
    assert [name for name in direct if opened[name] == direct[name]] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_attached_file_shows_its_own_rows_under_any_name(
    files: tuple[str, str], direct: attached_reader.Rows, name: str
) -> None:
    for main in (files[0], ":memory:"):
        for way, rows in read_attached(main, files[1], name).items():
            assert rows == direct, (main, way)


def test_name_of_the_private_schema_is_refused_as_ambiguous(files: tuple[str, str]) -> None:
    with pytest.raises(duckdb.BinderException, match='Ambiguous reference to catalog or schema "store"'):
        read_attached(files[0], files[1], "store")


def test_macro_of_a_database_that_is_not_in_use_needs_its_name(files: tuple[str, str]) -> None:
    for main in (files[0], ":memory:"):
        for macro, said in refused_macros(main, files[1]).items():
            assert "database not in use, add its name as the last argument" in said, (main, macro)


def test_macro_reads_the_first_database_of_the_search_path_or_none(files: tuple[str, str]) -> None:
    for said in refused_macros(*files, search_both=True).values():
        assert "database not in use" in said


@pytest.fixture
def newer(markets: list[WarehousePaths], tmp_path: Path) -> WarehousePaths:
    """Return a copy of the second market with one more run."""
    paths = copy_warehouse(markets[1], tmp_path / "market")
    land_and_load(paths, "newer", observe(minute(400), Quote("1", 7)))
    return paths


def test_macro_of_an_older_copy_of_the_same_file_needs_its_name(
    files: tuple[str, str], newer: WarehousePaths
) -> None:
    for said in refused_macros(str(newer.published), files[1]).values():
        assert "database not in use" in said


def test_file_can_be_attached_beside_a_newer_copy_of_itself(
    files: tuple[str, str], direct: attached_reader.Rows, newer: WarehousePaths
) -> None:
    assert read_attached(str(newer.published), files[1], "older")["attached"] == direct


def duckdb_versions() -> list[str]:
    """Return the oldest supported version of DuckDB, and the newest patch of each minor one."""
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "index", "versions", "duckdb"],
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode:
        pytest.skip(f"the package index cannot be reached: {listing.stderr[-300:]}")
    line = next(line for line in listing.stdout.splitlines() if line.startswith("Available versions:"))
    newest: dict[tuple[int, ...], str] = {}
    for version in reversed(line.partition(": ")[2].split(", ")):
        parts = tuple(map(int, version.split(".")))
        if parts >= OLDEST:
            newest[parts[:2]] = version
    return sorted({".".join(map(str, OLDEST)), *newest.values()})


def read_with(version: str, folder: Path, files: tuple[str, str]) -> dict[str, Any]:
    """Return what the script of `attached_reader` prints with another version of DuckDB."""
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    subprocess.run([*install, f"duckdb=={version}"], check=True, capture_output=True)
    script = [sys.executable, "-S", attached_reader.__file__, *files, *NAMES[1:]]
    printed = subprocess.run(
        script, env={"PYTHONPATH": str(folder)}, capture_output=True, text=True, check=False
    )
    assert printed.returncode == 0, f"{version}: {printed.stderr[-2000:]}"
    result: dict[str, Any] = json.loads(printed.stdout)
    return result


@pytest.mark.slow
def test_attached_file_shows_the_same_rows_with_every_version_of_duckdb(
    files: tuple[str, str], direct: attached_reader.Rows, tmp_path: Path
) -> None:
    versions = duckdb_versions()
    assert {"1.3.2", "1.4", "1.5", "2.0"} <= {*versions, *(version[:3] for version in versions)}
    for version in versions:
        read = read_with(version, tmp_path / version, files)
        assert read["version"] == version
        assert read["direct"] == direct, version
        for ways in read["attached"].values():
            assert ways == {"attached": direct, "in use": direct}, version
        said = [text for macros in read["refused"].values() for text in macros.values()]
        assert all("database not in use" in text for text in said), (version, said)
