"""`floorline status --check`: its exit code and its lines in each state of a warehouse."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from floorline.monitoring.problems import EXIT_CODES, check_exit_code, find_problems
from floorline.monitoring.status import read_status
from pipelines.alerts.rules import SILENCE
from sandbox.options import Options
from sandbox.server import serve
from tests.support.json_outputs import read_result
from tests.support.snapshots import Bench, CommandOutput, basket, main_with
from tests.support.warehouse import Quote, land, minute, observe
from warehouse.state.alerts import Alert, AlertStore
from warehouse.state.database import open_state

ALERT = Alert(SILENCE, "cs2cap", "core", message="core: no successful run", guidance="Look.")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Return a warehouse whose basket has just succeeded."""
    with serve(Options(items=60, limits=False)) as box:
        bench = Bench.at(tmp_path_factory.mktemp("fresh"), box, basket(every="10m"))
        bench.snapshot()
        yield bench


@pytest.fixture
def bench(fresh: Bench, tmp_path: Path) -> Bench:
    """Return a copy of it."""
    return fresh.copy(tmp_path)


def check(bench: Bench, *arguments: str) -> CommandOutput:
    return main_with("status", "--check", "--config", str(bench.config), *arguments)


def open_alert(bench: Bench) -> None:
    AlertStore(open_state(bench.paths)).raise_alert(ALERT, datetime.now(UTC))


def test_healthy_warehouse_exits_with_0_and_one_line(bench: Bench) -> None:
    done = check(bench)
    assert (done.code, done.out) == (0, "ok: 1 fresh basket, no open alert, every landing loaded\n")
    assert read_result(check(bench, "--json").out)["problems"] == []
    assert (check(bench, "--quiet").code, check(bench, "--quiet").out) == (0, "")


def test_basket_without_a_success_exits_with_10(bench: Bench) -> None:
    shutil.rmtree(bench.paths.root)
    done = check(bench)
    assert (done.code, done.out) == (10, "freshness: core: no successful run yet (never ran)\n")


@pytest.mark.parametrize(("age", "code"), [(timedelta(minutes=29), 0), (timedelta(minutes=62), 10)])
def test_old_data_exits_with_10(fresh: Bench, age: timedelta, code: int) -> None:
    settings = fresh.settings
    problems = find_problems(settings, read_status(settings, datetime.now(UTC) + age))
    assert check_exit_code(problems) == code
    old = "core: the last success is 62m old, and a run is due every 10m"
    assert [problem.message for problem in problems] == [old] * bool(code)


def test_open_alert_exits_with_11(bench: Bench) -> None:
    open_alert(bench)
    done = check(bench)
    assert (done.code, done.out) == (11, "alert: alert silence (cs2cap, core): core: no successful run\n")


def test_waiting_landing_exits_with_12(bench: Bench) -> None:
    land(bench.paths, "b", observe(minute(10), Quote("1")))
    done = check(bench)
    assert done.code == 12
    assert done.out.startswith("landing: the landing of ")
    assert "run b, is not loaded" in done.out


def test_landing_that_is_set_aside_exits_with_12(bench: Bench) -> None:
    land(bench.paths, "b", observe(minute(10), Quote("1")))
    (bench.paths.landing / "b" / "run.json").write_text("{")
    done = check(bench)
    assert (done.code, done.out.startswith("landing: a landing is set aside")) == (12, True)


def test_several_problems_exit_with_the_first_code_and_are_all_told(bench: Bench) -> None:
    open_alert(bench)
    land(bench.paths, "b", observe(minute(10), Quote("1")))
    done = check(bench, "--json")
    assert done.code == 11
    problems = read_result(done.out)["problems"]
    assert [problem["kind"] for problem in problems] == ["alert", "landing"]
    assert [problem["subject"] for problem in problems] == ["silence", "b"]
    without = main_with("status", "--config", str(bench.config), "--json")
    assert (without.code, read_result(without.out)["problems"]) == (0, problems)


def test_wrong_configuration_keeps_its_code(tmp_path: Path) -> None:
    assert main_with("status", "--check", "--config", str(tmp_path / "missing.toml")).code == 2


def test_codes_are_documented() -> None:
    text = (Path(__file__).parents[3] / "docs" / "commands.md").read_text("utf-8")
    for code in EXIT_CODES.values():
        assert f"| {code} |" in text
