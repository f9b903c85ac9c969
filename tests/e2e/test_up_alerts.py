"""A key that is revoked under `floorline up`: an alert, no more requests, recovery; no secret leaks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from sandbox.cs2cap.keys import VALID_KEY
from sandbox.options import Options
from sandbox.server import serve
from tests.support.http_servers import WEBHOOK_PASSWORD, WebhookReceiver, webhook_receiver
from tests.support.snapshots import Bench, basket
from tests.support.up import running_up
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("up")]
PLANTED = "cs2c_live_planted_7c1e90b5d3f2a648"
PROXY_PASSWORD = "planted-proxy-5b1d"
ENV = {
    "HTTPS_PROXY": f"http://me:{PROXY_PASSWORD}@127.0.0.1:9",
    "PREFECT_LOGGING_LEVEL": "DEBUG",
    "PREFECT_SERVER_LOGGING_LEVEL": "DEBUG",
}


def test_revoked_key_alerts_once_stops_all_requests_and_recovers_with_a_new_key(tmp_path: Path) -> None:
    small = Options(items=300, refresh=0, limits=False)
    with serve(small) as one, serve(small) as two, webhook_receiver() as receiver:
        one.key(PLANTED)
        bench = Bench.at(
            tmp_path,
            {"one": one, "two": two},
            basket("first", source="one", every="15s"),
            basket("second", source="two", every="15s"),
        )
        (bench.folder / "one.key").write_text(PLANTED)
        with running_up(bench.with_notify("env:OPS_HOOK"), OPS_HOOK=receiver.url, **ENV) as up:
            wait_until(
                lambda: up.runs("first", "COMPLETED") and up.runs("second", "COMPLETED"), 180, every=0.5
            )
            one.key(PLANTED, "revoked")
            wait_until(lambda: messages_about(receiver, "auth.failed"), 180, every=0.5)
            rejected = next(entry for entry in one.requests.since(0) if entry.status == 401)
            ((received_at, title),) = messages_about(receiver, "auth.failed")
            assert title == "[floorline] failure: auth.failed (one)"
            assert received_at - rejected.t < 3

            requests, other_requests = len(one.requests.since(0)), len(two.requests.since(0))
            failed = len(up.runs("first", "FAILED"))
            wait_until(lambda: len(up.runs("first", "FAILED")) >= failed + 2, 180, every=0.5)
            assert len(one.requests.since(0)) == requests
            wait_until(lambda: len(two.requests.since(0)) > other_requests, 180, every=0.5)

            completed = len(up.runs("first", "COMPLETED"))
            (bench.folder / "one.key").write_text(VALID_KEY)
            wait_until(lambda: len(up.runs("first", "COMPLETED")) >= completed + 2, 180, every=0.5)
            # one message for the alert and one for its end, however many runs fail
            (_, (_, resolved)) = messages_about(receiver, "auth.failed")
            assert resolved == "[floorline] success: auth.failed is over (one)"
            assert "auth.failed" not in [alert.cause for alert in bench.alerts()]
            secrets = [PLANTED, PROXY_PASSWORD, WEBHOOK_PASSWORD, up.secret.partition(":")[2]]
            shown = "".join(_command_lines())
            assert [secret for secret in secrets if secret in shown] == []
    check_files(bench.folder, secrets)


def check_files(folder: Path, secrets: Sequence[str]) -> None:
    """Check that no file has a secret: neither Prefect's database nor a log, of the level DEBUG."""
    written = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert any(b"DEBUG" in text for path, text in written.items() if path.suffix == ".log")
    assert [(path, one) for path, text in written.items() for one in secrets if one.encode() in text] == []


def messages_about(receiver: WebhookReceiver, cause: str) -> list[tuple[float, str]]:
    """Return the times and titles of the messages about a cause; alerts of silence may arrive as well."""
    messages = ((received_at, str(content["title"])) for received_at, content in receiver.received)
    return [(received_at, title) for received_at, title in messages if cause in title]


def _command_lines() -> list[str]:
    """Return the command line of every process of this machine."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_text(errors="replace"))
        except OSError:
            continue
    return lines
