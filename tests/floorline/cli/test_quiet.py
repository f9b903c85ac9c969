"""`--quiet` prints nothing where all is well, and what is wrong where something is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.json_outputs import read_result
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, CommandOutput, basket, main_with

SILENT = CommandOutput(0, "", "")


@pytest.fixture
def box(make_sandbox: MakeSandbox) -> Sandbox:
    return make_sandbox(frozen=datetime.now(UTC), tier="pro")


@pytest.fixture
def bench(tmp_path: Path, box: Sandbox, no_prefect: None) -> Bench:
    return Bench.at(tmp_path, box, basket(every="1h"), basket("other", items=[5], every="1h"))


def quiet(bench: Bench, *command: str) -> CommandOutput:
    return main_with(*command, "--quiet", "--config", str(bench.config))


@pytest.mark.slow
def test_all_is_well(bench: Bench) -> None:
    for command in (("snapshot",), ("maintain", "load"), ("maintain", "retry"), ("alerts", "check")):
        assert quiet(bench, *command) == SILENT
    assert quiet(bench, "key", "status") == SILENT
    start = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"
    assert quiet(bench, "backfill", "--items", "5", "--from", start) == SILENT
    assert read_result(quiet(bench, "snapshot", "--json").out)[0]["state"] == "done"


@pytest.mark.slow
def test_failures_are_printed(bench: Bench, box: Sandbox) -> None:
    assert quiet(bench, "snapshot") == SILENT
    box.fault("refused", status=422, path="/v1/prices", match={"item_id": "5"}, times=None)
    broken = quiet(bench, "snapshot")
    assert (broken.code, [line.split()[0] for line in broken.out.splitlines()[:2]]) == (
        3,
        ["basket", "other"],
    )
    box.key(VALID_KEY, "revoked")
    for command, code in ((("snapshot",), 4), (("key", "status"), 4), (("doctor",), 1)):
        output = quiet(bench, *command)
        assert (output.code, bool(output.out + output.err)) == (code, True)


@pytest.mark.slow
def test_doctor_prints_only_problems(bench: Bench) -> None:
    assert quiet(bench, "snapshot") == SILENT
    verdicts = {line.split()[0] for line in quiet(bench, "doctor").out.splitlines() if line[:4].strip()}
    assert "ok" not in verdicts
