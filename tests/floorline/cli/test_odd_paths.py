"""A path is a path: no name of a folder or a file is a pattern, a part of SQL or of a URL, or a format.

A tour takes the commands that use files through one odd name: that of the configuration and of its folder,
of the warehouse, of the files with the items, the key and the SQL, and of the exports.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from common.errors import ConfigError
from common.warehouse_errors import WarehouseUnusable
from flows.deployments import render_prefect_yaml
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from sandbox.options import Options
from sandbox.server import serve
from tests.support.json_outputs import read_result
from tests.support.snapshots import ASIIMOV, REDLINE, Bench, basket, catalog_of, ledger, main_with, toml
from tests.support.warehouse import create_warehouse, run_header
from warehouse.database import open_writer
from warehouse.export import export_duckdb
from warehouse.landing.reader import LandedRun

pytestmark = pytest.mark.file_warehouse("paths of the database's file")

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
PATTERN = "a?b*c[d]{e,f}**"
TEXT = '  100% %s %25 %(x)s %Y; it\'s "q"  $HOME ${x} :a#b=c,d&e '
LINES = f"a\nb\tc\r\\d\\ {unicodedata.normalize('NFD', 'Gerätemaß')} 🔫\u202e [red]\x1b[31m"
LONG = "x" * 255
RELATIVE = {"key": "file:cs2cap.key"}  # TOML is UTF-8: it has no other name
# A tour takes some seconds: all but one are slow tests.
QUICK = {"new: a pattern": PATTERN}
SLOW = {
    "new: line breaks": LINES,
    "guard: text": TEXT,
    "new: the longest name": LONG,
    "new: a pattern and a backslash": "a\\b[c]?*",
    "guard: a leading dash": "-x --json",
    "new: a leading tilde": "~root;x:y#z",
}
TOURS = [
    *(pytest.param(name, id=case) for case, name in QUICK.items()),
    *(pytest.param(name, id=case, marks=pytest.mark.slow) for case, name in SLOW.items()),
]


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """A market that stands still since a minute ago: `doctor` refuses a server whose clock is far behind."""
    frozen = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    with serve(Options(items=30, frozen=frozen, refresh=0, limits=False, history="dense")) as box:
        yield box


def fit(name: str, suffix: str) -> str:
    """Return the name of a file: `name`, as far as it fits, and `suffix`."""
    return name[: 255 - len(suffix)] + suffix


def create_project(parent: Path, name: str, box: Sandbox) -> Bench:
    """Write a project in which each name is the same odd one."""
    folder = parent / name
    folder.mkdir()
    items, key, sql = (folder / fit(name, suffix) for suffix in (".txt", ".key", ".sql"))
    items.write_text(f"{REDLINE}\n{ASIIMOV}\n", "utf-8")
    key.write_text(VALID_KEY)
    key.chmod(0o600)
    sql.write_text("SELECT count(*) AS n, sum(lowest_ask) AS asks, sum(quantity) AS number FROM quotes")
    source = {"kind": "cs2cap", "base_url": box.url, "key": f"file:{key}", "tier": "pro"}
    # Each name once more in the path would be too long for the longest one.
    warehouse = {"path": str(folder / "data" / name[:100]), "least_free": "1MB"}
    baskets = [basket("chosen", items=[f"file:{items}"]), catalog_of("buff163", "csfloat", name="every")]
    config = folder / fit(name, ".toml")
    config.write_text(toml({"warehouse": warehouse, "sources.cs2cap": source}, baskets), "utf-8")
    return Bench(folder, config)


def run(bench: Bench, *arguments: str) -> str:
    """Return what a command prints, which must end well."""
    output = main_with(*arguments, "--config", str(bench.config))
    assert output.code == 0, output
    return output.out


@pytest.mark.slow
@pytest.mark.usefixtures("no_prefect")
@pytest.mark.parametrize("name", TOURS)
def test_all_commands_work(tmp_path: Path, name: str, box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = create_project(tmp_path, name, box)
    monkeypatch.chdir(bench.folder)
    assert {result["state"] for result in read_result(run(bench, "snapshot", "--json"))} == {"done"}
    quotes = ledger(box, ("buff163", "csfloat"))
    assert [quote for quote in bench.quotes() if quote[0] != "steam"] == quotes
    answer = run(bench, "query", "-f", fit(name, ".sql"), "--json")
    items = f"file:{bench.folder / fit(name, '.txt')}"
    start = datetime.now(UTC) - timedelta(hours=12)
    run(bench, "backfill", "--items", items, "--from", f"{start:%Y-%m-%d %H:%M}")
    run(bench, "rejects", "replay")
    run(bench, "maintain", "rebuild", "--yes")
    assert run(bench, "query", "-f", fit(name, ".sql"), "--json") == answer
    database, folder = f"{name[:244]}.duckdb", fit(name, ".parquet")  # DuckDB adds .wal
    assert_exported(bench, database, folder, read_result(answer)[0])
    for reading in (["status"], ["plan"], ["alerts", "list"], ["backfill", "list"], ["doctor"]):
        run(bench, *reading)
    assert {path.name for path in tmp_path.iterdir()} <= {name, "prefect"}  # nothing beside the folder
    assert len(list(bench.folder.iterdir())) == 7


def assert_exported(bench: Bench, database: str, folder: str, expected: dict[str, Any]) -> None:
    """Check both exports, whose names begin the path."""
    for target in (database, folder):
        output = main_with("export", "--config", str(bench.config), "--", target)
        assert output.code == 0, output
    with duckdb.connect(str(bench.folder.absolute() / database), read_only=True) as db:
        assert db.execute("SELECT count(*) FROM quotes").fetchall() == [(expected["n"],)]
    frame = pl.read_parquet((bench.folder / folder / "quotes.parquet").read_bytes())
    assert (len(frame), frame["lowest_ask"].sum()) == (expected["n"], expected["asks"])


def test_folder_on_the_way_is_no_column_of_the_rows(tmp_path: Path, box: Sandbox) -> None:
    """New: every row had the quantity 7."""
    bench = Bench.at(tmp_path / "quantity=7", box, catalog_of("buff163"))
    bench.snapshot()
    assert bench.quotes() == ledger(box, ("buff163",))


def test_database_in_a_folder_with_a_question_mark_survives_a_kill(tmp_path: Path) -> None:
    """New: such a database has no log, so each commit is in the file. The child ends without a close."""
    paths = create_warehouse(tmp_path / "a?b")
    child = os.fork()
    if not child:
        try:
            with open_writer(paths.writer) as db:
                db.execute("CREATE TABLE t AS SELECT 7 AS n")
                db.execute("INSERT INTO t VALUES (8)")
                os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    with open_writer(paths.writer) as db:
        assert db.execute("SELECT n FROM t ORDER BY n").fetchall() == [(7,), (8,)]
    assert [file.name for file in paths.writer.parent.iterdir()] == ["market.duckdb"]


def test_what_duckdb_cannot_open_is_refused_in_one_line(tmp_path: Path, box: Sandbox) -> None:
    """New: a traceback about surrogates."""
    bench = Bench.at(tmp_path / os.fsdecode(b"n\xff"), box, basket(), source=RELATIVE)
    for command in ("snapshot", "status"):
        output = main_with(command, "--config", str(bench.config))
        assert output.code == 2
        assert "is not UTF-8 text" in output.err
        assert output.err.count("\n") == 1
    with pytest.raises(ConfigError, match="not UTF-8"):
        bench.settings.root.as_posix()
    elsewhere = create_warehouse(tmp_path / "fine")
    with open_writer(elsewhere.writer):
        elsewhere.writer.rename(elsewhere.published)
    with pytest.raises(WarehouseUnusable, match="not UTF-8"):
        export_duckdb(elsewhere, bench.folder / "x.duckdb")


def test_configuration_outside_utf8_works_with_a_warehouse_elsewhere(tmp_path: Path, box: Sandbox) -> None:
    """Guard."""
    folder = tmp_path / os.fsdecode(b"n\xff")
    bench = Bench.at(folder, box, basket(), source=RELATIVE, warehouse={"path": str(tmp_path / "data")})
    assert [result.state for result in bench.snapshot()] == ["done"]
    assert main_with("status", "--config", str(bench.config)).code == 0


@pytest.mark.parametrize(
    ("folder", "problem"),
    [
        ("a {{ x }}", r"has \{\{, which Prefect takes for a template"),
        (os.fsdecode(b"n\xff"), "is not UTF-8 text"),
    ],
)
def test_path_that_prefect_would_change_is_refused(
    tmp_path: Path, box: Sandbox, folder: str, problem: str
) -> None:
    """New: Prefect removed the template, and the runs found no configuration."""
    bench = Bench.at(tmp_path / folder, box, basket(), source=RELATIVE)
    with pytest.raises(ConfigError, match=problem):
        render_prefect_yaml(bench.settings, bench.config)


def test_export_that_duckdb_could_not_open_is_refused(tmp_path: Path) -> None:
    """New: DuckDB's own sentence about its log."""
    with pytest.raises(WarehouseUnusable, match="no database with so long a name"):
        export_duckdb(create_warehouse(tmp_path), tmp_path / fit(LONG, ".duckdb"))


