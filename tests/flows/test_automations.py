"""automations.yaml in a Prefect server: installed once, kept up to date, and heard of by a webhook."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings
from pydantic import SecretStr

from common.errors import ConfigError
from flows.automations import AppliedAutomation, apply_automations
from flows.snapshot import collect_results, snapshot
from pipelines.snapshot.progress import NullProgress
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.http_servers import Sink, sink
from tests.support.prefect_server import WITH_PREFECT
from tests.support.snapshots import Bench, basket, clean_env

pytestmark = WITH_PREFECT
ROOT = Path(__file__).parents[2]
TOLD, SILENT = "floorline: an alert opened or is over", "floorline: silence of core"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A whole Prefect server, with the services that watch events; its API's address."""
    home = tmp_path_factory.mktemp("prefect")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    env = clean_env(PREFECT_HOME=str(home), PREFECT_SERVER_ANALYTICS_ENABLED="false", DO_NOT_TRACK="1")
    url = f"http://127.0.0.1:{port}/api"
    with (
        (home / "server.log").open("wb") as log,
        subprocess.Popen(command, env=env, stdout=log, stderr=log) as run,
    ):
        try:
            _wait(lambda: httpx.get(f"{url}/health", timeout=2).is_success, 90)
            with temporary_settings({PREFECT_API_URL: url, PREFECT_HOME: home}):
                yield url
        finally:
            run.terminate()
            run.wait(30)


def _wait(true: object, seconds: float) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            if callable(true) and true():
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < end
        time.sleep(0.2)


@pytest.fixture
def told(server: str) -> Iterator[Sink]:
    with sink() as kept:
        url = SecretStr(f"http://127.0.0.1:{kept.port}/alerts")
        Webhook(url=url).save("floorline-test", overwrite=True)
        yield kept


@pytest.fixture
def bench(tmp_path: Path, sandbox: Sandbox, told: Sink) -> Bench:
    bench = Bench.at(tmp_path, sandbox, basket())
    (bench.folder / "automations.yaml").write_text((ROOT / "automations.yaml").read_text("utf-8"), "utf-8")
    return bench.telling("block:webhook/floorline-test")


def applied(bench: Bench) -> list[AppliedAutomation]:
    return asyncio.run(apply_automations(bench.settings))


def names() -> list[str]:
    async def read() -> list[str]:
        async with get_client() as client:
            return sorted(one.name for one in await client.read_automations())

    return asyncio.run(read())


def test_it_installs_once_and_follows_the_configuration(bench: Bench) -> None:
    applied(bench)
    assert applied(bench) == [AppliedAutomation(TOLD, "unchanged"), AppliedAutomation(SILENT, "unchanged")]
    assert names() == [TOLD, SILENT]

    text = bench.config.read_text("utf-8")
    bench.config.write_text(text.replace('name = "core"', 'name = "other"'), "utf-8")
    other = SILENT.replace("core", "other")
    assert applied(bench) == [
        AppliedAutomation(TOLD, "unchanged"),
        AppliedAutomation(other, "created"),
        AppliedAutomation(SILENT, "removed"),
    ]

    file = bench.folder / "automations.yaml"
    file.write_text(file.read_text("utf-8").replace("Sends one message", "Sends a message"), "utf-8")
    assert applied(bench)[0] == AppliedAutomation(TOLD, "updated")
    assert names() == [TOLD, other]


def test_what_does_not_exist_or_is_not_understood_is_said(bench: Bench) -> None:
    file = bench.folder / "automations.yaml"
    for content in ("automations: 7", "{", "automations: [{name: x}]"):
        file.write_text(content, "utf-8")
        with pytest.raises(ConfigError, match="is invalid"):
            applied(bench)
    file.unlink()
    with pytest.raises(ConfigError, match=r"there is no .*automations.yaml"):
        applied(bench)
    text = bench.config.read_text("utf-8")
    bench.config.write_text(text.replace("floorline-test", "nowhere"), "utf-8")
    file.write_text((ROOT / "automations.yaml").read_text("utf-8"), "utf-8")
    with pytest.raises(ConfigError, match="no block webhook/nowhere"):
        applied(bench)


def test_the_command_does_the_same(bench: Bench, server: str) -> None:
    applied(bench)
    done = bench.command("alerts", "apply", PREFECT_API_URL=server)
    assert done.stdout.splitlines() == [f"unchanged: {TOLD}", f"unchanged: {SILENT}"]


def test_a_rejected_key_and_its_end_reach_the_webhook_once_each(
    bench: Bench, sandbox: Sandbox, told: Sink
) -> None:
    applied(bench)

    def run() -> None:
        async def flow() -> None:
            with collect_results(NullProgress()):
                await snapshot(None, str(bench.config), return_state=True)

        asyncio.run(flow())

    sandbox.key(VALID_KEY, "disabled")
    run()
    run()
    _wait(lambda: len(told.got) == 1, 30)
    moment, message = told.got[0]
    refused = next(entry for entry in sandbox.requests.since(0) if entry.status == 403)
    assert message["title"] == "[floorline] auth.failed: cs2cap"
    assert "AUTH_ACCOUNT_DISABLED" in message["message"]
    assert VALID_KEY not in str(message)
    assert moment - refused.t < 10

    sandbox.key("cs2c_live_sandbox_next_000000009")
    (bench.folder / "cs2cap.key").write_text("cs2c_live_sandbox_next_000000009")
    run()
    run()
    _wait(lambda: len(told.got) == 2, 30)
    time.sleep(2)
    assert told.titles[1:] == ["[floorline] auth.failed is over: cs2cap"]
