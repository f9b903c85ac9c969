"""The doctor's checks of Prefect, with a real server: server, schedules and workers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate, WorkPoolCreate
from prefect.client.schemas.objects import State
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings
from prefect.states import Scheduled

from common.clock import Clock, SystemClock
from floorline.doctor.check_prefect import check_prefect
from floorline.doctor.findings import Finding
from sandbox.core import Sandbox
from tests.support.http_servers import http_response, stub_server
from tests.support.prefect_server import temporary_prefect
from tests.support.snapshots import Bench, basket


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Return the address of a temporary Prefect server."""
    with temporary_prefect():
        yield PREFECT_API_URL.value() or ""


@pytest.fixture
def bench(tmp_path: Path, sandbox: Sandbox) -> Bench:
    return Bench.at(tmp_path, sandbox, basket("core"), basket("other"))


class FastClock(SystemClock):
    """A clock that is two minutes ahead."""

    def now(self) -> datetime:
        """Return the time in two minutes, in UTC."""
        return super().now() + timedelta(minutes=2)


def check(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, url: str, *, clock: Clock | None = None
) -> dict[str, Finding]:
    monkeypatch.setenv("PREFECT_API_URL", url)
    findings = asyncio.run(check_prefect(bench.settings, clock or SystemClock()))
    return {finding.name: finding for finding in findings}


def summary(finding: Finding) -> str:
    return f"{finding.verdict}: {finding.seen}"


async def deploy(*names: str) -> None:
    """Deploy `snapshot/NAME` every ten minutes on the pool `floorline`."""
    schedule = DeploymentScheduleCreate(schedule=IntervalSchedule(interval=timedelta(minutes=10)))
    async with get_client() as client:
        await client.create_work_pool(WorkPoolCreate(name="floorline", type="process"))
        flow = await client.create_flow_from_name("snapshot")
        for name in names:
            await client.create_deployment(flow, name, work_pool_name="floorline", schedules=[schedule])


async def send_heartbeat(worker: str) -> None:
    async with get_client() as client:
        await client.send_worker_heartbeat("floorline", worker, heartbeat_interval_seconds=30)


async def pause_deployment(name: str) -> None:
    async with get_client() as client:
        deployment = await client.read_deployment_by_name(f"snapshot/{name}")
        await client.update_deployment(deployment.id, DeploymentUpdate(paused=True))


async def add_late_run(name: str, by: timedelta) -> None:
    late: State[None] = Scheduled(name="Late", scheduled_time=datetime.now(UTC) - by)
    async with get_client() as client:
        deployment = await client.read_deployment_by_name(f"snapshot/{name}")
        await client.create_flow_run_from_deployment(deployment.id, state=late)


@pytest.mark.usefixtures("no_prefect")
def test_prefect_is_optional(bench: Bench) -> None:
    (finding,) = asyncio.run(check_prefect(bench.settings, SystemClock()))
    assert (finding.name, finding.verdict) == ("prefect server", "ok")
    assert "by hand or by cron" in finding.seen


