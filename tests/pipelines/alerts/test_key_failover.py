"""Key failover of SkinShark: the next key replaces a revoked first key, and an alert says so."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from floorline.doctor.findings import Finding
from sandbox.core import Sandbox
from sandbox.skinshark.merchant import FIRST_KEY, SECOND_KEY
from tests.support.doctor import findings_by_name
from tests.support.json_outputs import read_result
from tests.support.skinshark import configure_both_sources, skinshark_basket, write_key
from tests.support.snapshots import REDLINE, Bench, main_with

pytestmark = pytest.mark.usefixtures("no_prefect")
THIRD_KEY = "sk_live_sandbox_third_00000003"


@pytest.fixture
def bench(tmp_path: Path, sandbox: Sandbox) -> Bench:
    bench = configure_both_sources(tmp_path, sandbox, skinshark_basket(items=[REDLINE]))
    write_key(tmp_path, "next", SECOND_KEY)
    return bench


def snapshot(bench: Bench) -> str:
    (result,) = bench.snapshot()
    return f"{result.state} {result.key_tail}"


def causes(bench: Bench) -> list[str]:
    return sorted(alert.cause for alert in bench.alerts())


def pop_attempts(box: Sandbox) -> list[tuple[str | None, int | None]]:
    """Return the key tails and statuses of the account requests so far, and clear the log."""
    attempts = [(entry.key, entry.status) for entry in box.skinshark.requests.of_path("/merchant")]
    box.skinshark.requests.clear()
    return attempts


def test_first_key_is_used_while_it_is_accepted(bench: Bench, sandbox: Sandbox) -> None:
    assert snapshot(bench) == "done 0001"
    assert (causes(bench), pop_attempts(sandbox)) == ([], [("0001", 200)])


@pytest.mark.parametrize("state", ["revoked", "unknown"])
def test_next_key_takes_over_in_the_same_run(bench: Bench, sandbox: Sandbox, state: str) -> None:
    if state == "revoked":
        sandbox.skinshark.merchant.revoke()
    else:
        del sandbox.skinshark.merchant.keys[FIRST_KEY]
    assert snapshot(bench) == "done 0002"
    assert pop_attempts(sandbox) == [("0001", 401), ("0002", 200)]
    (alert,) = bench.alerts()
    assert (alert.cause, alert.source) == ("key.next", "skinshark")
    assert "…0001 is no longer accepted, and …0002 takes its place" in alert.message
    assert "key_next" in (alert.guidance or "")
    assert FIRST_KEY not in str(alert)
    assert SECOND_KEY not in str(alert)


def test_revoked_key_is_not_sent_again(bench: Bench, sandbox: Sandbox) -> None:
    sandbox.skinshark.merchant.revoke()
    snapshot(bench)
    pop_attempts(sandbox)
    assert snapshot(bench) == "done 0002"
    assert pop_attempts(sandbox) == [("0002", 200)]
    assert causes(bench) == ["key.next"]


def test_failover_is_over_once_the_new_key_is_the_first(bench: Bench, sandbox: Sandbox) -> None:
    sandbox.skinshark.merchant.revoke()
    snapshot(bench)
    write_key(bench.folder, "skinshark", SECOND_KEY)
    (bench.folder / "next.key").unlink()
    assert snapshot(bench) == "done 0002"
    assert causes(bench) == []


def test_changed_first_key_is_tried_at_once(bench: Bench, sandbox: Sandbox) -> None:
    sandbox.skinshark.merchant.revoke()
    snapshot(bench)
    pop_attempts(sandbox)
    sandbox.skinshark.merchant.restore(THIRD_KEY)
    write_key(bench.folder, "skinshark", THIRD_KEY)
    assert snapshot(bench) == "done 0003"
    assert (pop_attempts(sandbox), causes(bench)) == ([("0003", 200)], [])


def test_restored_first_key_is_used_once_the_alert_is_cleared(bench: Bench, sandbox: Sandbox) -> None:
    sandbox.skinshark.merchant.revoke()
    snapshot(bench)
    sandbox.skinshark.merchant.restore()
    (alert,) = bench.alerts()
    assert main_with("alerts", "clear", str(alert.alert_id), "--config", str(bench.config)).code == 0
    assert snapshot(bench) == "done 0001"
    assert causes(bench) == []


def test_two_revoked_keys_are_an_auth_failure_and_not_sent_again(bench: Bench, sandbox: Sandbox) -> None:
    sandbox.skinshark.merchant.revoke(FIRST_KEY)
    sandbox.skinshark.merchant.revoke(SECOND_KEY)
    assert snapshot(bench) == "auth_failed 0002"
    assert pop_attempts(sandbox) == [("0001", 401), ("0002", 401)]
    assert causes(bench) == ["auth.failed", "key.next"]
    assert snapshot(bench) == "auth_failed 0002"
    assert len(sandbox.skinshark.requests) == 0


def test_key_revoked_during_a_run_is_replaced_in_the_next_run(bench: Bench, sandbox: Sandbox) -> None:
    snapshot(bench)
    sandbox.skinshark.fault("API_KEY_REVOKED")
    assert snapshot(bench) == "auth_failed 0001"
    assert causes(bench) == ["auth.failed"]
    pop_attempts(sandbox)
    assert snapshot(bench) == "done 0002"
    assert pop_attempts(sandbox) == [("0002", 200)]
    assert causes(bench) == ["key.next"]


def test_revoked_key_without_a_next_key_ends_the_run(bench: Bench, sandbox: Sandbox) -> None:
    (bench.folder / "next.key").unlink()
    sandbox.skinshark.merchant.revoke()
    assert snapshot(bench) == "auth_failed 0001"
    assert causes(bench) == ["auth.failed"]


@pytest.mark.parametrize("wrong", ["pinned", "suspended"])
def test_other_rejections_do_not_change_the_key(bench: Bench, sandbox: Sandbox, wrong: str) -> None:
    merchant = sandbox.skinshark.merchant
    if wrong == "pinned":
        merchant.pin("203.0.113.7")
    else:
        merchant.state = wrong
    assert snapshot(bench) == "auth_failed 0001"
    assert causes(bench) == ["auth.failed"]
    assert pop_attempts(sandbox) == [("0001", 403)]


def verdicts(findings: Mapping[str, Finding]) -> dict[str, str]:
    return {
        name.removeprefix("skinshark "): finding.verdict
        for name, finding in findings.items()
        if name.startswith("skinshark ")
    }


def test_doctor_checks_both_keys(bench: Bench, sandbox: Sandbox) -> None:
    assert verdicts(findings_by_name(bench.config)) == dict.fromkeys(
        ("address", "key", "plan", "expiry", "clock", "next key"), "ok"
    )
    assert sorted(pop_attempts(sandbox)) == [("0001", 200), ("0002", 200)]


def test_doctor_only_warns_of_a_revoked_key_that_has_a_successor(bench: Bench, sandbox: Sandbox) -> None:
    sandbox.skinshark.merchant.revoke(FIRST_KEY)
    findings = findings_by_name(bench.config)
    assert (findings["skinshark key"].verdict, findings["skinshark next key"].verdict) == ("warn", "ok")
    assert "API_KEY_REVOKED (HTTP 401)" in findings["skinshark key"].seen
    sandbox.skinshark.merchant.revoke(SECOND_KEY)
    findings = findings_by_name(bench.config)
    assert (findings["skinshark key"].verdict, findings["skinshark next key"].verdict) == ("fail", "fail")


def test_key_status_shows_both_keys(bench: Bench, sandbox: Sandbox) -> None:
    sandbox.skinshark.merchant.revoke(FIRST_KEY)
    output = main_with("key", "status", "--json", "--config", str(bench.config))
    statuses = {
        status["key_tail"]: status for status in read_result(output.out) if status["source"] == "skinshark"
    }
    assert {tail: status["accepted"] for tail, status in statuses.items()} == {"0001": False, "0002": True}
    assert statuses["0002"]["key"] == f"file:{bench.folder / 'next.key'}"
    assert "API_KEY_REVOKED" in statuses["0001"]["problem"]


def test_rotation_of_a_skinshark_key_is_refused(bench: Bench, sandbox: Sandbox) -> None:
    output = main_with("key", "rotate", "skinshark", "--yes", "--config", str(bench.config))
    assert output.code == 2
    assert "create a second key in the dashboard" in output.err
    assert len(sandbox.skinshark.requests) == 0
