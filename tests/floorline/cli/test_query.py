"""The command `floorline query`: where the SQL comes from, several statements, forms of output, terminals."""

from __future__ import annotations

import csv
import io
import signal
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.support.json_outputs import read_failure, read_result
from tests.support.snapshots import FLOORLINE, CommandOutput, clean_env, main_with
from tests.support.terminals import read_table, run_on_terminal

ITEM = "AK-47 | Redline (Field-Tested)"
QUOTES = f"""
CREATE VIEW quotes AS SELECT 'cs2cap' AS source, 'buff163' AS provider, '{ITEM}' AS market_hash_name,
    'https://market.example/' || repeat('x', 90) AS url, 'USD' AS currency, 'standard' AS delivery,
    TIMESTAMPTZ '2026-06-01 12:00:00.123456Z' AS observed_at, 1668594::BIGINT AS lowest_ask,
    16685.94::DECIMAL(20, 8) AS price, NULL::BIGINT AS quantity
UNION ALL SELECT 'cs2cap', 'steam', '[red]x[/red] :smile: ' || chr(27) || '[31m', NULL, 'BTC', 'standard',
    TIMESTAMPTZ '2026-06-01 12:00:00Z', 9, 0.08547, 2026
"""
JSON_VALUES = r"""
SELECT 1e-8::DECIMAL(20, 8) AS a, 'nan'::DOUBLE AS a, [1.50, NULL] AS list, ['inf'::DOUBLE, 0.1] AS floats,
    {'x': 12345678901234567890.12, 'n': '-inf'::FLOAT} AS struct, MAP {'k': 1.5::DOUBLE} AS map,
    TIMESTAMPTZ '2026-06-01 12:00:00.5Z' AS at, TIMESTAMP 'infinity' AS never, INTERVAL 1 MONTH AS month,
    NULL::STRUCT(x INTEGER) AS nothing, true AS yes, '"' || chr(27) AS text, 2026 AS year,
    ROW(1, 'b') AS pair, '\xAA'::BLOB AS blob, 170141183460469231731687303715884105727::HUGEINT AS huge,
    [[1.5]] AS deep
"""
CSV_VALUES = """
SELECT 1e-8::DECIMAL(20, 8) AS a, 2 AS a, true AS yes, [1, NULL] AS list, NULL AS nothing, '' AS empty,
    'a,"b"\n' AS text, 'nan'::DOUBLE AS nan, .5::DECIMAL(1, 1) AS half
"""
COLUMNS = (
    "source", "provider", "market_hash_name", "url", "currency", "delivery", "observed_at", "lowest_ask",
    "price", "quantity",
)  # fmt: skip
LONG = "SELECT count(*) FROM range(100000000) a, range(1000000) b WHERE a.range * b.range % 7 = 3"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a configuration whose database has one view."""
    folder = tmp_path_factory.mktemp("query")
    (folder / "data").mkdir()
    with duckdb.connect(folder / "data" / "market.duckdb") as connection:
        connection.execute(QUOTES)
    file = folder / "floorline.toml"
    file.write_text('[warehouse]\npath = "data"\n')
    return file


def query(config: Path, *arguments: str, code: int = 0) -> CommandOutput:
    output = main_with("query", *arguments, "--config", str(config))
    assert output.code == code, output
    return output


def query_json(config: Path, *arguments: str) -> Any:
    return read_result(query(config, *arguments, "--json").out)


def test_sql_from_a_file_and_from_the_standard_input(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "report.sql"
    file.write_text("SELECT 1 AS one;\n", "utf-8")
    assert query_json(config, "-f", str(file)) == query_json(config, "--file", str(file)) == [{"one": 1}]
    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT 2 AS two"))
    assert query_json(config, "-") == [{"two": 2}]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give the SQL"),
        (("SELECT 1", "-f", "x.sql"), "give the SQL"),
        (("SELECT 1", "--json", "--csv"), "choose one of --json and --csv"),
        (("-f", "missing.sql"), "the SQL cannot be read from missing.sql: No such file"),
        (("",), "the query is empty"),
        ((" ;; -- nothing",), "the query is empty"),
        (("FROM quotes", "--columns", "price,nope"), "the result has no column `nope`"),
    ],
)
def test_wrong_usage_exits_with_2(config: Path, arguments: tuple[str, ...], message: str) -> None:
    failed = query(config, *arguments, code=2)
    assert message in failed.err
    assert "Traceback" not in failed.err
    assert failed.out == "" or "--json" in arguments


def test_file_that_is_no_text_is_one_line(config: Path, tmp_path: Path) -> None:
    (tmp_path / "x.sql").write_bytes(b"\xff\xfe")
    (line,) = query(config, "-f", str(tmp_path / "x.sql"), code=2).err.splitlines()
    assert line.endswith("it is not UTF-8 text")


def test_several_statements_print_each_result(config: Path) -> None:
    sql = "CREATE TEMP TABLE t AS SELECT 2 AS a; SELECT 1 AS a; FROM t WHERE a > 9"
    assert query(config, sql).out == "a\n1\n1 row\n\na\n0 rows\n"
    assert query_json(config, sql) == [[{"a": 1}], []]
    assert query(config, sql, "--csv").out == "a\n1\n\na\n"
    assert query_json(config, "CREATE TEMP TABLE t AS SELECT 2 AS a; FROM t") == [{"a": 2}]


def test_failing_statement_ends_the_query(config: Path) -> None:
    failed = query(config, "SELECT 1 AS a; SELECT nope; SELECT 3", code=2)
    assert failed.out == "a\n1\n1 row\n"
    assert failed.err.startswith('floorline: DuckDB says: Binder Error: Referenced column "nope"')
    failure = read_failure(query(config, "SELECT 1 AS a; SELECT nope", "--json", code=2).out)
    assert (failure["type"], failure["exit_code"]) == ("QueryRejected", 2)
    assert failure["message"].startswith("DuckDB says: Binder Error")


def test_json_has_exact_decimals_null_for_nan_and_unique_names(config: Path) -> None:
    (row,) = query_json(config, JSON_VALUES)
    assert row == {
        "a": "0.00000001", "a_1": None, "list": ["1.50", None], "floats": [None, 0.1],
        "struct": {"x": "12345678901234567890.12", "n": None}, "map": {"k": 1.5},
        "at": "2026-06-01T12:00:00.5+00:00", "never": "infinity", "month": "1 month", "nothing": None,
        "yes": True, "text": '"\x1b', "year": 2026, "pair": [1, "b"], "blob": r"\xAA", "huge": 2**127 - 1,
        "deep": [["1.5"]],
    }  # fmt: skip


def test_csv_has_sql_spelling_and_lf(config: Path) -> None:
    out = query(config, CSV_VALUES, "--csv").out
    assert out == (
        "a,a_1,yes,list,nothing,empty,text,nan,half\n"
        '0.00000001,2,true,"[1, NULL]",,"","a,""b""\n",nan,0.5\n'
    )  # fmt: skip
    many = list(csv.reader(io.StringIO(query(config, "FROM range(120000)", "--csv").out)))
    assert many == [["range"], *([str(n)] for n in range(120_000))]


def test_chosen_columns(config: Path) -> None:
    assert query(config, "FROM quotes", "--columns", "price, CURRENCY").out == (
        "      price  currency\n16685.94000  USD\n    0.08547  BTC\n2 rows\n"
    )
    assert list(query_json(config, "FROM quotes", "--columns", "currency")[0]) == ["currency"]


def test_plan_is_readable(config: Path) -> None:
    assert "│         DUMMY_SCAN        │\n" in query(config, "EXPLAIN SELECT 1").out


def test_pipe_has_every_column_whole(config: Path) -> None:
    out = query(config, "FROM quotes").out
    assert "https://market.example/" + "x" * 90 in out
    assert "2026-06-01 12:00:00.123456+00" in out
    assert "not shown" not in out


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (60, ["provider", "market_hash_name", "lowest_ask", "price"]),
        (80, ["provider", "market_hash_name", "currency", "lowest_ask", "price", "quantity"]),
        (140, ["source", "provider", "market_hash_name", "currency", "delivery", "observed_at", "lowest_ask",
               "price", "quantity"]),
    ],
)  # fmt: skip
def test_terminal_shows_the_item_its_place_and_the_numbers_first_and_names_the_rest(
    config: Path, width: int, shown: list[str]
) -> None:
    sql = "SELECT * REPLACE (coalesce(quantity, 7) AS quantity) FROM quotes"
    text = run_on_terminal(width, "query", sql, "--config", str(config))
    table = read_table(text)
    assert table.columns == shown
    assert sorted(table.columns + table.left_out) == sorted(COLUMNS)
    first, second = (dict(zip(table.columns, row, strict=True)) for row in table.rows)
    assert {"lowest_ask": "1668594", "price": "16685.94000", "quantity": "7"}.items() >= {
        (name, first[name]) for name in ("lowest_ask", "price", "quantity") if name in shown
    }
    assert (second["price"], second.get("quantity", "2026")) == ("0.08547", "2026")
    assert first["market_hash_name"] == ITEM or first["market_hash_name"].startswith("AK-47 | Redline")
    assert second["market_hash_name"].startswith("[red]x[/red] :smile:")
    assert "\x1b" not in text
    assert table.counted == "2 rows"
    assert f"10 columns, {len(shown)} shown; not shown: " in text
    assert "; --columns, --json, --csv show the others" in text


def test_names_of_columns_are_text(config: Path) -> None:
    sql = "PIVOT quotes ON market_hash_name USING max(price) GROUP BY source"
    assert r"[red]x[/red] :smile: \x1b[31m" in query(config, sql).out.splitlines()[0]


@pytest.mark.parametrize("sql", ["SELECT 1", "FROM range(100000)"])
def test_full_disk_for_the_output_is_one_line(config: Path, sql: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [FLOORLINE, "query", sql, "--csv", "--config", str(config)],
            stdout=full, stderr=subprocess.PIPE, text=True, env=clean_env(), check=False,
        )  # fmt: skip
    assert done.stderr.startswith("floorline: the output cannot be written: No space left on device; ")
    assert done.returncode == 1


def test_ctrl_c_ends_a_query_with_130(config: Path) -> None:
    process = subprocess.Popen(
        [FLOORLINE, "query", f"SELECT 1 AS started; {LONG}", "--config", str(config)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_env(PYTHONUNBUFFERED="1"),
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=240)[1] == "floorline: interrupted\n"
        assert process.returncode == 130
    finally:
        process.kill()
        process.communicate()
