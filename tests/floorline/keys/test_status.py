"""The command `floorline key status`: every source's key, checked at no cost of quota."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import REVOKED_KEY, VALID_KEY
from tests.support import patient
from tests.support.json_outputs import read_result
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, CommandOutput, basket, main_with, price_requests


def status(bench: Bench, *arguments: str, code: int = 0) -> CommandOutput:
    """Run `key status`; it must exit with `code` and print no key."""
    output = main_with("key", "status", *arguments, "--config", str(bench.config))
    assert output.code == code, output
    assert VALID_KEY not in output.out + output.err
    return output


def statuses_of(bench: Bench, code: int = 0) -> list[dict[str, Any]]:
    statuses: list[dict[str, Any]] = read_result(status(bench, "--json", code=code).out)
    return statuses


def test_accepted_key_with_plan_usage_and_expiry(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(tier="starter", limits=True, frozen=None)
    box.key(VALID_KEY).expires_at = datetime.now(UTC) + timedelta(days=5, hours=1)
    box.keys.set_remaining(VALID_KEY, 49_000, box.clock.now())
    bench = Bench.at(tmp_path, box, basket())
    (key,) = statuses_of(bench)
    expires_at = datetime.fromisoformat(key.pop("expires_at"))
    assert expires_at == box.key(VALID_KEY).expires_at
    assert key == {
        "source": "cs2cap",
        "key": f"file:{tmp_path / 'cs2cap.key'}",
        "key_tail": VALID_KEY[-4:],
        "accepted": True,
        "problem": None,
        "tier": "starter",
        "sub_key": False,
        "limit_per_minute": 40,
        "limit_per_month": 50_000,
        "requests_used": 1000,
        "days_left": 5.0,
    }
    line = status(bench).out.splitlines()[1]
    assert all(part in line for part in (f"…{VALID_KEY[-4:]}", "yes", "starter", "50,000", "1,000", "5.0"))
    assert box.key(VALID_KEY).used == 1000, "no request of the month was spent"


def test_tier_that_the_api_does_not_tell_is_unknown(bench: Bench, sandbox: Sandbox) -> None:
    sandbox.key(VALID_KEY).limits_reported = False
    (key,) = statuses_of(bench)
    assert (key["accepted"], key["tier"], key["limit_per_minute"]) == (True, None, None)
    assert "unknown" in status(bench).out


def test_problem_of_one_source_does_not_affect_the_others(
    tmp_path: Path, sandbox: Sandbox, make_sandbox: MakeSandbox
) -> None:
    expired = make_sandbox()
    expired.key(VALID_KEY).expires_at = expired.clock.now()
    urls = {"good": sandbox.url, "old": sandbox.url, "late": expired.url, "gone": "http://127.0.0.1:9"}
    bench = Bench.create(tmp_path, {**urls, "none": sandbox.url}, basket(source="good"))
    (tmp_path / "old.key").write_text(REVOKED_KEY)
    (tmp_path / "none.key").unlink()
    good, old, late, gone, none = statuses_of(bench, code=4)
    assert [one["accepted"] for one in (good, old, late, gone, none)] == [True, *[False] * 4]
    assert (good["problem"], good["days_left"]) == (None, None)
    assert "AUTH_API_KEY_REVOKED" in old["problem"]
    assert (old["key_tail"], none["key_tail"]) == (REVOKED_KEY[-4:], "")
    assert "AUTH_INVALID_API_KEY" in late["problem"]
    problem = "gone: the key could not be tested: http://127.0.0.1:9: GET /v1/account/key: connection refused"
    assert gone["problem"] == f"{problem}: nothing listens there"
    assert "No such file" in none["problem"]
    assert len(status(bench, code=4).err.splitlines()) == 4
    assert price_requests(sandbox) == []


def test_sub_key_is_marked(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(tier="quant", limits=True)
    bench = Bench.at(tmp_path, box, basket())
    response = patient.post(
        f"{box.url}/v1/account/sub-keys",
        headers={"Authorization": f"Bearer {VALID_KEY}"},
        json={"name": "bot"},
    )
    (tmp_path / "cs2cap.key").write_text(response.json()["key"])
    (key,) = statuses_of(bench)
    assert (key["sub_key"], key["tier"], key["accepted"]) == (True, "quant", True)
    assert "quant (sub-key)" in status(bench).out


def test_key_without_expiry(tmp_path: Path, sandbox: Sandbox) -> None:
    assert "never" in status(Bench.at(tmp_path, sandbox, basket())).out


def test_configuration_without_a_source_is_a_usage_error(tmp_path: Path) -> None:
    bench = Bench.create(tmp_path, {})
    assert "no source is configured" in status(bench, code=2).err


@pytest.mark.parametrize("seconds", [-86_400, 1])
def test_days_left_are_negative_after_the_expiry(
    tmp_path: Path, make_sandbox: MakeSandbox, seconds: float
) -> None:
    """The source's clock decides whether a key is valid; this machine's clock may be ahead."""
    box = make_sandbox(frozen=datetime.now(UTC) - timedelta(days=30))
    box.key(VALID_KEY).expires_at = datetime.now(UTC) + timedelta(seconds=seconds)
    (key,) = statuses_of(Bench.at(tmp_path, box, basket()))
    assert key["days_left"] == (-1.0 if seconds < 0 else 0.0)
