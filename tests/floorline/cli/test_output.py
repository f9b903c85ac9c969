"""What commands print: JSON that parses, tables that a terminal survives, one line for what is not a bug."""

from __future__ import annotations

import io
import json
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from floorline.console import format_amount, to_json
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.snapshots import FLOORLINE, Bench, Said, basket, clean_env, ledger, main_with


@pytest.fixture
def bench(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    return Bench.at(tmp_path, sandbox, basket(currencies=["USD", "BTC"]), basket("other", items=[5]))


def said(bench: Bench, *arguments: str, code: int = 0) -> Said:
    """What a command with this configuration says; it must end with `code`."""
    done = main_with(*arguments, "--config", str(bench.config))
    assert done.code == code, done
    return done


def parsed(bench: Bench, *arguments: str, code: int = 0) -> Any:
    """The JSON that it prints."""
    return json.loads(said(bench, *arguments, "--json", code=code).out)


def test_a_snapshot_as_json_and_for_people(bench: Bench, sandbox: Sandbox) -> None:
    core, other = parsed(bench, "snapshot")
    assert (core["basket"], core["state"], core["load"]["rows_fetched"]) == (
        "core",
        "done",
        2 * len(ledger(sandbox, ["steam"], [3, 8])),
    )
    assert (other["basket"], other["error"], other["requests"]) == ("other", None, 1)
    table = said(bench, "snapshot", "core").out
    assert table.split()[:3] == ["basket", "source", "state"]
    assert "done" in table


def test_every_result_is_json_that_parses(bench: Bench, sandbox: Sandbox) -> None:
    said(bench, "snapshot", "--quiet")
    sandbox.key(VALID_KEY, "revoked")
    failed = parsed(bench, "snapshot", code=4)
    assert [run["state"] for run in failed] == ["auth_failed", "auth_failed"]
    assert parsed(bench, "query", "SELECT 1 AS one, 1.50::DECIMAL(9, 2) AS price, now() AS at")[0]["one"] == 1
    (alert,) = parsed(bench, "alerts", "list")
    assert parsed(bench, "alerts", "show", str(alert["alert_id"])) == alert
    state = parsed(bench, "status")
    assert [entry["basket"] for entry in state["baskets"]] == ["core", "other"]
    assert (len(state["alerts"]), state["landings_waiting"]) == (1, [])
    assert parsed(bench, "rejects", "list") == []
    assert parsed(bench, "rejects", "replay") == []
    assert parsed(bench, "maintain", "load") == []
    assert parsed(bench, "maintain", "rebuild", "--yes")["runs"] == 4
    files = parsed(bench, "export", str(bench.folder / "parquet"))
    assert all(Path(file).exists() for file in files)
    assert parsed(bench, "export", str(bench.folder / "all.duckdb")) == [str(bench.folder / "all.duckdb")]
    said(bench, "alerts", "clear", str(alert["alert_id"]))
    assert parsed(bench, "alerts", "list") == []
    assert len(parsed(bench, "alerts", "list", "--all")) == 1


def test_what_failed_is_told_once_on_stderr(bench: Bench, sandbox: Sandbox) -> None:
    sandbox.key(VALID_KEY, "revoked")
    failed = said(bench, "snapshot", code=4)
    (line,) = failed.err.splitlines()
    assert line.startswith("floorline: cs2cap: AUTH_API_KEY_REVOKED (401)")
    assert "Issue a new key" in line
    assert VALID_KEY not in failed.out + failed.err


def test_before_the_first_run(bench: Bench) -> None:
    assert "never ran" in said(bench, "status").out
    assert "no alert is open" in said(bench, "alerts", "list").out
    for arguments in (
        ["query", "SELECT 1"],
        ["rejects", "list"],
        ["rejects", "replay"],
        ["export", "x.duckdb"],
    ):
        (line,) = said(bench, *arguments, code=2).err.splitlines()
        assert "there is no database" in line
    assert "there was no landing to load" in said(bench, "maintain", "load").out
    assert "to rebuild the database from" in said(bench, "maintain", "rebuild", code=2).err
    assert "there is no alert 7" in said(bench, "alerts", "show", "7", code=2).err
    assert "there is no open alert 7" in said(bench, "alerts", "clear", "7", code=2).err


def test_a_query_that_is_none_is_one_message(bench: Bench) -> None:
    bench.snapshot()
    failed = said(bench, "query", "SELECT nope FROM quotes", code=2)
    assert failed.err.startswith("floorline: DuckDB says: Binder Error")
    assert "Traceback" not in failed.err
    for sql in ("DELETE FROM store.run", "CREATE TABLE x (a INT)"):
        assert "read-only" in said(bench, "query", sql, code=2).err
    missing = said(bench, "query", "FROM 'missing.parquet'", code=2)
    assert missing.err.startswith("floorline: DuckDB says: IO Error")


def test_an_export_that_cannot_be_written_is_one_message(bench: Bench) -> None:
    bench.snapshot()
    target = bench.folder / "missing" / "all.duckdb"
    (line,) = said(bench, "export", str(target), code=2).err.splitlines()
    assert line.startswith(f"floorline: {target} cannot be opened: check its folder")


def test_a_prefect_api_that_does_not_answer_is_one_line(bench: Bench, sandbox: Sandbox) -> None:
    done = bench.command("snapshot", PREFECT_API_URL="http://127.0.0.1:9/api", check=2)
    (line,) = done.stderr.splitlines()
    assert "no Prefect API answers at http://127.0.0.1:9/api: start it, or run with --no-prefect" in line
    assert len(sandbox.requests) == 0


def test_a_query_as_csv(bench: Bench) -> None:
    bench.snapshot()
    lines = said(bench, "query", "SELECT provider, quantity FROM quotes LIMIT 1", "--csv").out.splitlines()
    assert lines[0] == "provider,quantity"
    assert lines[1].startswith("steam,")


def test_a_reader_that_goes_away_is_no_error(bench: Bench) -> None:
    bench.snapshot()
    arguments = ["query", "FROM range(300000)", "--csv", "--config", str(bench.config)]
    with subprocess.Popen(
        [FLOORLINE, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_env()
    ) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        assert run.stdout.readline() == "range\n"
        run.stdout.close()
        assert run.stderr.read() == ""


def test_a_rebuild_that_is_declined_changes_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.snapshot()
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    declined = main_with("maintain", "rebuild", "--config", str(bench.config))
    assert declined.code == 1
    assert "landings from" in declined.err
    assert bench.ask("SELECT count(*) FROM runs") == [(2,)]


@pytest.mark.parametrize(
    ("value", "shown"),
    [("12.34000000", "12.34"), ("0.00041600", "0.000416"), ("5", "5.00"), ("1E+3", "1000.00"), ("0", "0.00")],
)
def test_amounts_keep_their_places(value: str, shown: str) -> None:
    assert format_amount(Decimal(value)) == shown


def test_json_keeps_amounts_exact() -> None:
    assert json.loads(to_json({"price": Decimal("0.10000000")})) == {"price": "0.10000000"}
