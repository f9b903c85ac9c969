"""While SkinShark's keys change over: the next one takes the place of a revoked one, and is told of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from floorline.doctor.findings import Finding
from sandbox.core import Sandbox
from sandbox.skinshark.merchant import FIRST_KEY, SECOND_KEY
from tests.support.doctor import findings_by_name
from tests.support.skinshark import configure_both_sources, skinshark_basket, write_key
from tests.support.snapshots import REDLINE, Bench, main_with

pytestmark = pytest.mark.usefixtures("no_prefect")
THIRD_KEY = "sk_live_sandbox_third_00000003"


@pytest.fixture
def bench(tmp_path: Path, sandbox: Sandbox) -> Bench:
    bench = configure_both_sources(tmp_path, sandbox, skinshark_basket(items=[REDLINE]))
    write_key(tmp_path, "next", SECOND_KEY)
    return bench


def take(bench: Bench) -> str:
    (result,) = bench.snapshot()
    return f"{result.state} {result.key_tail}"


def causes(bench: Bench) -> list[str]:
    return sorted(alert.cause for alert in bench.alerts())


def tried(box: Sandbox) -> list[tuple[str | None, int | None]]:
    """Whose key was sent for the account, and what came of it; the log is empty then."""
    found = [(entry.key, entry.status) for entry in box.skinshark.requests.of_path("/merchant")]
    box.skinshark.requests.clear()
    return found


def test_the_first_key_is_used_while_it_is_good(bench: Bench, sandbox: Sandbox) -> None:
    assert take(bench) == "done 0001"
    assert (causes(bench), tried(sandbox)) == ([], [("0001", 200)])


@pytest.mark.parametrize("state", ["revoked", "unknown"])
def test_the_next_one_takes_over_in_the_same_run(bench: Bench, sandbox: Sandbox, state: str) -> None:
    if state == "revoked":
        sandbox.skinshark.merchant.revoke()
    else:
        del sandbox.skinshark.merchant.keys[FIRST_KEY]
    assert take(bench) == "done 0002"
    assert tried(sandbox) == [("0001", 401), ("0002", 200)]
    (alert,) = bench.alerts()
    assert (alert.cause, alert.source) == ("key.next", "skinshark")
    assert "…0001 is no longer accepted, and …0002 takes its place" in alert.message
    assert "key_next" in (alert.guidance or "")
    assert FIRST_KEY not in str(alert)
    assert SECOND_KEY not in str(alert)


def test_a_revoked_key_is_not_sent_again(bench: Bench, sandbox: Sandbox) -> None:
    sandbox.skinshark.merchant.revoke()
    take(bench)
    tried(sandbox)
    assert take(bench) == "done 0002"
    assert tried(sandbox) == [("0002", 200)]
    assert causes(bench) == ["key.next"]


def test_it_is_over_once_the_new_key_stands_in_the_first_place(bench: Bench, sandbox: Sandbox) -> None:
    sandbox.skinshark.merchant.revoke()
    take(bench)
    write_key(bench.folder, "skinshark", SECOND_KEY)
    (bench.folder / "next.key").unlink()
    assert take(bench) == "done 0002"
    assert causes(bench) == []


def test_another_first_key_is_tried_at_once(bench: Bench, sandbox: Sandbox) -> None:
    sandbox.skinshark.merchant.revoke()
    take(bench)
    tried(sandbox)
    sandbox.skinshark.merchant.restore(THIRD_KEY)
    write_key(bench.folder, "skinshark", THIRD_KEY)
    assert take(bench) == "done 0003"
    assert (tried(sandbox), causes(bench)) == ([("0003", 200)], [])


def test_a_first_key_that_is_good_again_is_used_once_the_alert_is_cleared(
    bench: Bench, sandbox: Sandbox
) -> None:
    sandbox.skinshark.merchant.revoke()
    take(bench)
    sandbox.skinshark.merchant.restore()
    (alert,) = bench.alerts()
    assert main_with("alerts", "clear", str(alert.alert_id), "--config", str(bench.config)).code == 0
    assert take(bench) == "done 0001"
    assert causes(bench) == []


def test_both_revoked_is_an_auth_failure_and_neither_is_sent_again(bench: Bench, sandbox: Sandbox) -> None:
    sandbox.skinshark.merchant.revoke(FIRST_KEY)
    sandbox.skinshark.merchant.revoke(SECOND_KEY)
    assert take(bench) == "auth_failed 0002"
    assert tried(sandbox) == [("0001", 401), ("0002", 401)]
    assert causes(bench) == ["auth.failed", "key.next"]
    assert take(bench) == "auth_failed 0002"
    assert len(sandbox.skinshark.requests) == 0


def test_a_key_revoked_during_a_run_is_followed_in_the_next(bench: Bench, sandbox: Sandbox) -> None:
    take(bench)
    sandbox.skinshark.fault("API_KEY_REVOKED")
    assert take(bench) == "auth_failed 0001"
    assert causes(bench) == ["auth.failed"]
    tried(sandbox)
    assert take(bench) == "done 0002"
    assert tried(sandbox) == [("0002", 200)]
    assert causes(bench) == ["key.next"]


def test_without_a_next_key_a_revoked_one_ends_the_run(bench: Bench, sandbox: Sandbox) -> None:
    (bench.folder / "next.key").unlink()
    sandbox.skinshark.merchant.revoke()
    assert take(bench) == "auth_failed 0001"
    assert causes(bench) == ["auth.failed"]


@pytest.mark.parametrize("wrong", ["pinned", "suspended"])
def test_what_is_not_the_keys_fault_changes_no_key(bench: Bench, sandbox: Sandbox, wrong: str) -> None:
    merchant = sandbox.skinshark.merchant
    if wrong == "pinned":
        merchant.pin("203.0.113.7")
    else:
        merchant.state = wrong
    assert take(bench) == "auth_failed 0001"
    assert causes(bench) == ["auth.failed"]
    assert tried(sandbox) == [("0001", 403)]


def verdicts(found: Mapping[str, Finding]) -> dict[str, str]:
    return {
        name.removeprefix("skinshark "): one.verdict
        for name, one in found.items()
        if name.startswith("skinshark ")
    }


def test_the_doctor_tries_both_keys(bench: Bench, sandbox: Sandbox) -> None:
    assert verdicts(findings_by_name(bench.config)) == dict.fromkeys(
        ("address", "key", "plan", "expiry", "clock", "next key"), "ok"
    )
    assert sorted(tried(sandbox)) == [("0001", 200), ("0002", 200)]


def test_the_doctor_only_warns_of_a_revoked_key_that_is_followed(bench: Bench, sandbox: Sandbox) -> None:
    sandbox.skinshark.merchant.revoke(FIRST_KEY)
    found = findings_by_name(bench.config)
    assert (found["skinshark key"].verdict, found["skinshark next key"].verdict) == ("warn", "ok")
    assert "API_KEY_REVOKED (HTTP 401)" in found["skinshark key"].seen
    sandbox.skinshark.merchant.revoke(SECOND_KEY)
    found = findings_by_name(bench.config)
    assert (found["skinshark key"].verdict, found["skinshark next key"].verdict) == ("fail", "fail")


def test_key_status_shows_both(bench: Bench, sandbox: Sandbox) -> None:
    sandbox.skinshark.merchant.revoke(FIRST_KEY)
    said = main_with("key", "status", "--json", "--config", str(bench.config))
    shown = {one["key_tail"]: one for one in json.loads(said.out) if one["source"] == "skinshark"}
    assert {tail: one["accepted"] for tail, one in shown.items()} == {"0001": False, "0002": True}
    assert shown["0002"]["key"] == f"file:{bench.folder / 'next.key'}"
    assert "API_KEY_REVOKED" in shown["0001"]["problem"]


def test_a_key_is_not_issued_anew_by_the_api(bench: Bench, sandbox: Sandbox) -> None:
    said = main_with("key", "rotate", "skinshark", "--yes", "--config", str(bench.config))
    assert said.code == 2
    assert "create a second one in the dashboard" in said.err
    assert len(sandbox.skinshark.requests) == 0
