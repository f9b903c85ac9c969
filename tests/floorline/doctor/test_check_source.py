"""The doctor's checks of a source: its key, address, plan and clock, with one request that costs no quota."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from floorline.doctor.findings import Finding
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import DISABLED_KEY, REVOKED_KEY, VALID_KEY
from tests.support.clocks import NOON, VirtualClock
from tests.support.doctor import findings_by_name
from tests.support.http_servers import http_response, stub_server
from tests.support.sandboxes import MakeSandbox
from tests.support.skinshark import configure_both_sources
from tests.support.snapshots import Bench, basket

pytestmark = pytest.mark.usefixtures("no_prefect")
DATE = "Mon, 01 Jun 2026 12:00:00 GMT"


def write_key(bench: Bench, text: str) -> None:
    (bench.folder / "cs2cap.key").write_text(text)


def findings_for_response(folder: Path, response: bytes) -> dict[str, Finding]:
    """Run the doctor against a server that sends this response to every request."""

    async def serve() -> dict[str, Finding]:
        async with stub_server(response) as server:
            bench = Bench.create(folder, {"cs2cap": server.url}, basket())
            return await asyncio.to_thread(findings_by_name, bench.config)

    return asyncio.run(serve())


def verdicts(findings: Mapping[str, Finding]) -> dict[str, str]:
    """Return the verdicts on the source."""
    return {
        name.removeprefix("cs2cap "): finding.verdict
        for name, finding in findings.items()
        if name.startswith("cs2cap ")
    }


def test_valid_key_needs_one_request_and_no_prices(bench: Bench, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(limits=True)
    bench = Bench.at(bench.folder, box, basket())
    findings = findings_by_name(bench.config)
    assert verdicts(findings) == dict.fromkeys(("address", "key", "plan", "expiry", "clock"), "ok")
    assert findings["cs2cap plan"].seen == "tier pro, 100 requests per minute, 500,000 per month, 0 used"
    assert "…0001 from file:" in findings["cs2cap key"].seen
    assert [entry.path for entry in box.requests.since(0)] == ["/v1/account/key"]
    assert VALID_KEY not in str(findings)


def test_missing_key_file(bench: Bench, sandbox: Sandbox) -> None:
    (bench.folder / "cs2cap.key").unlink()
    key = findings_by_name(bench.config)["cs2cap key"]
    assert key.verdict == "fail"
    assert "cannot be read: No such file" in key.seen
    assert "Set the key where the configuration looks for it" in key.advice
    assert len(sandbox.requests) == 0


def test_key_file_that_others_can_read(bench: Bench) -> None:
    (bench.folder / "cs2cap.key").chmod(0o644)
    key = findings_by_name(bench.config)["cs2cap key"]
    assert (key.verdict, "chmod 600" in key.seen) == ("fail", True)


def test_key_in_a_block_without_prefect(bench: Bench) -> None:
    text = bench.config.read_text()
    bench.config.write_text(text.replace(f"file:{bench.folder / 'cs2cap.key'}", "block:cs2cap"))
    key = findings_by_name(bench.config)["cs2cap key"]
    assert (key.verdict, "no Prefect API is configured" in key.seen) == ("fail", True)


@pytest.mark.parametrize(
    ("text", "code", "advice"),
    [
        (REVOKED_KEY, "AUTH_API_KEY_REVOKED (HTTP 401)", "Issue a new key"),
        (DISABLED_KEY, "AUTH_ACCOUNT_DISABLED (HTTP 403)", "support"),
        ("cs2c_live_nobody_knows_this_one", "AUTH_INVALID_API_KEY (HTTP 401)", "Copy the key again"),
    ],
)
def test_rejected_key(bench: Bench, sandbox: Sandbox, text: str, code: str, advice: str) -> None:
    write_key(bench, text)
    findings = findings_by_name(bench.config)
    assert verdicts(findings) == {"address": "ok", "key": "fail", "clock": "ok"}
    assert code in findings["cs2cap key"].seen
    assert f"…{text[-4:]}" in findings["cs2cap key"].seen
    assert advice in findings["cs2cap key"].advice
    assert text not in str(findings)
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize(
    ("left", "verdict", "seen"),
    [
        (timedelta(days=30), "ok", "expires on 2026-07-01 12:00 UTC, in 30d"),
        (timedelta(days=7, seconds=60), "ok", "in 7d"),
        (timedelta(days=7), "warn", "expires on 2026-06-08 12:00 UTC, in 7d"),
        (timedelta(hours=3), "warn", "in 3h"),
    ],
)
def test_key_that_expires_soon(
    bench: Bench, sandbox: Sandbox, left: timedelta, verdict: str, seen: str
) -> None:
    sandbox.key(VALID_KEY).expires_at = NOON + left
    expiry = findings_by_name(bench.config)["cs2cap expiry"]
    assert (expiry.verdict, seen in expiry.seen) == (verdict, True), expiry
    assert bool(expiry.advice) == (verdict != "ok")


def test_expired_key(bench: Bench, sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.key(VALID_KEY).expires_at = NOON
    assert findings_by_name(bench.config)["cs2cap key"].verdict == "fail"
    body = {"key": {"is_active": True, "expires_at": "2026-05-31T12:00:00Z"}}
    findings = findings_for_response(tmp_path, http_response(json.dumps(body).encode(), date=DATE))
    assert findings["cs2cap expiry"].verdict == "fail"
    assert "expired on 2026-05-31 12:00 UTC" in findings["cs2cap expiry"].seen


def test_expiry_is_compared_with_the_servers_clock(bench: Bench, sandbox: Sandbox) -> None:
    sandbox.key(VALID_KEY).expires_at = NOON + timedelta(days=8)
    clock = VirtualClock()
    clock.time = 5 * 86_400
    assert findings_by_name(bench.config, clock)["cs2cap expiry"].verdict == "ok"


def test_inactive_key(tmp_path: Path) -> None:
    findings = findings_for_response(tmp_path, http_response(b'{"key": {"is_active": false}}', date=DATE))
    assert findings["cs2cap key"].verdict == "fail"
    assert "not active" in findings["cs2cap key"].seen


@pytest.mark.parametrize(("tier", "verdict"), [("auto", "warn"), ("starter", "ok")])
def test_account_that_tells_no_limits_needs_a_configured_tier(
    tmp_path: Path, make_sandbox: MakeSandbox, tier: str, verdict: str
) -> None:
    box = make_sandbox()
    box.key(VALID_KEY).limits_reported = False
    plan = findings_by_name(Bench.at(tmp_path, box, basket(), source={"tier": tier}).config)["cs2cap plan"]
    assert plan.verdict == verdict
    assert "reports neither the tier nor the limits" in plan.seen
    assert ("tier starter by the configuration" in plan.seen) == (tier == "starter")


@pytest.mark.parametrize(("left", "verdict"), [(0, "fail"), (50_000, "warn"), (50_001, "ok")])
def test_plan_warns_when_the_month_is_nearly_used_up(
    tmp_path: Path, make_sandbox: MakeSandbox, left: int, verdict: str
) -> None:
    box = make_sandbox(limits=True)
    box.keys.set_remaining(VALID_KEY, left, NOON)
    plan = findings_by_name(Bench.at(tmp_path, box, basket()).config)["cs2cap plan"]
    assert (plan.verdict, f"{500_000 - left:,} used" in plan.seen) == (verdict, True)


@pytest.mark.parametrize(
    ("off", "verdict", "seen"),
    [
        (-600, "fail", "10m behind the server's"),
        (600, "fail", "ahead of the server's"),
        (200, "warn", "3m ahead of the server's"),
        (-40, "warn", "behind the server's"),
        (25, "ok", "within 30s"),
        (-25, "ok", "within 30s"),
    ],
)
def test_clock_skew(bench: Bench, off: float, verdict: str, seen: str) -> None:
    clock = VirtualClock()
    clock.time = off
    finding = findings_by_name(bench.config, clock)["cs2cap clock"]
    assert (finding.verdict, seen in finding.seen) == (verdict, True), finding


def test_clock_is_checked_even_if_the_key_is_rejected(bench: Bench, sandbox: Sandbox) -> None:
    sandbox.fault("skewed_date", path="/v1/account/key", seconds=3600)
    write_key(bench, REVOKED_KEY)
    clock = findings_by_name(bench.config)["cs2cap clock"]
    assert (clock.verdict, clock.seen) == ("fail", "1h behind the server's")


def test_response_without_a_date_gives_no_finding_about_the_clock(tmp_path: Path) -> None:
    findings = findings_for_response(tmp_path, http_response(b'{"key": {"is_active": true}}'))
    assert verdicts(findings) == {"address": "ok", "key": "ok", "plan": "warn", "expiry": "ok"}


def test_unreachable_address(tmp_path: Path) -> None:
    findings = findings_by_name(Bench.create(tmp_path, {"cs2cap": "http://127.0.0.1:9"}, basket()).config)
    assert verdicts(findings) == {"address": "fail", "key": "warn"}
    assert findings["cs2cap address"].seen.startswith("http://127.0.0.1:9: ")
    assert "network" in findings["cs2cap address"].advice
    assert "could not be tested" in findings["cs2cap key"].seen


def test_base_url_with_a_wrong_path(tmp_path: Path, sandbox: Sandbox) -> None:
    findings = findings_by_name(Bench.create(tmp_path, {"cs2cap": f"{sandbox.url}/api"}, basket()).config)
    assert verdicts(findings) == {"address": "fail", "key": "warn"}
    assert "is not this API: it has no GET /v1/account/key (404 Not Found)" in findings["cs2cap address"].seen
    assert "check base_url" in findings["cs2cap address"].advice


@pytest.mark.parametrize(
    "response",
    [
        http_response(b"<html>Welcome</html>", content_type="text/html"),
        http_response(b'{"status": "ok"}'),
        http_response(b"", "302 Found", location="https://login.example.com/"),
        http_response(b"", "503 Service Unavailable"),
        http_response(b"", "401 Unauthorized"),
        http_response(b"<html>Blocked</html>", "403 Forbidden", content_type="text/html"),
    ],
    ids=["a page", "other JSON", "a redirect", "down", "an empty 401", "a page of a firewall"],
)
def test_response_of_another_server(tmp_path: Path, response: bytes) -> None:
    findings = findings_for_response(tmp_path, response)
    assert verdicts(findings) == {"address": "fail", "key": "warn"}


def test_rejection_without_a_code_of_the_api(tmp_path: Path) -> None:
    findings = findings_for_response(tmp_path, http_response(b'{"detail": "No"}', "401 Unauthorized"))
    assert verdicts(findings) == {"address": "warn", "key": "fail"}
    assert "without a code of this API" in findings["cs2cap address"].seen


@pytest.mark.parametrize("url", ["http://api.cs2c.app", "ftp://127.0.0.1", "https://me:secret@api.cs2c.app"])
def test_address_that_no_key_may_be_sent_to(tmp_path: Path, url: str) -> None:
    findings = findings_by_name(Bench.create(tmp_path, {"cs2cap": url}, basket()).config)
    assert findings["configuration"].verdict == "fail"
    assert "source cs2cap: base_url must" in findings["configuration"].seen
    assert "secret" not in str(findings)


def test_rate_limited_request_is_only_a_warning(bench: Bench, sandbox: Sandbox) -> None:
    sandbox.fault("rate_limited", path="/v1/account/key", retry_after=60)
    findings = findings_by_name(bench.config)
    assert verdicts(findings) == {"address": "ok", "key": "warn", "clock": "ok"}
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("key", ["FORBIDDEN", "SOMETHING_NEW"])
def test_forbidden_route_is_only_a_warning(tmp_path: Path, sandbox: Sandbox, key: str) -> None:
    sandbox.skinshark.fault("error", path="/merchant", params={"key": key, "status": 403})
    findings = findings_by_name(configure_both_sources(tmp_path, sandbox, basket()).config)
    assert findings["skinshark address"].verdict == "ok"
    assert (findings["skinshark key"].verdict, key in findings["skinshark key"].seen) == ("warn", True)
    assert "Only this route" in findings["skinshark key"].advice


def test_every_source_is_checked(tmp_path: Path, sandbox: Sandbox, make_sandbox: MakeSandbox) -> None:
    other = make_sandbox()
    other.key(VALID_KEY, "revoked")
    findings = findings_by_name(
        Bench.at(tmp_path, {"one": sandbox, "two": other}, basket(source="one")).config
    )
    assert (findings["one key"].verdict, findings["two key"].verdict) == ("ok", "fail")
