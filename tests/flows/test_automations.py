"""automations.yaml in a Prefect server: installed once, updated, and delivered to a webhook."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx
import pytest
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings
from pydantic import SecretStr

from common.errors import ConfigError
from flows.automations import AppliedAutomation, apply_automations
from flows.snapshot import caller, snapshot
from pipelines.snapshot.progress import NullProgress
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.http_servers import WebhookReceiver, webhook_receiver
from tests.support.json_outputs import read_result
from tests.support.prefect_server import WITH_PREFECT, drain_events
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, basket, clean_env
from tests.support.waiting import wait_until

pytestmark = WITH_PREFECT
ROOT = Path(__file__).parents[2]
ALERT_AUTOMATION, SILENCE_AUTOMATION = "floorline: an alert opened or is over", "floorline: silence of core"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a Prefect server with the services that evaluate automations; yield the address of its API."""
    folder = tmp_path_factory.mktemp("prefect")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    env = clean_env(PREFECT_HOME=str(folder), PREFECT_SERVER_ANALYTICS_ENABLED="false", DO_NOT_TRACK="1")
    url = f"http://127.0.0.1:{port}/api"
    with (
        (folder / "server.log").open("wb") as log,
        subprocess.Popen(command, env=env, stdout=log, stderr=log) as run,
    ):
        try:
            wait_until(partial(is_healthy, url), 90, every=0.2)
            with temporary_settings({PREFECT_API_URL: url, PREFECT_HOME: folder}):
                yield url
                drain_events()
        finally:
            run.terminate()
            run.wait(240)


def is_healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=2).is_success
    except httpx.HTTPError:
        return False


@pytest.fixture
def webhook(server: str) -> Iterator[WebhookReceiver]:
    """Receive the messages of the webhook block that the alerts are sent to."""
    with webhook_receiver() as receiver:
        url = SecretStr(f"http://127.0.0.1:{receiver.port}/alerts")
        Webhook(url=url).save("floorline-test", overwrite=True)
        yield receiver


@pytest.fixture
def sandbox(make_sandbox: MakeSandbox) -> Sandbox:
    """Return a sandbox whose clock agrees with this machine's: no alert says about clocks that differ."""
    return make_sandbox(frozen=datetime.now(UTC))


@pytest.fixture
def bench(tmp_path: Path, sandbox: Sandbox, webhook: WebhookReceiver) -> Bench:
    bench = Bench.at(tmp_path, sandbox, basket())
    (bench.folder / "automations.yaml").write_text(
        (ROOT / "flows" / "automations.yaml").read_text("utf-8"), "utf-8"
    )
    return bench.with_notify("block:webhook/floorline-test")


def apply(bench: Bench) -> list[AppliedAutomation]:
    return asyncio.run(apply_automations(bench.settings))


def installed_names() -> list[str]:
    async def read() -> list[str]:
        async with get_client() as client:
            return sorted(one.name for one in await client.read_automations())

    return asyncio.run(read())


def test_automations_follow_the_configuration(bench: Bench) -> None:
    apply(bench)
    assert apply(bench) == [
        AppliedAutomation(ALERT_AUTOMATION, "unchanged"),
        AppliedAutomation(SILENCE_AUTOMATION, "unchanged"),
    ]
    assert installed_names() == [ALERT_AUTOMATION, SILENCE_AUTOMATION]

    text = bench.config.read_text("utf-8")
    bench.config.write_text(text.replace('name = "core"', 'name = "other"'), "utf-8")
    other = SILENCE_AUTOMATION.replace("core", "other")
    assert apply(bench) == [
        AppliedAutomation(ALERT_AUTOMATION, "unchanged"),
        AppliedAutomation(other, "created"),
        AppliedAutomation(SILENCE_AUTOMATION, "removed"),
    ]

    file = bench.folder / "automations.yaml"
    file.write_text(file.read_text("utf-8").replace("Sends one message", "Sends a message"), "utf-8")
    assert apply(bench)[0] == AppliedAutomation(ALERT_AUTOMATION, "updated")
    assert installed_names() == [ALERT_AUTOMATION, other]


