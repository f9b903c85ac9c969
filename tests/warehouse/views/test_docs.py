"""Every view, macro and column has a comment, in every copy of the file, and docs/warehouse.md shows them."""

from pathlib import Path

import duckdb
import pytest

from tests.support.reference.market import publish_example
from tests.support.reference.pages import WAREHOUSE
from tests.support.reference.views import describe_macro, write_sections
from tests.support.warehouse import Quote, land_and_load, minute, observe
from warehouse.export import export_duckdb
from warehouse.paths import WarehousePaths
from warehouse.views.comments import EXAMPLE, read_comments
from warehouse.views.definitions import read_sql

pytestmark = pytest.mark.file_warehouse("the comments in a file; a lake has them in PostgreSQL")

NAMES = """
SELECT view_name, comment FROM duckdb_views() WHERE database_name = 'market' AND schema_name = 'main'
UNION ALL SELECT function_name, comment FROM duckdb_functions()
WHERE database_name = 'market' AND schema_name = 'main'
"""
COLUMNS = """
SELECT table_name, column_name, comment FROM duckdb_columns()
WHERE database_name = 'market' AND schema_name = 'main'
"""


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> WarehousePaths:
    return publish_example(tmp_path_factory.mktemp("example"))


def all_comments(file: Path) -> list[tuple[str, ...]]:
    """Return the names of a file with their comments, and the columns with theirs."""
    with duckdb.connect() as db:
        db.execute(f"ATTACH '{file}' AS market (READ_ONLY)")
        return sorted(db.execute(NAMES).fetchall() + db.execute(COLUMNS).fetchall())


def test_document_shows_the_comments_and_the_answers_of_today(paths: WarehousePaths) -> None:
    page = WAREHOUSE.read_text("utf-8")
    assert write_sections(page, paths) == page, "`make docs` writes docs/warehouse.md again"


def test_every_view_macro_and_column_has_a_comment(paths: WarehousePaths) -> None:
    said = all_comments(paths.published)
    assert len(said) > 260
    assert [names for *names, comment in said if not comment] == []


def test_comments_survive_later_loads_and_an_export(paths: WarehousePaths, tmp_path: Path) -> None:
    said = all_comments(paths.published)
    export_duckdb(paths, tmp_path / "exported.duckdb")
    assert all_comments(tmp_path / "exported.duckdb") == said
    land_and_load(paths, "later", observe(minute(5000), Quote("1", 7)))
    assert all_comments(paths.published) == said


def test_comments_name_only_views_and_columns_that_exist(paths: WarehousePaths) -> None:
    comments = read_comments(read_sql("comments"))
    with duckdb.connect(str(paths.published), read_only=True) as db:
        columns = {
            (name, column)
            for name, text in comments.macros.items()
            for column, *_ in describe_macro(db, name, text.split(EXAMPLE)[1])
        }
        described = db.execute("SELECT table_name, column_name FROM duckdb_columns()").fetchall()
    assert set(comments.columns) <= columns | set(described)
    # A statement that the expression does not match would be lost.
    assert len(comments.views) + len(comments.macros) + len(comments.columns) == read_sql("comments").count(
        "COMMENT ON "
    )
