"""SQL of the user reads the published database and nothing else, unless files are allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from common.errors import ConfigError
from common.warehouse_errors import NotPublished, QueryRejected
from warehouse.queries.session import query_results

PYTHON_VARIABLE = [1, 2, 3]  # DuckDB could read variables of Python as tables


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "market.duckdb"
    with duckdb.connect(path) as connection:
        connection.execute("CREATE TABLE prices AS SELECT 1.50::DECIMAL(20, 8) AS price")
        connection.execute("CREATE VIEW quotes AS SELECT 'AK' AS item, price FROM prices")
    with duckdb.connect(tmp_path / "other.duckdb") as connection:
        connection.execute("CREATE TABLE secrets AS SELECT 'secret' AS secret")
    (tmp_path / "other.csv").write_text("secret\n1\n")
    return path


def rows(database: Path, sql: str, *, allow_files: bool = False) -> list[list[tuple[Any, ...]]]:
    """Return the rows of each result."""
    with query_results(database, sql, allow_files=allow_files) as results:
        return [result.texts() for result in results]


REACHES_OUT = [
    "ATTACH '{folder}/other.duckdb' AS other (READ_ONLY)",
    "ATTACH '{folder}/market.duckdb' AS again",
    "ATTACH '{folder}/new.duckdb' AS new",
    "COPY (SELECT 1) TO '{folder}/out.csv'",
    "COPY (SELECT 1) TO '{folder}/market.duckdb.wal'",
    "COPY (SELECT 1) TO '{folder}/market.duckdb' (USE_TMP_FILE false)",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{folder}/market.duckdb.wal'",
    "PREPARE out AS COPY (SELECT 1) TO '{folder}/out.csv'; EXECUTE out",
    "EXPORT DATABASE '{folder}/export'",
    "IMPORT DATABASE '{folder}/export'",
    "FROM '{folder}/other.csv'",
    "FROM read_csv('{folder}/other.csv')",
    "FROM read_text('{folder}/other.csv')",
    "FROM read_blob('{folder}/market.duckdb')",
    "FROM glob('{folder}/*')",
    "FROM sniff_csv('{folder}/other.csv')",
    "FROM query('FROM ''{folder}/other.csv''')",
    "FROM 'https://127.0.0.1:9/prices.parquet'",
    "FROM 's3://bucket/prices.parquet'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "LOAD '{folder}/evil.duckdb_extension'",
    "UPDATE EXTENSIONS",
    "FROM sqlite_scan('{folder}/other.duckdb', 'secrets')",
    "CREATE PERSISTENT SECRET s (TYPE http, BEARER_TOKEN 'x')",
    "FROM duckdb_secrets()",
    "SET threads = 1",
    "SET enable_external_access = true",
    "SET disabled_filesystems = ''",
    "SET python_enable_replacements = true",
    "SET temp_directory = '{folder}'",
    "RESET lock_configuration",
    "PRAGMA profiling_output = '{folder}/profile.json'",
    "CALL enable_logging(storage = 'file', storage_path = '{folder}/log')",
]


@pytest.mark.parametrize("sql", REACHES_OUT)
def test_session_reaches_nothing_else(database: Path, sql: str) -> None:
    before = {path: path.read_bytes() for path in database.parent.iterdir()}
    with pytest.raises(QueryRejected, match=r"only reads the published database: .*--allow-files"):
        rows(database, sql.replace("{folder}", str(database.parent)))
    assert {path: path.read_bytes() for path in database.parent.iterdir()} == before


@pytest.mark.parametrize("allow_files", [False, True])
@pytest.mark.parametrize(
    "sql",
    ["DELETE FROM prices", "UPDATE prices SET price = 0", "INSERT INTO prices VALUES (1)", "DROP VIEW quotes",
     "CREATE TABLE more AS SELECT 1", "ALTER TABLE prices ADD COLUMN x INTEGER"],
)  # fmt: skip
def test_database_is_read_only(database: Path, sql: str, allow_files: bool) -> None:
    with pytest.raises(QueryRejected, match="read-only"):
        rows(database, sql, allow_files=allow_files)


@pytest.mark.parametrize("allow_files", [False, True])
@pytest.mark.parametrize("sql", ["FROM PYTHON_VARIABLE", "SELECT getenv('HOME')", "FROM before", "FROM path"])
def test_process_is_out_of_reach(database: Path, sql: str, allow_files: bool) -> None:
    with pytest.raises(QueryRejected, match="does not exist"):
        rows(database, sql, allow_files=allow_files)


def test_files_are_allowed_on_request(database: Path) -> None:
    folder = database.parent
    sql = f"""
        ATTACH '{folder}/other.duckdb' AS other (READ_ONLY);
        FROM other.secrets;
        COPY (FROM quotes) TO '{folder}/out.csv';
        FROM '{folder}/out.csv';
        SET threads = 1;
    """
    assert rows(database, sql, allow_files=True) == [[("secret",)], [("AK", "1.5")]]
    assert (folder / "out.csv").read_text() == "item,price\nAK,1.50000000\n"


def test_file_that_cannot_be_opened_is_named(database: Path) -> None:
    with pytest.raises(QueryRejected, match=r"DuckDB says: IO Error: Cannot open .*missing\.duckdb"):
        rows(database, f"ATTACH '{database.parent}/missing.duckdb' AS m (READ_ONLY)", allow_files=True)


def test_query_beyond_the_memory_says_what_to_do(database: Path) -> None:
    # Both connections share one instance of DuckDB, and with it the limit.
    with duckdb.connect(database, read_only=True) as shared:
        shared.execute("SET memory_limit = '30MB'")
        with pytest.raises(QueryRejected, match=r"needs more memory than there is: .*--allow-files"):
            rows(database, "SELECT DISTINCT repeat('x', 99) || range FROM range(3000000)")


def test_statements_run_in_order_and_only_results_come_out(database: Path) -> None:
    sql = "CREATE TEMP TABLE t AS SELECT 1 AS a; FROM t; -- comment\n; PIVOT quotes ON item USING sum(price);"
    assert rows(database, sql) == [[("1",)], [("1.50000000",)]]


@pytest.mark.parametrize("sql", ["", " \n", ";;", "-- only a comment"])
def test_empty_query_is_rejected(database: Path, sql: str) -> None:
    with pytest.raises(QueryRejected, match="the query is empty"):
        rows(database, sql)


def test_syntax_error_shows_its_position(database: Path) -> None:
    with pytest.raises(QueryRejected) as caught:
        rows(database, "SELECT 1;\nSELEC 2")
    assert str(caught.value).splitlines() == [
        'DuckDB says: Parser Error: syntax error at or near "SELEC"',
        "LINE 2: SELEC 2",
        "        ^",
    ]


def test_other_error_is_one_safe_line(database: Path) -> None:
    with pytest.raises(QueryRejected) as caught:
        rows(database, "SELECT ('red ' || chr(27) || '[31m')::INTEGER")
    assert str(caught.value) == (
        r"DuckDB says: Conversion Error: Could not convert string 'red \x1b[31m' to INT32"
    )


def test_columns_are_chosen_by_name(database: Path) -> None:
    with query_results(database, 'SELECT 1 AS a, 2 AS "b, c", 3 AS a') as results:
        (result,) = results
        assert result.columns == ("a", "b, c", "a_1")
        assert result.select(["A_1", "a"]).columns == ("a_1", "a")
        with pytest.raises(ConfigError, match="has no column `nope`; its columns are a, b, c, a_1"):
            result.select(["nope"])


def test_missing_database_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotPublished):
        rows(tmp_path / "market.duckdb", "SELECT 1")
