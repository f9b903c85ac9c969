"""Private views and macros are inlined: what is created reads tables only, and gives the same rows."""

from collections.abc import Iterator

import duckdb
import pytest

from tests.support.warehouse import load_into_memory
from warehouse.views.inlining import Inliner

TABLES = (
    "CREATE SCHEMA store; CREATE TABLE store.t AS FROM range(3) r(a); CREATE TABLE store.guard (b INTEGER);"
)


@pytest.fixture
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as db:
        db.execute(TABLES)
        yield db


def rows_of(db: duckdb.DuckDBPyConnection, definitions: str, source: str) -> list[tuple[object, ...]]:
    """Create what the definitions become, without private views; return the rows of a view or macro."""
    for statement in Inliner(db, "guard").inline(definitions):
        db.execute(statement)
    views = db.execute("SELECT count(*) FROM duckdb_views() WHERE schema_name = 'store'").fetchall()
    assert views == [(0,)]
    return db.execute(f"FROM {source} ORDER BY ALL").fetchall()


def test_view_uses_private_views_and_macros_that_use_others(db: duckdb.DuckDBPyConnection) -> None:
    definitions = """
    CREATE OR REPLACE MACRO store.next(x) AS x + 1;
    CREATE OR REPLACE MACRO twice(x) AS 2 * store.next(x);
    CREATE OR REPLACE VIEW store.first AS SELECT a, twice(a) AS double FROM store.t;
    CREATE OR REPLACE VIEW store.second AS SELECT first.a, s.double
        FROM store.first JOIN store.first s USING (a);
    CREATE OR REPLACE VIEW result AS SELECT a, double, store.next(double) FROM store.second WHERE a > 0;
    """
    assert rows_of(db, definitions, "result") == [(1, 4, 5), (2, 6, 7)]


def test_condition_after_a_cross_join_applies_to_all_its_tables(db: duckdb.DuckDBPyConnection) -> None:
    definitions = """
    CREATE OR REPLACE VIEW store.pair AS SELECT x.a, y.a AS b FROM store.t x CROSS JOIN store.t y
        ANTI JOIN store.t z ON z.a = x.a AND z.a = y.a;
    CREATE OR REPLACE VIEW result AS FROM store.pair WHERE a < b;
    """
    assert rows_of(db, definitions, "result") == [(0, 1), (0, 2), (1, 2)]


def test_macro_reads_the_database_in_use_or_a_named_one(db: duckdb.DuckDBPyConnection) -> None:
    definitions = """
    CREATE OR REPLACE VIEW store.above AS SELECT a FROM store.t;
    CREATE OR REPLACE MACRO above(low) AS TABLE SELECT a FROM store.above WHERE a > low;
    """
    assert rows_of(db, definitions, "above(1)") == [(2,)]
    assert db.execute("FROM above(0, 'memory') ORDER BY a").fetchall() == [(1,), (2,)]
    db.execute(
        "ATTACH ':memory:' AS other; CREATE SCHEMA other.store; CREATE TABLE other.store.t AS SELECT 9 AS a"
    )
    assert db.execute("FROM above(1, 'other')").fetchall() == [(9,)]
    db.execute("USE other")
    with pytest.raises(duckdb.CatalogException, match="guard"):
        db.execute("FROM memory.above(1)")


def test_private_table_macro_is_inlined_with_its_arguments(db: duckdb.DuckDBPyConnection) -> None:
    definitions = """
    CREATE OR REPLACE MACRO store.next(x) AS x + 1;
    CREATE OR REPLACE MACRO store.between(low, high) AS TABLE
        SELECT a FROM store.t WHERE a BETWEEN low AND store.next(high);
    CREATE OR REPLACE VIEW both_of AS SELECT b.a, c.a AS other
        FROM store.between(1, 1) b JOIN store.between(0, 2) c USING (a);
    CREATE OR REPLACE MACRO from_one(top) AS TABLE FROM store.between(1, top);
    """
    assert rows_of(db, definitions, "both_of") == [(1, 1), (2, 2)]
    assert db.execute("FROM from_one(0)").fetchall() == [(1,)]
    assert db.execute("FROM from_one(1, 'memory') ORDER BY a").fetchall() == [(1,), (2,)]
    private = "schema_name = 'store' AND function_name = 'between'"
    assert db.execute(f"SELECT count(*) FROM duckdb_functions() WHERE {private}").fetchall() == [(0,)]


def test_statement_that_is_neither_a_view_nor_a_macro_is_refused(db: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(ValueError, match="neither a view nor a macro"):
        list(Inliner(db, "guard").inline("CREATE TABLE x AS SELECT 1"))


def test_public_view_works_without_all_other_views() -> None:
    with load_into_memory([]) as db:
        views = db.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()
        for (view,) in views:
            db.begin()
            for (other,) in views:
                if other != view:
                    db.execute(f"DROP VIEW {other}")
            db.execute(f"FROM {view}")
            db.rollback()
