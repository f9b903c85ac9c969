"""Delivery of alerts: once when they open, once when they are over, and without secrets."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from common.sqlite_state import SqliteState
from pipelines.alerts.messages import AlertMessage
from pipelines.alerts.notify import CHANNEL, deliver
from pipelines.alerts.trial import try_channels
from pipelines.config import Settings, parse_settings
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
    return AlertStore(SqliteState(tmp_path / "state.db"))


def settings(folder: Path, *notify: str) -> Settings:
    """Return a configuration that notifies these recipients."""
    tables = {"warehouse": {"path": str(folder)}, "sources": {"cs2cap": {}}, "alerts": {"notify": notify}}
    return parse_settings(tables, folder)


def test_revoked_key_and_its_end_are_delivered_once_each(
    bench: Bench, sandbox: Sandbox, webhook: WebhookReceiver
) -> None:
    bench.snapshot()
    sandbox.key(VALID_KEY, "revoked")
    for _ in range(3):
        bench.snapshot()
    ((_, message),) = webhook.received
    assert message["title"] == "[floorline] failure: auth.failed (cs2cap)"
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
        "[floorline] failure: auth.failed (cs2cap)",
        "[floorline] success: auth.failed is over (cs2cap)",
    ]


def test_failed_delivery_is_retried_later_on_that_channel_only(
    alerts: AlertStore, webhook: WebhookReceiver, tmp_path: Path
) -> None:
    with webhook_receiver() as second:
        second.status = 500
        notify = [webhook.url, second.url]
        alerts.raise_alert(DARK, NOON)
        deliver(settings(tmp_path, *notify), alerts, NOON)
        deliver(settings(tmp_path, *notify), alerts, NOON + timedelta(seconds=30))
        second.status = 200
        deliver(settings(tmp_path, *notify), alerts, NOON + timedelta(minutes=2))
        deliver(settings(tmp_path, *notify), alerts, NOON + timedelta(minutes=4))
    dark = "[floorline] warning: provider.dark (cs2cap, steam)"
    assert second.titles == [dark]
    # The other channel learns at once that the second one failed, and that it works again.
    assert [title.partition(" (")[0] for title in webhook.titles] == [
        "[floorline] warning: provider.dark",
        "[floorline] failure: channel.failed",
        "[floorline] success: channel.failed is over",
    ]
    assert "notify[1] (json)" in webhook.titles[1]
    assert "HTTP 500: the service has a failure of its own" in webhook.received[1][1]["message"]


def test_alert_that_closed_before_its_delivery_is_not_delivered(
    alerts: AlertStore, webhook: WebhookReceiver, tmp_path: Path
) -> None:
    alerts.raise_alert(DARK, NOON)
    alerts.resolve(DARK.cause, DARK.source, DARK.subject, now=NOON)
    deliver(settings(tmp_path, *[webhook.url]), alerts, NOON)
    assert webhook.received == []


def test_alert_that_opens_again_is_delivered_again(
    alerts: AlertStore, webhook: WebhookReceiver, tmp_path: Path
) -> None:
    for minute in (0, 10):
        now = NOON + timedelta(minutes=minute)
        alerts.raise_alert(DARK, now)
        deliver(settings(tmp_path, *[webhook.url]), alerts, now)
        alerts.resolve(DARK.cause, DARK.source, DARK.subject, now=now)
        deliver(settings(tmp_path, *[webhook.url]), alerts, now)
    opened = "[floorline] warning: provider.dark (cs2cap, steam)"
    over = "[floorline] success: provider.dark is over (cs2cap, steam)"
    assert webhook.titles == [opened, over, opened, over]


def test_two_concurrent_deliveries_send_one_message(
    alerts: AlertStore, webhook: WebhookReceiver, tmp_path: Path
) -> None:
    alerts.raise_alert(DARK, NOON)
    other = AlertStore(SqliteState(tmp_path / "state.db"))
    assert len(alerts.claim_undelivered("x", NOON)) == 1
    assert other.claim_undelivered("x", NOON) == []
    assert len(other.claim_undelivered("x", NOON + timedelta(minutes=2))) == 1
    # A claim that is dated ahead, by a clock that was wrong, does not last until then.
    assert other.claim_undelivered("x", NOON + timedelta(minutes=1)) == []
    assert len(other.claim_undelivered("x", NOON - timedelta(days=1))) == 1


def test_text_of_an_api_is_one_line_without_control_characters() -> None:
    message = AlertMessage(DARK)
    assert message.title == "[floorline] warning: provider.dark (cs2cap, steam)"
    assert message.body.splitlines()[0] == r"steam is\x1b[31m down and out"


def test_failed_delivery_is_logged_without_the_password(
    bench: Bench, sandbox: Sandbox, webhook: WebhookReceiver
) -> None:
    webhook.status = 500
    sandbox.key(VALID_KEY, "revoked")
    done = bench.command("snapshot", "--no-prefect", check=4)
    assert "did not reach notify[0] (json): HTTP 500" in done.stderr
    assert WEBHOOK_PASSWORD not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_alerts_test_command_sends_to_every_channel(bench: Bench, webhook: WebhookReceiver) -> None:
    done = bench.command("alerts", "test")
    assert done.stdout == "notify[0] (json): sent\n"
    assert webhook.titles == ["[floorline] test"]
    webhook.status = 403
    done = bench.command("alerts", "test", check=1)
    failure = "HTTP 403: it rejects the credentials"
    assert done.stdout == f"notify[0] (json): not sent: {failure}\n"
    as_json = main_with("alerts", "test", "--json", "--config", str(bench.config))
    expected = [{"name": "notify[0] (json)", "sent": False, "failure": failure}]
    assert (as_json.code, read_result(as_json.out)) == (1, expected)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("json://127.0.0.1:1/", "the connection is refused: nothing listens there"),
        ("json://no.such.host.invalid/", "its host name is unknown"),
        ("nosuchservice://x", "Apprise knows no such URL: see https://github.com/caronc/apprise/wiki"),
        ("env:NOT_SET", "the variable NOT_SET is not set"),
    ],
)
def test_reason_of_a_channel_that_fails(tmp_path: Path, entry: str, reason: str) -> None:
    (trial,) = try_channels(settings(tmp_path, entry), NOON)
    assert trial.failure == reason


def test_failing_channel_is_an_alert_until_it_works_or_is_removed(
    alerts: AlertStore, webhook: WebhookReceiver, tmp_path: Path
) -> None:
    configured = settings(tmp_path, webhook.url)
    webhook.status = 500
    try_channels(configured, NOON)
    (alert,) = alerts.list_alerts(open_only=True)
    assert (alert.cause, alert.subject) == (CHANNEL, "notify[0] (json)")
    webhook.status = 200
    try_channels(configured, NOON)
    assert alerts.list_alerts(open_only=True) == []

    webhook.status = 500
    try_channels(configured, NOON)
    deliver(settings(tmp_path), alerts, NOON)
    assert alerts.list_alerts(open_only=True) == []


def test_channel_that_delivered_lately_gets_no_test_message(
    alerts: AlertStore, webhook: WebhookReceiver, tmp_path: Path
) -> None:
    configured, day = settings(tmp_path, webhook.url), timedelta(days=1)
    try_channels(configured, NOON, proven_for=day)
    (trial,) = try_channels(configured, NOON + timedelta(hours=23), proven_for=day)
    assert (trial.failure, trial.delivered_at) == (None, NOON)
    alerts.raise_alert(DARK, NOON + day)
    deliver(configured, alerts, NOON + day)
    (trial,) = try_channels(configured, NOON + day * 1.5, proven_for=day)
    assert trial.delivered_at == NOON + day
    assert webhook.titles == ["[floorline] test", "[floorline] warning: provider.dark (cs2cap, steam)"]


def test_webhook_receives_the_fields_beside_those_of_apprise(
    alerts: AlertStore, webhook: WebhookReceiver, tmp_path: Path
) -> None:
    alerts.raise_alert(DARK, NOON)
    deliver(settings(tmp_path, webhook.url), alerts, NOON)
    ((_, payload),) = webhook.received
    assert (payload["schema_version"], payload["cause"], payload["state"]) == (1, "provider.dark", "open")
    assert (payload["type"], payload["severity"], payload["subject"]) == ("warning", "warning", "steam")


def test_closed_alerts_are_pruned_with_their_deliveries(
    alerts: AlertStore, webhook: WebhookReceiver, tmp_path: Path
) -> None:
    for subject in ("one", "two", "three"):
        alerts.raise_alert(dataclasses.replace(DARK, subject=subject), NOON)
    for subject in ("one", "three"):
        alerts.resolve(DARK.cause, DARK.source, subject, now=NOON + timedelta(days=1))
    assert alerts.prune(NOON + timedelta(days=181), timedelta(days=180)) == 0
    assert alerts.prune(NOON + timedelta(days=182), timedelta(days=180)) == 1
    # The open one stays, and the newest one, so that its number is never given again.
    assert [alert.subject for alert in alerts.list_alerts()] == ["three", "two"]


def test_url_may_come_from_the_environment(bench: Bench, webhook: WebhookReceiver) -> None:
    text = bench.config.read_text("utf-8").replace(webhook.url, "env:ALERT_URL")
    bench.config.write_text(text, "utf-8")
    assert "(env:ALERT_URL): sent" in bench.command("alerts", "test", ALERT_URL=webhook.url).stdout
    assert "not sent" in bench.command("alerts", "test", check=1).stdout


def test_alerts_test_command_without_channels_fails(tmp_path: Path, sandbox: Sandbox) -> None:
    done = Bench.at(tmp_path, sandbox, basket()).command("alerts", "test", check=2)
    assert "notify names no recipient" in done.stderr
