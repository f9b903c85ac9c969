"""`floorline backfill` as a person uses it: plan, run, go on, list, show, cancel, stop; one at a time."""

from __future__ import annotations

import contextlib
import json
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
from tests.support.backfills import bench_at, history_requests
from tests.support.snapshots import FLOORLINE, Bench, Said, clean_env, main_with
from tests.support.waiting import wait_until

# A moment that the sandbox and the command share.
NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
FROM = (NOW - timedelta(hours=12)).strftime("%Y-%m-%d %H:%M")
TO = (NOW - timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%MZ")
WINDOW = ("--from", FROM, "--to", TO)
ITEMS = ("--items", "1", "--items", "2", "--items", "3")


@pytest.fixture(autouse=True)
def bare(no_prefect: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLOORLINE_CONFIG", raising=False)


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with serve(Options(items=300, frozen=NOW, refresh=0, limits=False, history="dense")) as box:
        yield box


@pytest.fixture
def bench(tmp_path: Path, box: Sandbox) -> Bench:
    return bench_at(tmp_path, box)


def said(bench: Bench, *arguments: str, code: int = 0) -> Said:
    """What `floorline backfill` with these arguments says."""
    done = main_with("backfill", *arguments, "--config", str(bench.config))
    assert done.code == code, done
    return done


def told(bench: Bench, *arguments: str, code: int = 0) -> Any:
    """The same, as JSON."""
    return json.loads(said(bench, *arguments, "--json", code=code).out)


def test_from_the_plan_to_the_end(bench: Bench, box: Sandbox) -> None:
    missing = said(bench, *WINDOW, *ITEMS, "--dry-run", code=2)
    assert "is not cached and needs a request" in missing.err
    assert [entry.path for entry in box.requests.since(0)] == ["/v1/account/key"]
    stopped = said(bench, *WINDOW, *ITEMS, "--budget", "7", code=5)
    assert re.search(r"3 shards: at least 3 requests, at most \d+; .* at the tier's pace", stopped.err)
    resume = re.search(r"`floorline backfill --resume (\S+)` continues where it stopped", stopped.err)
    assert resume
    since = len(box.requests.since(0))
    plan = told(bench, "--resume", resume[1], "--dry-run")
    assert plan["requests_at_least"] <= plan["requests_at_most"]
    assert [entry.path for entry in box.requests.since(since)] == ["/v1/account/key"]
    done = told(bench, "--resume")
    assert (done["state"], done["shards_done"], done["backfill_id"]) == ("done", 3, resume[1])
    assert (
        len({entry.query for entry in history_requests(box)})
        == len(history_requests(box))
        == 5 + done["requests"]
    )
    (listed,) = told(bench, "list")
    assert (listed["state"], listed["shards_done"], listed["run_by"]) == ("done", 3, None)
    assert "there is nothing to resume" in said(bench, "--resume", resume[1], code=2).err
    again = said(bench, *WINDOW, *ITEMS)
    assert "the database has all of it already: 0 requests" in again.err


@pytest.mark.slow
def test_list_show_and_cancel(bench: Bench, box: Sandbox) -> None:
    assert said(bench, "list").out == "there is no backfill\n"
    box.fault("cursor_expired", match={"item_id": "2"}, after=1, times=None)
    broken = told(bench, *WINDOW, *ITEMS, code=3)
    id_ = broken["backfill_id"]
    shown = said(bench, "show", id_).out
    assert "2 of 3 done, 1 broken" in shown
    assert "was refused: cursor has expired" in shown
    assert [one["state"] for one in told(bench, "show", id_)["shards"]] == ["done", "broken", "done"]
    assert "incomplete" in said(bench, "list").out
    assert said(bench, "cancel", id_).out == f"{id_} is cancelled, 1 of 3 shards left undone\n"
    assert told(bench, "show", id_)["state"] == "cancelled"
    assert "is cancelled" in said(bench, "--resume", id_, code=2).err
    assert "there is no backfill" in said(bench, "show", "nonsense", code=2).err
    box.faults.clear()
    since = len(box.requests.since(0))
    fresh = told(bench, *WINDOW, *ITEMS)
    assert (fresh["state"], fresh["shards_done"]) == ("done", 1)  # what was read of it is not read again
    assert all("item_id=2" in entry.query for entry in history_requests(box, since))


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((), "give the start (--from"),
        (("--from", FROM), "give the items (--items"),
        (("--from", "yesterday", *ITEMS), "--from: "),
        (("--from", FROM, *ITEMS, "--source", "other"), "no source is called other; there is cs2cap"),
        (("--resume",), "there is no backfill to resume"),
        (("--resume", "--from", FROM), "--resume already says what to fetch"),
        (("--gaps", *ITEMS), "--gaps already says what to fetch"),
        (("--gaps", "--budget", "3"), "--budget does not work with --gaps"),
        (("cancel", "nonsense"), "there is no backfill 'nonsense'"),
    ],
)
def test_what_does_not_go_together_is_said(
    bench: Bench, box: Sandbox, arguments: tuple[str, ...], line: str
) -> None:
    (told,) = said(bench, *arguments, code=2).err.splitlines()
    assert line in told
    assert len(box.requests.since(0)) == 0


@contextlib.contextmanager
def under_way(bench: Bench, box: Sandbox) -> Iterator[subprocess.Popen[str]]:
    """The command, once some pages of a slow backfill were answered."""
    box.fault("latency", path="/v1/prices/history", seconds=0.7, times=None)
    command = [FLOORLINE, "backfill", *WINDOW, *ITEMS, "--config", str(bench.config), "--quiet"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_env()
    ) as run:
        try:
            wait_until(lambda: sum(entry.status == 200 for entry in history_requests(box)) >= 4)
            yield run
        finally:
            run.kill()


@pytest.mark.slow
@pytest.mark.parametrize(("stop", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_stopped_it_keeps_what_arrived_and_goes_on(
    bench: Bench, box: Sandbox, stop: signal.Signals, code: int
) -> None:
    with under_way(bench, box) as run:
        run.send_signal(stop)
        _, err = run.communicate(timeout=30)
    assert (run.returncode, err) == (code, "floorline: stopped; the data that had arrived is kept\n")
    ((state, rows),) = bench.ask("SELECT state, rows_fetched FROM runs WHERE rows_fetched > 0")
    assert (state, bench.ask("SELECT count(*) FROM price_points")) == ("cancelled", [(rows,)])
    (listed,) = told(bench, "list")
    assert listed["state"] == "stopped"
    box.faults.clear()
    paid = len(history_requests(box))
    assert told(bench, "--resume")["state"] == "done"
    again = [entry.query for entry in history_requests(box)]
    assert len(again) - len(set(again)) <= 3  # at most what was under way
    assert len(again) > paid


@pytest.mark.slow
def test_the_same_command_is_refused_while_one_runs(bench: Bench, box: Sandbox) -> None:
    with under_way(bench, box) as run:
        refused = said(bench, *WINDOW, *ITEMS, "--quiet", code=6)
        assert f"is run by PID {run.pid}" in refused.err
        (listed,) = told(bench, "list")
        assert (listed["state"], listed["run_by"]) == ("running", f"PID {run.pid}")
        said(bench, "cancel", listed["backfill_id"])
        run.communicate(timeout=30)
    assert run.returncode == 130
    assert told(bench, "show", listed["backfill_id"])["state"] == "cancelled"
