"""`floorline status`: each basket against its interval, the published copy, what waits, what stands open."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from floorline.cli.render.status import StatusReport, print_status
from pipelines.config import load_settings
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.clocks import NOON
from tests.support.snapshots import Bench, basket, main_with
from tests.support.warehouse import Quote, land, minute, observe
from warehouse.paths import WarehousePaths

pytestmark = pytest.mark.usefixtures("no_prefect")
COUNTS = {"rows_fetched": 2000, "rows_changed": 3, "requests": 2}


@pytest.fixture
def bench(tmp_path: Path, sandbox: Sandbox) -> Bench:
    return Bench.at(tmp_path, sandbox, basket(every="10m"), basket("other"))


def run(basket: str = "core", success: datetime | None = NOON, **fields: Any) -> dict[str, Any]:
    """A basket's last run, as the database tells of it."""
    told = {"basket": basket, "source": "cs2cap", "last_success": success, "last_state": "done"}
    return {**told, **COUNTS, **fields}


def shown(
    bench: Bench, capsys: pytest.CaptureFixture[str], found: StatusReport, *, as_json: bool = False
) -> str:
    print_status(load_settings(bench.config), found, as_json=as_json)
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("age", "told", "late"),
    [
        (timedelta(seconds=45), "45s", False),
        (timedelta(minutes=30), "30m", False),
        (timedelta(minutes=30, seconds=1), "30m, late", True),
        (timedelta(days=3), "3d, late", True),
    ],
)
def test_the_age_of_the_last_success_against_the_interval(
    bench: Bench, capsys: pytest.CaptureFixture[str], age: timedelta, told: str, late: bool
) -> None:
    found = StatusReport([run()], [], [], NOON, NOON + age)
    (line,) = [line for line in shown(bench, capsys, found).splitlines() if line.startswith("core")]
    assert re.split(r"\s{2,}", line)[1:3] == ["2026-06-01 12:00:00", told]
    assert line.split()[-5:] == ["10m", "done", "2,000", "3", "2"]
    core = json.loads(shown(bench, capsys, found, as_json=True))["baskets"][0]
    assert (core["late"], core["age"], core["every"]) == (late, age.total_seconds(), 600)


def test_json_has_these_keys_and_plain_numbers(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(shown(bench, capsys, StatusReport([run()], [], [], NOON, NOON), as_json=True))
    assert list(told) == ["baskets", "published_at", "alerts", "landings_waiting", "months"]
    assert told["published_at"] == "2026-06-01T12:00:00+00:00"
    assert told["baskets"] == [
        {"basket": "core", "last success": "2026-06-01T12:00:00+00:00", "age": 0, "every": 600,
         "last state": "done", "rows": 2000, "changed": 3, "requests": 2, "late": False},
        {"basket": "other", "last success": None, "age": None, "every": 600,
         "last state": "never ran", "rows": None, "changed": None, "requests": None, "late": None},
    ]  # fmt: skip


def test_a_basket_that_never_succeeded(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    found = StatusReport([run(success=None, last_state="auth_failed")], [], [], None, NOON)
    text = shown(bench, capsys, found)
    assert "auth_failed" in text
    assert "late" not in text
    assert "market.duckdb, not published yet" in text


def test_a_basket_that_moved_to_another_source(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """The runs of its former source are not its own."""
    runs = [run(), run(source="zz", last_state="failed", success=None)]
    assert "failed" not in shown(bench, capsys, StatusReport(runs, [], [], NOON, NOON))


def test_what_the_command_says(bench: Bench, sandbox: Sandbox) -> None:
    bench.snapshot()
    home = WarehousePaths(bench.settings.root)
    quiet = main_with("status", "--config", str(bench.config)).out
    assert "market.duckdb, published 20" in quiet
    assert "wait" not in quiet
    land(home, "b", observe(minute(10), Quote("1")))
    one = main_with("status", "--config", str(bench.config)).out
    assert "1 landing is not loaded, since 2026-06-01 12:10:00: the next run" in one
    land(home, "c", observe(minute(20), Quote("1")))
    sandbox.key(VALID_KEY, "revoked")
    two = main_with("status", "--config", str(bench.config)).out
    assert "2 landings are not loaded, since 2026-06-01 12:10:00" in two
    bench.snapshot()
    assert "auth.failed" in main_with("status", "--config", str(bench.config)).out
