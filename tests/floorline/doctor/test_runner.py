"""The command `floorline doctor`: exit codes, JSON, deadlines and broken checks."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path

import pytest

from floorline.doctor.findings import Finding, ok
from floorline.doctor.runner import Check, run_check
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.doctor import findings_by_name
from tests.support.http_servers import stub_server
from tests.support.json_outputs import read_result
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, basket, main_with
from warehouse.state.alerts import AlertStore
from warehouse.state.database import open_state

pytestmark = pytest.mark.usefixtures("no_prefect")


@pytest.fixture
def box(make_sandbox: MakeSandbox) -> Sandbox:
    """Return a sandbox whose clock is the machine's."""
    return make_sandbox(frozen=None)


def test_every_check_is_ok_after_a_snapshot(tmp_path: Path, box: Sandbox) -> None:
    bench = Bench.at(tmp_path, box, basket())
    bench.snapshot()
    requests = len(box.requests)
    output = main_with("doctor", "--config", str(bench.config))
    assert output.code == 0, output.out
    lines = output.out.splitlines()
    assert lines[-1] == "all checks are ok"
    assert {line.split()[0] for line in lines[:-1]} == {"ok"}
    assert [entry.path for entry in box.requests.since(requests)] == ["/v1/account/key"]


def test_json_is_a_list_of_findings(tmp_path: Path, box: Sandbox) -> None:
    bench = Bench.at(tmp_path, box, basket())
    box.key(VALID_KEY, "revoked")
    output = main_with("doctor", "--json", "--config", str(bench.config))
    assert output.code == 1
    findings = read_result(output.out)
    assert all(list(one) == ["name", "verdict", "seen", "advice"] for one in findings)
    assert {one["name"] for one in findings if one["verdict"] == "fail"} == {"cs2cap key"}
    assert VALID_KEY not in output.out + output.err


def test_advice_is_printed_below_the_failure(tmp_path: Path, box: Sandbox) -> None:
    bench = Bench.at(tmp_path, box, basket())
    box.key(VALID_KEY, "revoked")
    lines = main_with("doctor", "--config", str(bench.config)).out.splitlines()
    index = next(number for number, line in enumerate(lines) if line.startswith("fail"))
    assert "AUTH_API_KEY_REVOKED (HTTP 401)" in lines[index]
    assert lines[index + 1].strip().startswith("-> Issue a new key")
    assert lines[-1].startswith("1 of ")


def test_exit_code_is_0_with_warnings_only(tmp_path: Path, box: Sandbox) -> None:
    output = main_with("doctor", "--config", str(Bench.at(tmp_path, box, basket()).config))
    assert (output.code, output.out.splitlines()[-1]) == (0, "no check fails, 1 warn")


def test_unsupported_fastapi_is_found_without_importing_fastapi(tmp_path: Path, box: Sandbox) -> None:
    """The check reads the installed metadata."""
    newer = tmp_path / "site" / "fastapi-0.151.0.dist-info"
    newer.mkdir(parents=True)
    (newer / "METADATA").write_text("Metadata-Version: 2.4\nName: fastapi\nVersion: 0.151.0\n")
    bench = Bench.at(tmp_path, box, basket())
    done = bench.command("doctor", check=1, PYTHONPATH=str(newer.parent), PREFECT_HOME=str(tmp_path))
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("fail")]
    assert "with fastapi 0.151.0" in line
    assert "Prefect 3.8 does not work with fastapi 0.151 or newer" in line


def test_missing_configuration(tmp_path: Path) -> None:
    output = main_with("doctor", "--config", str(tmp_path / "none.toml"))
    assert output.code == 1
    assert "fail  configuration  there is no configuration at" in output.out
    assert "ok    python" in output.out


def test_configuration_without_a_basket_or_with_a_missing_file(tmp_path: Path, sandbox: Sandbox) -> None:
    no_basket = findings_by_name(Bench.at(tmp_path, sandbox).config)["configuration"]
    no_file = findings_by_name(Bench.at(tmp_path, sandbox, basket(items=["file:none.txt"])).config)[
        "configuration"
    ]
    assert (no_basket.verdict, no_basket.advice) == ("fail", "add a [[baskets]] section")
    assert (no_file.verdict, "none.txt cannot be read" in no_file.seen) == ("fail", True)


