"""Delivery of alerts: once when they open, once when they are over, and without secrets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.alerts.notify import body, deliver, title
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.clocks import NOON
from tests.support.http_servers import WEBHOOK_PASSWORD, WebhookReceiver, webhook_receiver
from tests.support.json_outputs import read_result
from tests.support.snapshots import Bench, basket, main_with
from warehouse.state.alerts import Alert, AlertStore

pytestmark = pytest.mark.slow
DARK = Alert("provider.dark", "cs2cap", "steam", "steam is\x1b[31m down\nand out", run_id="r1")


@pytest.fixture
def webhook() -> Iterator[WebhookReceiver]:
    with webhook_receiver() as receiver:
        yield receiver


@pytest.fixture
def bench(tmp_path: Path, sandbox: Sandbox, webhook: WebhookReceiver) -> Bench:
    bench = Bench.at(tmp_path, sandbox, basket())
    return bench.with_notify(webhook.url)


@pytest.fixture
def alerts(tmp_path: Path) -> AlertStore:
    return AlertStore(tmp_path / "state.db")


def test_revoked_key_is_delivered_within_three_seconds_and_its_end_once(
    bench: Bench, sandbox: Sandbox, webhook: WebhookReceiver
) -> None:
    bench.snapshot()
    sandbox.key(VALID_KEY, "revoked")
    for _ in range(3):
        bench.snapshot()
    rejected = next(entry for entry in sandbox.requests.since(0) if entry.status == 401)
    ((received_at, message),) = webhook.received
    assert received_at - rejected.t < 3
    assert message["title"] == "[floorline] auth.failed: cs2cap"
    assert "AUTH_API_KEY_REVOKED" in message["message"]
    assert VALID_KEY not in str(message)

    sandbox.key(VALID_KEY, "valid")
    (alert,) = bench.alerts()
    bench.command("alerts", "clear", str(alert.alert_id))
    bench.snapshot()
    assert len(webhook.received) == 1  # a cleared alert is not delivered again

    sandbox.key(VALID_KEY, "disabled")
    bench.snapshot()
    sandbox.key("cs2c_live_sandbox_next_000000009")
    (bench.folder / "cs2cap.key").write_text("cs2c_live_sandbox_next_000000009")
    for _ in range(2):
        bench.snapshot()
    assert webhook.titles[1:] == [
        "[floorline] auth.failed: cs2cap",
        "[floorline] auth.failed is over: cs2cap",
    ]


def test_failed_delivery_is_retried_later_on_that_channel_only(
    alerts: AlertStore, webhook: WebhookReceiver
) -> None:
    with webhook_receiver() as second:
        second.status = 500
        notify = [webhook.url, second.url]
        alerts.raise_alert(DARK, NOON)
        deliver(alerts, notify, NOON)
        deliver(alerts, notify, NOON + timedelta(seconds=30))
        second.status = 200
        deliver(alerts, notify, NOON + timedelta(minutes=2))
        deliver(alerts, notify, NOON + timedelta(minutes=4))
        assert len(webhook.received) == len(second.received) == 1


def test_alert_that_closed_before_its_delivery_is_not_delivered(
    alerts: AlertStore, webhook: WebhookReceiver
) -> None:
    alerts.raise_alert(DARK, NOON)
    alerts.resolve(DARK.cause, DARK.source, DARK.subject, now=NOON)
    deliver(alerts, [webhook.url], NOON)
    assert webhook.received == []


def test_alert_that_opens_again_is_delivered_again(alerts: AlertStore, webhook: WebhookReceiver) -> None:
    for minute in (0, 10):
        now = NOON + timedelta(minutes=minute)
        alerts.raise_alert(DARK, now)
        deliver(alerts, [webhook.url], now)
        alerts.resolve(DARK.cause, DARK.source, DARK.subject, now=now)
        deliver(alerts, [webhook.url], now)
    opened = "[floorline] provider.dark: cs2cap, steam"
    over = "[floorline] provider.dark is over: cs2cap, steam"
    assert webhook.titles == [opened, over, opened, over]


def test_two_concurrent_deliveries_send_one_message(
    alerts: AlertStore, webhook: WebhookReceiver, tmp_path: Path
) -> None:
    alerts.raise_alert(DARK, NOON)
    other = AlertStore(tmp_path / "state.db")
    assert len(alerts.claim_undelivered("x", NOON)) == 1
    assert other.claim_undelivered("x", NOON) == []
    assert len(other.claim_undelivered("x", NOON + timedelta(minutes=2))) == 1
    # A claim that is dated ahead, by a clock that was wrong, does not last until then.
    assert other.claim_undelivered("x", NOON + timedelta(minutes=1)) == []
    assert len(other.claim_undelivered("x", NOON - timedelta(days=1))) == 1


def test_text_of_an_api_is_one_line_without_control_characters() -> None:
    assert title(DARK) == "[floorline] provider.dark: cs2cap, steam"
    assert body(DARK).splitlines()[0] == r"steam is\x1b[31m down and out"


def test_failed_delivery_is_logged_without_the_password(
    bench: Bench, sandbox: Sandbox, webhook: WebhookReceiver
) -> None:
    webhook.status = 500
    sandbox.key(VALID_KEY, "revoked")
    done = bench.command("snapshot", "--no-prefect", check=4)
    assert "did not reach notify[0] (json)" in done.stderr
    assert WEBHOOK_PASSWORD not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_alerts_test_command_sends_to_every_channel(bench: Bench, webhook: WebhookReceiver) -> None:
    done = bench.command("alerts", "test")
    assert done.stdout == "notify[0] (json): sent\n"
    assert webhook.titles == ["[floorline] test"]
    webhook.status = 500
    assert "not sent" in bench.command("alerts", "test", check=1).stdout
    as_json = main_with("alerts", "test", "--json", "--config", str(bench.config))
    assert (as_json.code, read_result(as_json.out)) == (1, [{"name": "notify[0] (json)", "sent": False}])


def test_url_may_come_from_the_environment(bench: Bench, webhook: WebhookReceiver) -> None:
    text = bench.config.read_text("utf-8").replace(webhook.url, "env:ALERT_URL")
    bench.config.write_text(text, "utf-8")
    assert "(env:ALERT_URL): sent" in bench.command("alerts", "test", ALERT_URL=webhook.url).stdout
    assert "not sent" in bench.command("alerts", "test", check=1).stdout


def test_alerts_test_command_without_channels_fails(tmp_path: Path, sandbox: Sandbox) -> None:
    done = Bench.at(tmp_path, sandbox, basket()).command("alerts", "test", check=2)
    assert "notify names no recipient" in done.stderr
