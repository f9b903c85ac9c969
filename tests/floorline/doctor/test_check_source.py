"""The doctor on a source: its key, its address, its plan and the clock, by one request that costs nothing."""

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
from tests.support.doctor import examined
from tests.support.http_servers import answer, canned
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, basket

pytestmark = pytest.mark.usefixtures("no_prefect")
DATE = "Mon, 01 Jun 2026 12:00:00 GMT"


def put_key(bench: Bench, text: str) -> None:
    (bench.folder / "cs2cap.key").write_text(text)


def behind(folder: Path, response: bytes) -> dict[str, Finding]:
    """What is found where this response is all that base_url has to give."""

    async def serve() -> dict[str, Finding]:
        async with canned(response) as server:
            bench = Bench.written(folder, {"cs2cap": server.url}, basket())
            return await asyncio.to_thread(examined, bench.config)

    return asyncio.run(serve())


def of_source(found: Mapping[str, Finding]) -> dict[str, str]:
    """The verdicts on the source."""
    return {
        name.removeprefix("cs2cap "): one.verdict for name, one in found.items() if name.startswith("cs2cap ")
    }


def test_a_good_key_by_one_request_that_asks_no_price(bench: Bench, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(limits=True)
    bench = Bench.at(bench.folder, box, basket())
    found = examined(bench.config)
    assert of_source(found) == dict.fromkeys(("address", "key", "plan", "expiry", "clock"), "ok")
    assert found["cs2cap plan"].seen == "tier pro, 100 requests a minute, 500,000 a month, 0 used"
    assert "…0001 from file:" in found["cs2cap key"].seen
    assert [entry.path for entry in box.requests.since(0)] == ["/v1/account/key"]
    assert VALID_KEY not in str(found)


def test_no_key(bench: Bench, sandbox: Sandbox) -> None:
    (bench.folder / "cs2cap.key").unlink()
    key = examined(bench.config)["cs2cap key"]
    assert key.verdict == "fail"
    assert "cannot be read: No such file" in key.seen
    assert "Set the key where the configuration looks for it" in key.advice
    assert len(sandbox.requests) == 0


def test_a_key_file_that_others_can_read(bench: Bench) -> None:
    (bench.folder / "cs2cap.key").chmod(0o644)
    key = examined(bench.config)["cs2cap key"]
    assert (key.verdict, "chmod 600" in key.seen) == ("fail", True)


def test_a_key_in_a_block_without_prefect(bench: Bench) -> None:
    text = bench.config.read_text()
    bench.config.write_text(text.replace(f"file:{bench.folder / 'cs2cap.key'}", "block:cs2cap"))
    key = examined(bench.config)["cs2cap key"]
    assert (key.verdict, "no Prefect API is configured" in key.seen) == ("fail", True)


@pytest.mark.parametrize(
    ("text", "code", "advice"),
    [
        (REVOKED_KEY, "AUTH_API_KEY_REVOKED (HTTP 401)", "Issue a new key"),
        (DISABLED_KEY, "AUTH_ACCOUNT_DISABLED (HTTP 403)", "support"),
        ("cs2c_live_nobody_knows_this_one", "AUTH_INVALID_API_KEY (HTTP 401)", "Copy the key again"),
    ],
)
def test_a_key_that_is_not_accepted(
    bench: Bench, sandbox: Sandbox, text: str, code: str, advice: str
) -> None:
    put_key(bench, text)
    found = examined(bench.config)
    assert of_source(found) == {"address": "ok", "key": "fail", "clock": "ok"}
    assert code in found["cs2cap key"].seen
    assert f"…{text[-4:]}" in found["cs2cap key"].seen
    assert advice in found["cs2cap key"].advice
    assert text not in str(found)
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize(
    ("left", "verdict", "seen"),
    [
        (timedelta(days=30), "ok", "ends 2026-07-01 12:00 UTC, in 30d"),
        (timedelta(days=7, seconds=60), "ok", "in 7d"),
        (timedelta(days=7), "warn", "ends 2026-06-08 12:00 UTC, in 7d"),
        (timedelta(hours=3), "warn", "in 3h"),
    ],
)
def test_a_key_that_ends(bench: Bench, sandbox: Sandbox, left: timedelta, verdict: str, seen: str) -> None:
    sandbox.key(VALID_KEY).expires_at = NOON + left
    expiry = examined(bench.config)["cs2cap expiry"]
    assert (expiry.verdict, seen in expiry.seen) == (verdict, True), expiry
    assert bool(expiry.advice) == (verdict != "ok")


def test_a_key_that_has_ended(bench: Bench, sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.key(VALID_KEY).expires_at = NOON
    assert examined(bench.config)["cs2cap key"].verdict == "fail"
    told = {"key": {"is_active": True, "expires_at": "2026-05-31T12:00:00Z"}}
    found = behind(tmp_path, answer(json.dumps(told).encode(), date=DATE))
    assert found["cs2cap expiry"].verdict == "fail"
    assert "ended 2026-05-31 12:00 UTC" in found["cs2cap expiry"].seen


def test_a_key_ends_by_the_servers_clock(bench: Bench, sandbox: Sandbox) -> None:
    sandbox.key(VALID_KEY).expires_at = NOON + timedelta(days=8)
    clock = VirtualClock()
    clock.time = 5 * 86_400
    assert examined(bench.config, clock)["cs2cap expiry"].verdict == "ok"


def test_a_key_that_is_switched_off(tmp_path: Path) -> None:
    found = behind(tmp_path, answer(b'{"key": {"is_active": false}}', date=DATE))
    assert found["cs2cap key"].verdict == "fail"
    assert "not active" in found["cs2cap key"].seen


@pytest.mark.parametrize(("left", "verdict"), [(0, "fail"), (50_000, "warn"), (50_001, "ok")])
def test_how_much_of_the_month_is_left(
    tmp_path: Path, make_sandbox: MakeSandbox, left: int, verdict: str
) -> None:
    box = make_sandbox(limits=True)
    box.keys.set_remaining(VALID_KEY, left, NOON)
    plan = examined(Bench.at(tmp_path, box, basket()).config)["cs2cap plan"]
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
def test_a_clock_that_is_off(bench: Bench, off: float, verdict: str, seen: str) -> None:
    clock = VirtualClock()
    clock.time = off
    found = examined(bench.config, clock)["cs2cap clock"]
    assert (found.verdict, seen in found.seen) == (verdict, True), found


def test_a_clock_is_compared_although_the_key_is_rejected(bench: Bench, sandbox: Sandbox) -> None:
    sandbox.fault("skewed_date", path="/v1/account/key", seconds=3600)
    put_key(bench, REVOKED_KEY)
    clock = examined(bench.config)["cs2cap clock"]
    assert (clock.verdict, clock.seen) == ("fail", "1h behind the server's")


def test_a_server_that_tells_no_time(tmp_path: Path) -> None:
    found = behind(tmp_path, answer(b'{"key": {"is_active": true}}'))
    assert of_source(found) == {"address": "ok", "key": "ok", "plan": "ok", "expiry": "ok"}


def test_nobody_listens(tmp_path: Path) -> None:
    found = examined(Bench.written(tmp_path, {"cs2cap": "http://127.0.0.1:9"}, basket()).config)
    assert of_source(found) == {"address": "fail", "key": "warn"}
    assert found["cs2cap address"].seen.startswith("http://127.0.0.1:9: ")
    assert "network" in found["cs2cap address"].advice
    assert "could not be tried" in found["cs2cap key"].seen


def test_a_path_too_many(tmp_path: Path, sandbox: Sandbox) -> None:
    found = examined(Bench.written(tmp_path, {"cs2cap": f"{sandbox.url}/v1"}, basket()).config)
    assert of_source(found) == {"address": "fail", "key": "warn"}
    assert "it answers, but not as the API does: HTTP 404: Not Found" in found["cs2cap address"].seen
    assert "host and path" in found["cs2cap address"].advice


@pytest.mark.parametrize(
    "response",
    [
        answer(b"<html>Welcome</html>", content_type="text/html"),
        answer(b'{"status": "ok"}'),
        answer(b"", "302 Found", location="https://login.example.com/"),
        answer(b"", "503 Service Unavailable"),
    ],
    ids=["a page", "other JSON", "a redirect", "down"],
)
def test_another_server(tmp_path: Path, response: bytes) -> None:
    found = behind(tmp_path, response)
    assert of_source(found) == {"address": "fail", "key": "warn"}


def test_a_rejection_that_is_not_the_apis(tmp_path: Path) -> None:
    found = behind(tmp_path, answer(b"", "401 Unauthorized"))
    assert of_source(found) == {"address": "warn", "key": "fail"}
    assert "not with a code of this API" in found["cs2cap address"].seen


@pytest.mark.parametrize("url", ["http://api.cs2c.app", "ftp://127.0.0.1", "https://me:secret@api.cs2c.app"])
def test_an_address_that_no_key_may_be_sent_to(tmp_path: Path, url: str) -> None:
    found = examined(Bench.written(tmp_path, {"cs2cap": url}, basket()).config)
    assert of_source(found) == {"address": "fail"}
    assert "secret" not in str(found)


def test_a_burst_says_nothing_against_the_key(bench: Bench, sandbox: Sandbox) -> None:
    sandbox.fault("rate_limited", path="/v1/account/key", retry_after=60)
    found = examined(bench.config)
    assert of_source(found) == {"address": "ok", "key": "warn", "clock": "ok"}
    assert len(sandbox.requests) == 1


def test_every_source_is_looked_at(tmp_path: Path, sandbox: Sandbox, make_sandbox: MakeSandbox) -> None:
    other = make_sandbox()
    other.key(VALID_KEY, "revoked")
    found = examined(Bench.at(tmp_path, {"one": sandbox, "two": other}, basket(source="one")).config)
    assert (found["one key"].verdict, found["two key"].verdict) == ("ok", "fail")