def test_path_that_is_too_long_for_sqlite_is_refused(tmp_path: Path, box: Sandbox) -> None:
    """New: it was a folder that cannot be written."""
    bench = Bench.at(tmp_path, box, basket(), warehouse={"path": f"{LONG}/{LONG}"})
    output = main_with("snapshot", "--config", str(bench.config))
    assert output.code == 2
    assert "SQLite opens no path as long as this" in output.err


@pytest.mark.parametrize("name", [PATTERN, "[x]"])
def test_catalog_of_an_older_version_in_an_odd_folder(tmp_path: Path, name: str) -> None:
    """New: Polars took the path for a pattern."""
    folder = tmp_path / name
    folder.mkdir()
    pl.DataFrame({"item_id": [7]}).write_ipc(folder / "items.arrow")
    catalog = LandedRun(folder, run_header("r", NOON), {}, ()).catalog("items")
    assert catalog is not None
    assert catalog["item_id"].to_list() == [7]


def test_up_below_a_question_mark_asks_for_another_folder_of_prefect(tmp_path: Path, box: Sandbox) -> None:
    """New: Prefect kept its database in a file `a` beside the folder."""
    done = Bench.at(tmp_path / "a?b", box, basket()).command("up", check=2)
    assert "has a question mark" in done.stderr
    assert "set PREFECT_HOME to another folder" in done.stderr
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a?b"]


@pytest.mark.parametrize("command", ["snapshot", "status", "doctor"])
def test_warehouse_that_is_a_link_to_itself(tmp_path: Path, box: Sandbox, command: str) -> None:
    """New: it used to be "a bug of Floorline" for every command."""
    bench = Bench.at(tmp_path, box, basket())
    bench.paths.root.symlink_to(bench.paths.root)
    output = main_with(command, "--config", str(bench.config))
    assert (output.code, "a bug" in output.err) == ({"snapshot": 2, "status": 0, "doctor": 1}[command], False)
    assert ("is a link to nothing, not a folder" in output.err) == (command == "snapshot")
