"""The command `floorline backfill`: plan, run, resume, list, show, cancel, stop; one run at a time."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.core import Sandbox
from sandbox.options import Options
from sandbox.server import serve
from tests.support.backfill_state import begin_backfill
from tests.support.backfills import bench_at, history_requests
from tests.support.json_outputs import read_result
from tests.support.snapshots import FLOORLINE, Bench, CommandOutput, clean_env, main_with
from tests.support.waiting import wait_until
from warehouse.state.backfills import BackfillStore

# The frozen time of the sandbox, close to the time of the command.
NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
FROM = (NOW - timedelta(hours=12)).strftime("%Y-%m-%d %H:%M")
TO = (NOW - timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%MZ")
WINDOW = ("--from", FROM, "--to", TO)
ITEMS = ("--items", "1", "--items", "2", "--items", "3")


@pytest.fixture(autouse=True)
def without_configuration(no_prefect: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLOORLINE_CONFIG", raising=False)


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with serve(Options(items=300, frozen=NOW, refresh=0, limits=False, history="dense")) as box:
        yield box


@pytest.fixture
def bench(tmp_path: Path, box: Sandbox) -> Bench:
    return bench_at(tmp_path, box)


def run_command(bench: Bench, *arguments: str, code: int = 0) -> CommandOutput:
    """Run `floorline backfill` with these arguments; it must exit with `code`."""
    output = main_with("backfill", *arguments, "--config", str(bench.config))
    assert output.code == code, output
    return output


def backfill_json(bench: Bench, *arguments: str, code: int = 0) -> Any:
    """Return the JSON that the command prints."""
    return read_result(run_command(bench, *arguments, "--json", code=code).out)


@pytest.mark.slow
def test_plan_budget_resume_and_list(bench: Bench, box: Sandbox) -> None:
    missing = run_command(bench, *WINDOW, *ITEMS, "--dry-run", code=2)
    assert "is not cached and needs a request" in missing.err
    assert [entry.path for entry in box.requests.since(0)] == ["/v1/account/key"]
    stopped = run_command(bench, *WINDOW, *ITEMS, "--budget", "7", code=5)
    assert re.search(r"3 shards: at least 3 requests, at most \d+; .* at the tier's pace", stopped.err)
    resume = re.search(r"`floorline backfill --resume (\S+)` continues where it stopped", stopped.err)
    assert resume
    since = len(box.requests.since(0))
    (plan,) = backfill_json(bench, "--resume", resume[1], "--dry-run")["plans"]
    assert plan["requests_at_least"] <= plan["requests_at_most"]
    assert [entry.path for entry in box.requests.since(since)] == ["/v1/account/key"]
    (done,) = backfill_json(bench, "--resume")["runs"]
    assert (done["state"], done["shards_done"], done["backfill_id"]) == ("done", 3, resume[1])
    assert (
        len({entry.query for entry in history_requests(box)})
        == len(history_requests(box))
        == 5 + done["requests"]
    )
    (record,) = backfill_json(bench, "list")
    assert (record["state"], record["shards_done"], record["run_by"]) == ("done", 3, None)
    assert "there is nothing to resume" in run_command(bench, "--resume", resume[1], code=2).err
    repeated = run_command(bench, *WINDOW, *ITEMS)
    assert "the database has all of it already: 0 requests" in repeated.err


@pytest.mark.slow
def test_list_show_and_cancel(bench: Bench, box: Sandbox) -> None:
    assert run_command(bench, "list").out == "there is no backfill\n"
    box.fault("cursor_expired", match={"item_id": "2"}, after=1, times=None)
    (broken,) = backfill_json(bench, *WINDOW, *ITEMS, code=3)["runs"]
    backfill_id = broken["backfill_id"]
    text = run_command(bench, "show", backfill_id).out
    assert "2 of 3 done, 1 broken" in text
    assert "was refused: cursor has expired" in text
    assert [one["state"] for one in backfill_json(bench, "show", backfill_id)["shards"]] == [
        "done",
        "broken",
        "done",
    ]
    assert "incomplete" in run_command(bench, "list").out
    assert (
        run_command(bench, "cancel", backfill_id).out
        == f"{backfill_id} is cancelled, 1 of 3 shards left undone\n"
    )
    assert backfill_json(bench, "show", backfill_id)["backfill"]["state"] == "cancelled"
    assert "is cancelled" in run_command(bench, "--resume", backfill_id, code=2).err
    assert "there is no backfill" in run_command(bench, "show", "nonsense", code=2).err
    box.faults.clear()
    since = len(box.requests.since(0))
    (second,) = backfill_json(bench, *WINDOW, *ITEMS)["runs"]
    assert (second["state"], second["shards_done"]) == ("done", 1)  # only what was not read yet
    assert all("item_id=2" in entry.query for entry in history_requests(box, since))


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((), "give the start (--from"),
        (("--from", FROM), "give the items (--items"),
        (("--from", "yesterday", *ITEMS), "--from takes a date such as"),
        (("--from", FROM, *ITEMS, "--source", "other"), "no source is called other; there is cs2cap"),
        (("--resume",), "there is no backfill to resume"),
        (("--resume", "--from", FROM), "--resume already says what to fetch"),
        (("--gaps", *ITEMS), "--gaps already says what to fetch"),
        (("cancel", "nonsense"), "there is no backfill 'nonsense'"),
    ],
)
def test_invalid_combinations_of_options(
    bench: Bench, box: Sandbox, arguments: tuple[str, ...], line: str
) -> None:
    (error,) = run_command(bench, *arguments, code=2).err.splitlines()
    assert line in error
    assert len(box.requests.since(0)) == 0


def test_backfill_of_an_older_version_in_another_currency_is_not_resumed(bench: Bench, box: Sandbox) -> None:
    bench.paths.prepare()
    request = {"items": ["1"], "currency": "BTC", "start": f"{FROM}:00+00:00"}
    record = begin_backfill(BackfillStore(bench.paths), request=request)
    cancel = f"`floorline backfill cancel {record.backfill_id}`"
    assert cancel in run_command(bench, "--resume", code=2).err
    assert len(box.requests.since(0)) == 0
    run_command(bench, "cancel", record.backfill_id)


@contextlib.contextmanager
def slow_backfill(bench: Bench, box: Sandbox) -> Iterator[subprocess.Popen[str]]:
    """Run a backfill in a process, and yield after the first pages have arrived; the others never come."""
    box.fault("latency", path="/v1/prices/history", seconds=3600, after=4, times=None)
    command = [FLOORLINE, "backfill", *WINDOW, *ITEMS, "--config", str(bench.config), "--quiet"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_env()
    ) as process:
        try:
            wait_until(lambda: sum(entry.status == 200 for entry in history_requests(box)) >= 4)
            yield process
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.parametrize(("stop", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_stopped_backfill_keeps_its_data_and_resumes(
    bench: Bench, box: Sandbox, stop: signal.Signals, code: int
) -> None:
    with slow_backfill(bench, box) as process:
        process.send_signal(stop)
        _, err = process.communicate(timeout=120)
    assert process.returncode == code
    how_to_go_on = r"is kept; `floorline backfill --resume (\S+)` continues where backfill \1 stopped$"
    (resume,) = re.findall(how_to_go_on, err, re.MULTILINE)
    ((state, rows),) = bench.query("SELECT state, rows_fetched FROM runs WHERE rows_fetched > 0")
    assert (state, bench.query("SELECT count(*) FROM price_points")) == ("cancelled", [(rows,)])
    (record,) = backfill_json(bench, "list")
    assert record["state"] == "stopped"
    box.faults.clear()
    paid = len(history_requests(box))
    assert backfill_json(bench, "--resume", resume)["runs"][0]["state"] == "done"
    queries = [entry.query for entry in history_requests(box)]
    assert len(queries) - len(set(queries)) <= 3  # at most the requests that were active
    assert len(queries) > paid


@pytest.mark.slow
def test_second_run_of_the_same_backfill_is_refused(bench: Bench, box: Sandbox) -> None:
    with slow_backfill(bench, box) as process:
        refused = run_command(bench, *WINDOW, *ITEMS, "--quiet", code=6)
        assert f"is run by PID {process.pid}" in refused.err
        (record,) = backfill_json(bench, "list")
        assert (record["state"], record["run_by"]) == ("running", f"PID {process.pid}")
        run_command(bench, "cancel", record["backfill_id"])
        box.faults.clear()
        process.communicate(timeout=120)
    assert process.returncode == 130
    assert backfill_json(bench, "show", record["backfill_id"])["backfill"]["state"] == "cancelled"