def test_more_automations_than_a_response_has(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.automations.PAGE", 1)
    apply(bench)
    assert {automation.done for automation in apply(bench)} == {"unchanged"}
    assert installed_names() == [ALERT_AUTOMATION, SILENCE_AUTOMATION]


def test_own_automations_need_no_file_beside_the_configuration(bench: Bench) -> None:
    apply(bench)
    (bench.folder / "automations.yaml").unlink()
    assert apply(bench) == [
        AppliedAutomation(ALERT_AUTOMATION, "unchanged"),
        AppliedAutomation(SILENCE_AUTOMATION, "unchanged"),
    ]


def test_missing_or_invalid_file_and_missing_block_are_config_errors(bench: Bench) -> None:
    file = bench.folder / "automations.yaml"
    for content in ("automations: 7", "{", "automations: [{name: x}]"):
        file.write_text(content, "utf-8")
        with pytest.raises(ConfigError, match=r"automations\.yaml of Floorline"):
            apply(bench)
    with pytest.raises(ConfigError, match=r"there is no .*other.yaml"):
        asyncio.run(apply_automations(bench.settings, bench.folder / "other.yaml"))
    text = bench.config.read_text("utf-8")
    bench.config.write_text(text.replace("floorline-test", "nowhere"), "utf-8")
    file.write_text((ROOT / "flows" / "automations.yaml").read_text("utf-8"), "utf-8")
    with pytest.raises(ConfigError, match="no block webhook/nowhere"):
        apply(bench)


def test_command_applies_the_automations(bench: Bench, server: str) -> None:
    apply(bench)
    result = bench.command("alerts", "apply", PREFECT_API_URL=server)
    assert result.stdout.splitlines() == [
        f"unchanged: {ALERT_AUTOMATION}",
        f"unchanged: {SILENCE_AUTOMATION}",
    ]
    as_json = read_result(bench.command("alerts", "apply", "--json", PREFECT_API_URL=server).stdout)
    assert as_json[0] == {"name": ALERT_AUTOMATION, "done": "unchanged"}


def test_blocks_are_tried_and_say_why_they_fail(bench: Bench, server: str, webhook: WebhookReceiver) -> None:
    entry = "block:webhook/floorline-test"
    done = bench.command("alerts", "test", PREFECT_API_URL=server)
    assert done.stdout == f"{entry}: sent\n"
    assert webhook.received[0][1]["cause"] == "test"
    webhook.status = 403
    done = bench.command("alerts", "test", PREFECT_API_URL=server, check=1)
    assert done.stdout == f"{entry}: not sent: HTTP 403: it rejects the credentials\n"
    doctor = bench.command("doctor", PREFECT_API_URL=server, check=None)
    assert f"{entry} failed: HTTP 403: it rejects the credentials" in doctor.stdout
    text = bench.config.read_text("utf-8").replace("floorline-test", "nowhere")
    bench.config.write_text(text, "utf-8")
    done = bench.command("alerts", "test", PREFECT_API_URL=server, check=1)
    assert done.stdout == "block:webhook/nowhere: not sent: Prefect has no such block: create it first\n"


def test_alert_and_its_end_reach_the_webhook_once_each(
    bench: Bench, sandbox: Sandbox, webhook: WebhookReceiver
) -> None:
    apply(bench)

    def run_snapshot() -> None:
        async def main() -> None:
            with caller.collect_results(NullProgress()):
                await snapshot(None, str(bench.config), return_state=True)

        asyncio.run(main())

    sandbox.key(VALID_KEY, "disabled")
    run_snapshot()
    run_snapshot()
    wait_until(lambda: len(webhook.received) == 1)
    _, message = webhook.received[0]
    assert message["title"] == "[floorline] failure: auth.failed (cs2cap)"
    assert "AUTH_ACCOUNT_DISABLED" in message["message"]
    assert VALID_KEY not in str(message)

    sandbox.key("cs2c_live_sandbox_next_000000009")
    (bench.folder / "cs2cap.key").write_text("cs2c_live_sandbox_next_000000009")
    run_snapshot()
    run_snapshot()
    wait_until(lambda: len(webhook.received) == 2)
    time.sleep(2)
    assert webhook.titles[1:] == ["[floorline] success: auth.failed is over (cs2cap)"]
