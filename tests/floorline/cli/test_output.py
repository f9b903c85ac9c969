"""The output of commands: valid JSON, tables, and one line for an expected error."""

from __future__ import annotations

import io
import json
import subprocess
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from common.text import format_amount
from floorline.console import to_json
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.json_outputs import read_result
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import FLOORLINE, Bench, CommandOutput, basket, clean_env, ledger, main_with


@pytest.fixture
def sandbox(make_sandbox: MakeSandbox) -> Sandbox:
    """Return a sandbox whose clock agrees with that of the commands."""
    return make_sandbox(frozen=datetime.now(UTC))


@pytest.fixture
def bench(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    return Bench.at(tmp_path, sandbox, basket(currencies=["USD", "BTC"]), basket("other", items=[5]))


def run(bench: Bench, *arguments: str, code: int = 0) -> CommandOutput:
    """Run a command with this configuration; it must exit with `code`."""
    output = main_with(*arguments, "--config", str(bench.config))
    assert output.code == code, output
    return output


def run_json(bench: Bench, *arguments: str, code: int = 0) -> Any:
    """Return the JSON that the command prints."""
    return read_result(run(bench, *arguments, "--json", code=code).out)


@pytest.mark.slow
def test_snapshot_as_json_and_as_a_table(bench: Bench, sandbox: Sandbox) -> None:
    core, other = run_json(bench, "snapshot")
    assert (core["basket"], core["state"], core["load"]["rows_fetched"]) == (
        "core",
        "done",
        2 * len(ledger(sandbox, ["steam"], [3, 8])),
    )
    assert (other["basket"], other["error"], other["requests"]) == ("other", None, 1)
    table = run(bench, "snapshot", "core").out
    assert table.split()[:3] == ["basket", "source", "state"]
    assert "done" in table


@pytest.mark.slow
def test_every_command_prints_valid_json(bench: Bench, sandbox: Sandbox) -> None:
    run(bench, "snapshot", "--quiet")
    sandbox.key(VALID_KEY, "revoked")
    failed = run_json(bench, "snapshot", code=4)
    assert [result["state"] for result in failed] == ["auth_failed", "auth_failed"]
    assert (
        run_json(bench, "query", "SELECT 1 AS one, 1.50::DECIMAL(9, 2) AS price, now() AS at")[0]["one"] == 1
    )
    (alert,) = run_json(bench, "alerts", "list")
    assert run_json(bench, "alerts", "show", str(alert["alert_id"])) == alert
    status = run_json(bench, "status")
    assert [entry["basket"] for entry in status["baskets"]] == ["core", "other"]
    assert (len(status["alerts"]), status["landings_waiting"]) == (1, [])
    assert run_json(bench, "rejects", "list") == []
    assert run_json(bench, "rejects", "replay") == []
    assert run_json(bench, "maintain", "load") == []
    assert run_json(bench, "maintain", "seal", "--all")["sealed"] == []
    assert run_json(bench, "maintain", "verify")["problems"] == []
    assert {size["table"] for size in run_json(bench, "maintain", "sizes")} > {"current", "run"}
    assert run_json(bench, "maintain", "rebuild", "--yes")["runs"] == 4
    files = run_json(bench, "export", str(bench.folder / "parquet"))["files"]
    assert all(Path(file).exists() for file in files)
    database = str(bench.folder / "all.duckdb")
    assert run_json(bench, "export", database) == {"files": [database]}
    closed = run_json(bench, "alerts", "clear", str(alert["alert_id"]))
    assert (closed["alert_id"], closed["closed_at"] > closed["opened_at"]) == (alert["alert_id"], True)
    assert run_json(bench, "alerts", "list") == []
    assert len(run_json(bench, "alerts", "list", "--all")) == 1


def test_error_of_several_baskets_is_printed_once(bench: Bench, sandbox: Sandbox) -> None:
    sandbox.key(VALID_KEY, "revoked")
    failed = run(bench, "snapshot", code=4)
    (line,) = failed.err.splitlines()
    assert line.startswith("floorline: cs2cap: AUTH_API_KEY_REVOKED (401)")
    assert "Issue a new key" in line
    assert VALID_KEY not in failed.out + failed.err


@pytest.mark.slow
def test_commands_before_the_first_run(bench: Bench) -> None:
    assert "never ran" in run(bench, "status").out
    assert "no alert is open" in run(bench, "alerts", "list").out
    for arguments in (
        ["query", "SELECT 1"],
        ["rejects", "list"],
        ["rejects", "replay"],
        ["export", "x.duckdb"],
    ):
        (line,) = run(bench, *arguments, code=2).err.splitlines()
        assert "there is no database" in line
    assert "there was no landing to load" in run(bench, "maintain", "load").out
    assert "no month was sealed: the database has" in run(bench, "maintain", "seal").out
    assert "there was no month to seal" in run(bench, "maintain", "seal", "--all").out
    assert "to rebuild the database from" in run(bench, "maintain", "rebuild", code=2).err
    assert "there is no alert 7" in run(bench, "alerts", "show", "7", code=2).err
    assert "there is no open alert 7" in run(bench, "alerts", "clear", "7", code=2).err


@pytest.mark.slow
def test_rejected_query_is_one_message(bench: Bench) -> None:
    bench.snapshot()
    failed = run(bench, "query", "SELECT nope FROM quotes", code=2)
    assert failed.err.startswith("floorline: DuckDB says: Binder Error")
    assert "Traceback" not in failed.err
    for sql in ("DELETE FROM store.run", "CREATE TABLE x (a INT)"):
        assert "read-only" in run(bench, "query", sql, code=2).err
    missing = run(bench, "query", "FROM 'missing.parquet'", "--allow-files", code=2)
    assert missing.err.startswith("floorline: DuckDB says: IO Error")


def test_export_that_cannot_be_written_is_one_message(bench: Bench) -> None:
    bench.snapshot()
    target = bench.folder / "missing" / "all.duckdb"
    (line,) = run(bench, "export", str(target), code=2).err.splitlines()
    assert line.startswith(f"floorline: {target} cannot be opened: check its folder")


@pytest.mark.slow
def test_unreachable_prefect_api_is_one_line(bench: Bench, sandbox: Sandbox) -> None:
    done = bench.command("snapshot", PREFECT_API_URL="http://127.0.0.1:9/api", check=2)
    (line,) = done.stderr.splitlines()
    assert (
        "no Prefect API answers at http://127.0.0.1:9/api: connection refused: nothing listens there. Start"
        in line
    )
    assert len(sandbox.requests) == 0


def test_query_as_csv(bench: Bench) -> None:
    bench.snapshot()
    lines = run(bench, "query", "SELECT provider, quantity FROM quotes LIMIT 1", "--csv").out.splitlines()
    assert lines[0] == "provider,quantity"
    assert lines[1].startswith("steam,")


@pytest.mark.slow
def test_closed_pipe_is_no_error(bench: Bench) -> None:
    bench.snapshot()
    arguments = ["query", "FROM range(300000)", "--csv", "--config", str(bench.config)]
    with subprocess.Popen(
        [FLOORLINE, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_env()
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "range\n"
        process.stdout.close()
        assert process.stderr.read() == ""


def test_declined_rebuild_changes_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.snapshot()
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    declined = main_with("maintain", "rebuild", "--config", str(bench.config))
    assert declined.code == 1
    assert "landings from" in declined.err
    assert bench.query("SELECT count(*) FROM runs") == [(2,)]


@pytest.mark.parametrize(
    ("value", "text"),
    [("12.34000000", "12.34"), ("0.00041600", "0.000416"), ("5", "5.00"), ("1E+3", "1000.00"), ("0", "0.00")],
)
def test_amounts_keep_their_decimal_places(value: str, text: str) -> None:
    assert format_amount(Decimal(value)) == text


def test_json_keeps_amounts_exact() -> None:
    assert json.loads(to_json({"price": Decimal("0.10000000")})) == {"price": "0.10000000"}
    assert json.loads(to_json([Decimal("1E-8"), Decimal("1E+3")])) == ["0.00000001", "1000"]
