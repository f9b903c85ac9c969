"""The command `floorline status`: baskets and their intervals, published copy, pending landings, alerts."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from floorline.cli.render.status import print_status
from floorline.monitoring.status import StatusReport
from pipelines.config import load_settings
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.clocks import NOON
from tests.support.json_outputs import read_result
from tests.support.snapshots import Bench, basket, main_with
from tests.support.warehouse import Quote, land, minute, observe
from warehouse.state.database import open_state
from warehouse.state.ticks import MissedTick, record_ticks

pytestmark = pytest.mark.usefixtures("no_prefect")
COUNTS = {"rows_fetched": 2000, "rows_changed": 3, "requests": 2}


@pytest.fixture
def bench(tmp_path: Path, sandbox: Sandbox) -> Bench:
    return Bench.at(tmp_path, sandbox, basket(every="10m"), basket("other"))


def run(basket: str = "core", success: datetime | None = NOON, **fields: Any) -> dict[str, Any]:
    """Return a row of LAST_RUNS."""
    row = {"basket": basket, "source": "cs2cap", "last_success": success, "last_state": "done"}
    return {**row, **COUNTS, **fields}


def report_of(
    *runs: dict[str, Any], published_at: datetime | None = NOON, now: datetime = NOON
) -> StatusReport:
    """Return a report of these runs, without alerts and pending landings."""
    return StatusReport(
        runs=runs, alerts=[], pending=[], landings_aside=[], published_at=published_at, now=now
    )


def printed(
    bench: Bench, capsys: pytest.CaptureFixture[str], report: StatusReport, *, as_json: bool = False
) -> str:
    print_status(load_settings(bench.config), report, as_json=as_json)
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("age", "text", "late"),
    [
        (timedelta(seconds=45), "45s", False),
        (timedelta(minutes=30), "30m", False),
        (timedelta(minutes=30, seconds=1), "30m, late", True),
        (timedelta(days=3), "3d, late", True),
    ],
)
def test_age_of_the_last_success_against_the_interval(
    bench: Bench, capsys: pytest.CaptureFixture[str], age: timedelta, text: str, late: bool
) -> None:
    report = report_of(run(), now=NOON + age)
    (line,) = [line for line in printed(bench, capsys, report).splitlines() if line.startswith("core")]
    assert re.split(r"\s{2,}", line)[1:3] == ["2026-06-01 12:00:00", text]
    assert line.split()[-5:] == ["10m", "done", "2,000", "3", "2"]
    core = read_result(printed(bench, capsys, report, as_json=True))["baskets"][0]
    assert (core["late"], core["age_seconds"], core["every_seconds"]) == (late, age.total_seconds(), 600)


def test_keys_and_values_of_the_json(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    status = read_result(printed(bench, capsys, report_of(run()), as_json=True))
    landings, checked = ["landings_waiting", "landings_set_aside"], ["up", "problems"]
    assert list(status) == ["baskets", "published_at", "months", "holds", "alerts", *landings, *checked]
    assert status["published_at"] == "2026-06-01T12:00:00+00:00"
    assert status["baskets"] == [
        {"basket": "core", "source": "cs2cap", "last_success_at": "2026-06-01T12:00:00+00:00",
         "age_seconds": 0, "every_seconds": 600, "late": False, "last_state": "done",
         "rows_fetched": 2000, "rows_changed": 3, "requests": 2, "missed": []},
        {"basket": "other", "source": "cs2cap", "last_success_at": None,
         "age_seconds": None, "every_seconds": 600, "late": None, "last_state": "never ran",
         "rows_fetched": None, "rows_changed": None, "requests": None, "missed": []},
    ]  # fmt: skip


def test_basket_that_never_succeeded(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    report = report_of(run(success=None, last_state="auth_failed"), published_at=None)
    text = printed(bench, capsys, report)
    assert "auth_failed" in text
    assert "late" not in text
    assert "market.duckdb, not published yet" in text


def test_runs_of_the_former_source_of_a_basket_are_ignored(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [run(), run(source="zz", last_state="failed", success=None)]
    assert "failed" not in printed(bench, capsys, report_of(*runs))


@pytest.mark.slow
def test_command_prints_pending_landings_and_alerts(bench: Bench, sandbox: Sandbox) -> None:
    bench.snapshot()
    paths = bench.settings.paths
    quiet = main_with("status", "--config", str(bench.config)).out
    assert "market.duckdb, published 20" in quiet
    assert "not loaded" not in quiet
    land(paths, "b", observe(minute(10), Quote("1")))
    one = main_with("status", "--config", str(bench.config)).out
    assert "1 landing is not loaded, since 2026-06-01 12:10:00: the next run" in one
    land(paths, "c", observe(minute(20), Quote("1")))
    sandbox.key(VALID_KEY, "revoked")
    two = main_with("status", "--config", str(bench.config)).out
    assert "2 landings are not loaded, since 2026-06-01 12:10:00" in two
    bench.snapshot()
    assert "auth.failed" in main_with("status", "--config", str(bench.config)).out


def test_scheduled_runs_that_took_nothing_are_shown(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = Bench.at(tmp_path, sandbox, basket())
    bench.snapshot()
    now = datetime.now(UTC)
    ticks = [
        MissedTick("core", now - timedelta(hours=1), "skipped", "before the last success"),
        MissedTick("core", now + timedelta(minutes=10), "cancelled", "another run is active"),
        MissedTick("core", now + timedelta(minutes=20), "cancelled", "another run is active"),
    ]
    record_ticks(open_state(bench.paths), ticks, now)
    text = main_with("status", "--config", str(bench.config)).out
    line = "core: since the last success, 2 scheduled runs took nothing, cancelled: another run is active\n"
    assert line in text
    (status,) = read_result(main_with("status", "--json", "--config", str(bench.config)).out)["baskets"]
    assert [tick["outcome"] for tick in status["missed"]] == ["cancelled", "cancelled"]