@pytest.mark.slow
def test_unreachable_server_fails_without_showing_its_password(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    done = bench.command("doctor", check=1, PREFECT_API_URL="http://me:secret@127.0.0.1:9/api")
    assert "fail  prefect server  no Prefect API answers at http://127.0.0.1:9/api" in done.stdout
    assert "secret" not in done.stdout + done.stderr


@pytest.mark.usefixtures("no_prefect")
@pytest.mark.parametrize(
    ("status", "seen", "advice"),
    [
        ("401 Unauthorized", "Prefect rejects the credentials (HTTP 401)", "PREFECT_API_AUTH_STRING"),
        ("500 Internal Server Error", "Prefect answers HTTP 500", "log of the Prefect server"),
    ],
)
def test_http_errors_of_the_server(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, status: str, seen: str, advice: str
) -> None:
    async def respond(head: bytes, writer: asyncio.StreamWriter) -> None:
        path = head.split()[1].decode().removeprefix("/api")
        known = {"/health": b"true", "/admin/version": b'"3.9.0"'}
        writer.write(http_response(known[path]) if path in known else http_response(b"{}", status))

    async def serve() -> list[Finding]:
        async with stub_server(respond) as server:
            monkeypatch.setenv("PREFECT_API_URL", f"{server.url}/api")
            with temporary_settings({PREFECT_API_URL: f"{server.url}/api"}):
                return await check_prefect(bench.settings, SystemClock())

    version, access, schedules = asyncio.run(serve())
    assert (version.verdict, "Prefect 3.9.0" in version.seen) == ("warn", True)
    assert (access.verdict, "any web page" in access.seen) == ("warn", True)
    assert (schedules.verdict, schedules.seen) == ("fail", seen)
    assert advice in schedules.advice


def address_on_the_network() -> str:
    """Return the address of this machine on a network; skip the test where there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: the system only chooses its own address
        except OSError:
            pytest.skip("this machine is on no network")
        return str(probe.getsockname()[0])


@pytest.mark.usefixtures("no_prefect")
@pytest.mark.parametrize(
    ("closed", "own_address", "seen"),
    [
        (False, False, "warn: any program and any web page on this machine can have a worker run commands"),
        (False, True, "warn: the whole network can have a worker run commands"),
        (True, False, "ok: the server asks for credentials"),
        (True, True, "warn: credentials travel unencrypted"),
    ],
)
def test_who_may_use_the_server(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, closed: bool, own_address: bool, seen: str
) -> None:
    host = address_on_the_network() if own_address else "127.0.0.1"

    async def respond(head: bytes, writer: asyncio.StreamWriter) -> None:
        path = head.split()[1]
        known = {b"/api/health": b"true", b"/api/admin/version": b'"3.8.8"'}
        if closed and path != b"/api/health" and b"basic" not in head.lower():
            writer.write(http_response(b"{}", "401 Unauthorized"))
        else:
            status = "200 OK" if path in known else "500 Internal Server Error"
            writer.write(http_response(known.get(path, b"{}"), status))

    async def serve() -> list[Finding]:
        async with stub_server(respond, host) as server:
            monkeypatch.setenv("PREFECT_API_URL", f"{server.url}/api")
            credentials = {PREFECT_API_URL: f"{server.url}/api", PREFECT_API_AUTH_STRING: "me:planted"}
            with temporary_settings(credentials):
                return await check_prefect(bench.settings, SystemClock())

    (finding,) = [finding for finding in asyncio.run(serve()) if finding.name == "prefect access"]
    verdict, _, text = seen.partition(": ")
    assert (finding.verdict, text in finding.seen) == (verdict, True), finding


@pytest.mark.slow
@pytest.mark.prefect
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_schedules_and_workers_from_deployment_to_an_offline_worker(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    findings = check(bench, monkeypatch, url)
    assert (findings["prefect server"].verdict, f"at {url}" in findings["prefect server"].seen) == (
        "ok",
        True,
    )
    assert summary(findings["prefect schedules"]) == "warn: not deployed: core, other"

    asyncio.run(deploy("core", "other", "another"))
    findings = check(bench, monkeypatch, url)
    assert summary(findings["prefect schedules"]) == "ok: active: core, other"
    assert summary(findings["prefect worker"]) == "fail: the work pool floorline has never had a worker"

    asyncio.run(send_heartbeat("w1"))
    findings = check(bench, monkeypatch, url)
    assert {name for name, finding in findings.items() if finding.verdict != "ok"} == {"prefect access"}
    assert summary(findings["prefect worker"]).startswith(
        "ok: w1 on the work pool floorline, last heartbeat "
    )

    asyncio.run(pause_deployment("other"))
    asyncio.run(add_late_run("core", timedelta(minutes=4)))
    findings = check(bench, monkeypatch, url)
    assert summary(findings["prefect schedules"]) == "warn: paused or without an active schedule: other"
    assert summary(findings["prefect runs"]) == "warn: 1 late, the first by 4m"

    findings = check(bench, monkeypatch, url, clock=FastClock())
    assert findings["prefect worker"].verdict == "fail"
    assert findings["prefect worker"].seen.endswith("offline")