@pytest.mark.slow
def test_hanging_checks_end_at_their_deadlines(tmp_path: Path) -> None:
    """Two sources accept a request and send nothing, and another process has locked state.db."""

    async def silent(_head: bytes, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(3600)

    async def serve() -> tuple[dict[str, Finding], float]:
        async with stub_server(silent) as one, stub_server(silent) as two:
            urls = {"one": one.url, "two": two.url}
            bench = Bench.create(tmp_path, urls, basket(source="one"))
            start = time.monotonic()
            findings = await asyncio.to_thread(_check_with_locked_state, bench)
            return findings, time.monotonic() - start

    findings, took = asyncio.run(serve())
    assert took < 240, "the silence lasts longer"
    for name in ("one", "two"):
        assert "no answer in 2 s" in findings[f"{name} address"].seen
    assert findings["alerts"].seen == "no answer in 2.5 s"
    assert findings["disk"].verdict == "ok"


def _check_with_locked_state(bench: Bench) -> dict[str, Finding]:
    bench.paths.prepare()
    AlertStore(open_state(bench.paths))
    other = sqlite3.connect(bench.paths.state, isolation_level=None)
    other.execute("PRAGMA journal_mode = DELETE")
    other.execute("BEGIN EXCLUSIVE")
    try:
        return findings_by_name(bench.config)
    finally:
        other.close()


def test_broken_check_becomes_a_finding() -> None:
    async def break_down() -> list[Finding]:
        raise KeyError("odd")

    (finding,) = asyncio.run(run_check(Check("odd", break_down)))
    assert (finding.name, finding.verdict) == ("odd", "fail")
    assert finding.seen == "this check broke: KeyError: 'odd'"


def test_damaged_state_is_a_finding_beside_the_others(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = Bench.at(tmp_path, sandbox, basket())
    bench.paths.prepare()
    bench.paths.state.write_bytes(b"this is no database, but it is long enough to be read" * 100)
    findings = findings_by_name(bench.config)
    assert findings["state"].verdict == "fail"
    assert findings["state"].seen == f"{bench.paths.state} is damaged: its header is not what was written"
    assert findings["cs2cap key"].verdict == "ok"


def test_check_has_a_deadline() -> None:
    async def slow() -> list[Finding]:
        await asyncio.sleep(30)
        return [ok("slow", "it ended")]

    (finding,) = asyncio.run(run_check(Check("slow", slow, 0.05)))
    assert (finding.name, finding.verdict, finding.seen) == ("slow", "fail", "no answer in 0.05 s")


@pytest.mark.slow
def test_names_of_the_baskets_are_checked_by_the_cached_catalogs(tmp_path: Path, box: Sandbox) -> None:
    """New: doctor was content with a configuration that no run could take."""
    bench = Bench.at(tmp_path, box, basket(currencies=["USD", "EUR"]))
    text = bench.config.read_text("utf-8")

    def check(old: str = "", new: str = "") -> tuple[str, str]:
        bench.config.write_text(text.replace(old, new), "utf-8")
        findings = read_result(main_with("doctor", "--json", "--config", str(bench.config)).out)
        (finding,) = [one for one in findings if one["name"] == "configuration"]
        return finding["verdict"], finding["seen"]

    assert "the first run checks the catalog of items" in check()[1]
    bench.snapshot()
    for old, new, message in (
        ('"steam"', '"steem"', "basket core: no provider is called 'steem'; did you mean 'steam'?"),
        ('"EUR"', '"EUX"', "basket core: no currency is called 'EUX'; did you mean 'EUR'?"),
        ("Redline", "Redlin", "basket core: no item is called"),
    ):
        verdict, seen = check(old, new)
        assert (verdict, message in seen) == ("fail", True)
    assert check('"steam"', '"Steam Community Market"')[0] == "ok"
