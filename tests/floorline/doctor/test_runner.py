"""`floorline doctor` as it is typed: exit codes, JSON, and that nothing holds it up or breaks it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from pathlib import Path

import pytest

from floorline.doctor.findings import Finding, ok
from floorline.doctor.runner import Check, run_check
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.doctor import examined
from tests.support.http_servers import canned
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, basket, main_with
from warehouse.paths import WarehousePaths
from warehouse.state.alerts import AlertStore

pytestmark = pytest.mark.usefixtures("no_prefect")


@pytest.fixture
def box(make_sandbox: MakeSandbox) -> Sandbox:
    """Return a sandbox whose clock is the machine's."""
    return make_sandbox(frozen=None)


def test_all_is_well_after_a_snapshot(tmp_path: Path, box: Sandbox) -> None:
    bench = Bench.at(tmp_path, box, basket())
    bench.snapshot()
    asked = len(box.requests)
    said = main_with("doctor", "--config", str(bench.config))
    assert said.code == 0, said.out
    lines = said.out.splitlines()
    assert lines[-1] == "all checks are ok"
    assert {line.split()[0] for line in lines[:-1]} == {"ok"}
    assert [entry.path for entry in box.requests.since(asked)] == ["/v1/account/key"]


def test_json_is_a_list_of_objects(tmp_path: Path, box: Sandbox) -> None:
    bench = Bench.at(tmp_path, box, basket())
    box.key(VALID_KEY, "revoked")
    said = main_with("doctor", "--json", "--config", str(bench.config))
    assert said.code == 1
    found = json.loads(said.out)
    assert all(list(one) == ["name", "verdict", "seen", "advice"] for one in found)
    assert {one["name"] for one in found if one["verdict"] == "fail"} == {"cs2cap key"}
    assert VALID_KEY not in said.out + said.err


def test_what_to_do_stands_below_what_fails(tmp_path: Path, box: Sandbox) -> None:
    bench = Bench.at(tmp_path, box, basket())
    box.key(VALID_KEY, "revoked")
    lines = main_with("doctor", "--config", str(bench.config)).out.splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("fail"))
    assert "AUTH_API_KEY_REVOKED (HTTP 401)" in lines[place]
    assert lines[place + 1].strip().startswith("-> Issue a new key")
    assert lines[-1].startswith("1 of ")


def test_warnings_alone_exit_0(tmp_path: Path, box: Sandbox) -> None:
    said = main_with("doctor", "--config", str(Bench.at(tmp_path, box, basket()).config))
    assert (said.code, said.out.splitlines()[-1]) == (0, "no check fails, 1 warn")


def test_fastapi_too_new(tmp_path: Path, box: Sandbox) -> None:
    """It is told by what is installed, whether or not it is ever imported."""
    newer = tmp_path / "site" / "fastapi-0.151.0.dist-info"
    newer.mkdir(parents=True)
    (newer / "METADATA").write_text("Metadata-Version: 2.4\nName: fastapi\nVersion: 0.151.0\n")
    bench = Bench.at(tmp_path, box, basket())
    done = bench.command("doctor", check=1, PYTHONPATH=str(newer.parent), PREFECT_HOME=str(tmp_path))
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("fail")]
    assert "with fastapi 0.151.0" in line
    assert "Prefect 3.8 does not work with fastapi 0.151 or newer" in line


def test_without_a_configuration(tmp_path: Path) -> None:
    said = main_with("doctor", "--config", str(tmp_path / "none.toml"))
    assert said.code == 1
    assert "fail  configuration  there is no configuration at" in said.out
    assert "ok    python" in said.out


def test_a_configuration_that_runs_nothing(tmp_path: Path, sandbox: Sandbox) -> None:
    no_basket = examined(Bench.at(tmp_path, sandbox).config)["configuration"]
    no_file = examined(Bench.at(tmp_path, sandbox, basket(items=["file:none.txt"])).config)["configuration"]
    assert (no_basket.verdict, no_basket.advice) == ("fail", "say in [[baskets]] what to look at")
    assert (no_file.verdict, "none.txt cannot be read" in no_file.seen) == ("fail", True)


def test_a_source_that_never_answers_does_not_hold_it_up(tmp_path: Path) -> None:
    """Two sources that accept a request and say nothing, and a state that another process has locked."""

    async def silent(_head: bytes, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async def serve() -> tuple[dict[str, Finding], float]:
        async with canned(silent) as one, canned(silent) as two:
            urls = {"one": one.url, "two": two.url}
            bench = Bench.written(tmp_path, urls, basket(source="one"))
            begun = time.monotonic()
            found = await asyncio.to_thread(_examined_beside_a_lock, bench)
            return found, time.monotonic() - begun

    found, took = asyncio.run(serve())
    assert took < 5
    for name in ("one", "two"):
        assert "no answer in 2 s" in found[f"{name} address"].seen
    assert found["alerts"].seen == "no answer in 2.5 s"
    assert found["disk"].verdict == "ok"


def _examined_beside_a_lock(bench: Bench) -> dict[str, Finding]:
    home = WarehousePaths(bench.settings.root)
    home.prepare()
    AlertStore(home.state)
    other = sqlite3.connect(home.state, isolation_level=None)
    other.execute("PRAGMA journal_mode = DELETE")
    other.execute("BEGIN EXCLUSIVE")
    try:
        return examined(bench.config)
    finally:
        other.close()


def test_a_check_that_breaks_is_a_finding(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = Bench.at(tmp_path, sandbox, basket())
    bench.home.prepare()
    bench.home.state.write_bytes(b"this is no database, but it is long enough to be looked at" * 100)
    found = examined(bench.config)
    assert found["alerts"].verdict == "fail"
    assert "this check broke: DatabaseError: file is not a database" in found["alerts"].seen
    assert found["cs2cap key"].verdict == "ok"


def test_a_check_has_a_deadline() -> None:
    async def slow() -> list[Finding]:
        await asyncio.sleep(30)
        return [ok("slow", "it ended")]

    (found,) = asyncio.run(run_check(Check("slow", slow, 0.05)))
    assert (found.name, found.verdict, found.seen) == ("slow", "fail", "no answer in 0.05 s")
