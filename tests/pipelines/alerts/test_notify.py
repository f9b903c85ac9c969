"""Telling of alerts: once when one opens, once when it is over, and never what is nobody's business."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.alerts.notify import body, deliver, title
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.clocks import NOON
from tests.support.http_servers import WebhookReceiver, webhook_receiver
from tests.support.snapshots import Bench, basket
from warehouse.state.alerts import Alert, AlertStore

pytestmark = pytest.mark.slow
DARK = Alert("provider.dark", "cs2cap", "steam", "steam is\x1b[31m down\nand out", run_id="r1")


@pytest.fixture
def told() -> Iterator[WebhookReceiver]:
    with webhook_receiver() as kept:
        yield kept


@pytest.fixture
def bench(tmp_path: Path, sandbox: Sandbox, told: WebhookReceiver) -> Bench:
    bench = Bench.at(tmp_path, sandbox, basket())
    return bench.telling(told.url)


@pytest.fixture
def state(tmp_path: Path) -> AlertStore:
    return AlertStore(tmp_path / "state.db")


def test_a_revoked_key_is_told_within_three_seconds_and_its_end_once(
    bench: Bench, sandbox: Sandbox, told: WebhookReceiver
) -> None:
    bench.snapshot()
    sandbox.key(VALID_KEY, "revoked")
    for _ in range(3):
        bench.snapshot()
    refused = next(entry for entry in sandbox.requests.since(0) if entry.status == 401)
    ((moment, message),) = told.received
    assert moment - refused.t < 3
    assert message["title"] == "[floorline] auth.failed: cs2cap"
    assert "AUTH_API_KEY_REVOKED" in message["message"]
    assert VALID_KEY not in str(message)

    sandbox.key(VALID_KEY, "valid")
    (alert,) = bench.alerts()
    bench.command("alerts", "clear", str(alert.alert_id))
    bench.snapshot()
    assert len(told.received) == 1  # whoever clears an alert knows

    sandbox.key(VALID_KEY, "disabled")
    bench.snapshot()
    sandbox.key("cs2c_live_sandbox_next_000000009")
    (bench.folder / "cs2cap.key").write_text("cs2c_live_sandbox_next_000000009")
    for _ in range(2):
        bench.snapshot()
    assert told.titles[1:] == [
        "[floorline] auth.failed: cs2cap",
        "[floorline] auth.failed is over: cs2cap",
    ]


def test_what_did_not_get_through_is_told_later_and_to_that_one_alone(
    state: AlertStore, told: WebhookReceiver
) -> None:
    with webhook_receiver() as second:
        second.status = 500
        notify = [told.url, second.url]
        state.raise_alert(DARK, NOON)
        deliver(state, notify, NOON)
        deliver(state, notify, NOON + timedelta(seconds=30))
        second.status = 200
        deliver(state, notify, NOON + timedelta(minutes=2))
        deliver(state, notify, NOON + timedelta(minutes=4))
        assert len(told.received) == len(second.received) == 1


def test_what_closed_before_it_was_told_is_not_told(state: AlertStore, told: WebhookReceiver) -> None:
    state.raise_alert(DARK, NOON)
    state.resolve(DARK.cause, DARK.source, DARK.subject, now=NOON)
    deliver(state, [told.url], NOON)
    assert told.received == []


def test_an_alert_that_opens_again_is_told_again(state: AlertStore, told: WebhookReceiver) -> None:
    for minute in (0, 10):
        moment = NOON + timedelta(minutes=minute)
        state.raise_alert(DARK, moment)
        deliver(state, [told.url], moment)
        state.resolve(DARK.cause, DARK.source, DARK.subject, now=moment)
        deliver(state, [told.url], moment)
    opened, over = (
        "[floorline] provider.dark: cs2cap, steam",
        "[floorline] provider.dark is over: cs2cap, steam",
    )
    assert told.titles == [opened, over, opened, over]


def test_two_who_tell_at_once_tell_once(state: AlertStore, told: WebhookReceiver, tmp_path: Path) -> None:
    state.raise_alert(DARK, NOON)
    other = AlertStore(tmp_path / "state.db")
    assert len(state.claim_undelivered("x", NOON)) == 1
    assert other.claim_undelivered("x", NOON) == []
    assert len(other.claim_undelivered("x", NOON + timedelta(minutes=2))) == 1


def test_an_apis_words_are_one_line_without_control_characters() -> None:
    assert title(DARK) == "[floorline] provider.dark: cs2cap, steam"
    assert body(DARK).splitlines()[0] == "steam is [31m down and out"


def test_a_message_that_fails_names_the_channel_and_not_its_password(
    bench: Bench, sandbox: Sandbox, told: WebhookReceiver
) -> None:
    told.status = 500
    sandbox.key(VALID_KEY, "revoked")
    done = bench.command("snapshot", "--no-prefect", check=4)
    assert "did not reach notify[0] (json)" in done.stderr
    assert "hunter22" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_everybody_can_be_tried(bench: Bench, told: WebhookReceiver) -> None:
    done = bench.command("alerts", "test")
    assert done.stdout == "notify[0] (json): sent\n"
    assert told.titles == ["[floorline] test"]
    told.status = 500
    assert "not sent" in bench.command("alerts", "test", check=1).stdout


def test_a_url_may_come_from_the_environment(bench: Bench, told: WebhookReceiver) -> None:
    text = bench.config.read_text("utf-8").replace(told.url, "env:WHOM_TO_TELL")
    bench.config.write_text(text, "utf-8")
    assert "(env:WHOM_TO_TELL): sent" in bench.command("alerts", "test", WHOM_TO_TELL=told.url).stdout
    assert "not sent" in bench.command("alerts", "test", check=1).stdout


def test_nobody_to_tell_is_said(tmp_path: Path, sandbox: Sandbox) -> None:
    done = Bench.at(tmp_path, sandbox, basket()).command("alerts", "test", check=2)
    assert "notify names nobody" in done.stderr
