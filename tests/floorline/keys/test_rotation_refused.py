"""A refused `floorline key rotate` revokes nothing, says so, and leaves the key where it is."""

from __future__ import annotations

import pytest

from common.errors import ConnectFailed
from floorline.keys.rotation import explain_refusal
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.key_rotation import REISSUE, backup_files, key_file, rotate
from tests.support.sandboxes import HttpGet
from tests.support.snapshots import Bench

HOLDS = "no new key was issued and nothing was revoked: the old key still holds"
VERIFY = "Verify the email address of the account in the source's dashboard, then run the command again"
DASHBOARD = "Issue the key in the source's dashboard, or contact the source's support"


def assert_refused(bench: Bench, sandbox: Sandbox, http_get: HttpGet, *, code: int, parts: list[str]) -> None:
    """Rotate, which must exit with `code`, say all `parts` on one line, and change nothing."""
    output = rotate(bench, code=code)
    (warning, line) = output.err.splitlines()
    assert "are revoked at once" in warning
    assert [part for part in parts if part not in line] == []
    assert "unknown" not in line
    assert (len(sandbox.requests.of_path(REISSUE)), backup_files(bench), output.out) == (1, [], "")
    assert key_file(bench).read_text().strip() == VALID_KEY
    assert http_get(sandbox, "/v1/fx").status_code == 200


def test_account_without_a_verified_address(bench: Bench, sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.key(VALID_KEY, "unverified")
    parts = ["EMAIL_NOT_VERIFIED (403)", "Verify your email address first", HOLDS, VERIFY]
    assert_refused(bench, sandbox, http_get, code=4, parts=parts)


@pytest.mark.parametrize(
    ("fault", "code", "advice"),
    [
        ({"status": 400, "code": "BAD_REQUEST"}, 1, DASHBOARD),
        ({"status": 400}, 1, DASHBOARD),
        ({"status": 402}, 5, "Upgrade the tier"),
        ({"status": 403, "code": "REISSUE_LOCKED"}, 1, DASHBOARD),
        ({"status": 403, "code": "FORBIDDEN", "detail": "Account is disabled"}, 4, "support"),
        ({"status": 404}, 1, DASHBOARD),
        ({"status": 409}, 1, "Run the command again later"),
        ({"status": 422, "code": "VALIDATION_ERROR"}, 1, DASHBOARD),
        ({"status": 429}, 1, "Wait a minute, then run the command again"),
        ({"status": 429, "code": "RATE_LIMIT_MONTHLY_QUOTA_EXCEEDED"}, 5, "Wait for the reset"),
        ({"status": 451}, 1, DASHBOARD),
        ({"kind": "rate_limited", "retry_after": 90}, 1, "Wait 90s, then run the command again"),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_refusal(
    bench: Bench, sandbox: Sandbox, http_get: HttpGet, fault: dict[str, object], code: int, advice: str
) -> None:
    sandbox.fault(**{"kind": "refused", "path": REISSUE, **fault})  # type: ignore[arg-type]
    assert_refused(bench, sandbox, http_get, code=code, parts=[HOLDS, advice])


def test_request_that_found_no_connection_revoked_nothing() -> None:
    line = explain_refusal(ConnectFailed(f"POST {REISSUE}: connection refused", "cs2cap"))
    assert line == f"cs2cap: POST {REISSUE}: connection refused; {HOLDS}. Run the command again later."


def test_key_that_was_revoked_meanwhile_is_not_said_to_hold(bench: Bench, sandbox: Sandbox) -> None:
    sandbox.fault("revoke_key", path=REISSUE)
    line = rotate(bench, code=4).err.splitlines()[-1]
    assert "AUTH_API_KEY_REVOKED (401)" in line
    assert "still holds" not in line


@pytest.mark.parametrize("fault", [{"kind": "status_500"}, {"kind": "unavailable"}, {"kind": "lost_answer"}])
def test_failure_of_the_server_may_have_revoked_the_key(
    bench: Bench, sandbox: Sandbox, fault: dict[str, str]
) -> None:
    sandbox.fault(**fault, path=REISSUE)
    line = rotate(bench, code=4).err.splitlines()[-1]
    assert "it is unknown whether a new key was issued and the old key was revoked" in line
    assert "`floorline key status` shows whether the source still accepts the old key" in line
    assert "still holds" not in line
    assert key_file(bench).read_text().strip() == VALID_KEY


@pytest.mark.parametrize(
    ("fault", "code", "part"),
    [
        ({"kind": "rate_limited"}, 3, HOLDS),
        ({"kind": "unavailable"}, 4, "it is unknown whether a new key was issued"),
    ],
)
def test_request_to_send_nothing_is_kept_for_later_runs(
    bench: Bench, sandbox: Sandbox, fault: dict[str, str], code: int, part: str
) -> None:
    bench.prepare()
    sandbox.fault(**fault, path=REISSUE, retry_after=7200)
    assert part in rotate(bench, code=code).err.splitlines()[-1]
    sent = len(sandbox.requests.since(0))
    (result,) = bench.snapshot()
    assert "nothing was sent" in str(result.error)
    assert len(sandbox.requests.since(0)) == sent
