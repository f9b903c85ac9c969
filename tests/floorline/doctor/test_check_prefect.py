"""The doctor on Prefect, with a real server: is it there, are the baskets scheduled, does a worker live."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate, WorkPoolCreate
from prefect.client.schemas.objects import State
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Scheduled

from common.clock import Clock, SystemClock
from floorline.doctor.check_prefect import check_prefect
from floorline.doctor.findings import Finding
from sandbox.core import Sandbox
from tests.support.http_servers import answer, canned
from tests.support.prefect_server import temporary_prefect
from tests.support.snapshots import Bench, basket


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A temporary Prefect server; its address."""
    with temporary_prefect():
        yield PREFECT_API_URL.value() or ""


@pytest.fixture
def bench(tmp_path: Path, sandbox: Sandbox) -> Bench:
    return Bench.at(tmp_path, sandbox, basket("core"), basket("other"))


class Later(SystemClock):
    """Two minutes ahead."""

    def now(self) -> datetime:
        """Return the moment in two minutes, in UTC."""
        return super().now() + timedelta(minutes=2)


def looked(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, url: str, clock: Clock | None = None
) -> dict[str, Finding]:
    monkeypatch.setenv("PREFECT_API_URL", url)
    found = asyncio.run(check_prefect(bench.settings, clock or SystemClock()))
    return {finding.name: finding for finding in found}


def said(finding: Finding) -> str:
    return f"{finding.verdict}: {finding.seen}"


async def deploy(*names: str) -> None:
    """Deploy `snapshot/NAME` every ten minutes on the pool `floorline`."""
    schedule = DeploymentScheduleCreate(schedule=IntervalSchedule(interval=timedelta(minutes=10)))
    async with get_client() as client:
        await client.create_work_pool(WorkPoolCreate(name="floorline", type="process"))
        flow = await client.create_flow_from_name("snapshot")
        for name in names:
            await client.create_deployment(flow, name, work_pool_name="floorline", schedules=[schedule])


async def beat(worker: str) -> None:
    async with get_client() as client:
        await client.send_worker_heartbeat("floorline", worker, heartbeat_interval_seconds=30)


async def pause(name: str) -> None:
    async with get_client() as client:
        deployment = await client.read_deployment_by_name(f"snapshot/{name}")
        await client.update_deployment(deployment.id, DeploymentUpdate(paused=True))


async def be_late(name: str, by: timedelta) -> None:
    """Have a run that should have begun."""
    late: State[None] = Scheduled(name="Late", scheduled_time=datetime.now(UTC) - by)
    async with get_client() as client:
        deployment = await client.read_deployment_by_name(f"snapshot/{name}")
        await client.create_flow_run_from_deployment(deployment.id, state=late)


@pytest.mark.usefixtures("no_prefect")
def test_without_prefect(bench: Bench) -> None:
    (found,) = asyncio.run(check_prefect(bench.settings, SystemClock()))
    assert (found.name, found.verdict) == ("prefect server", "ok")
    assert "by hand or by cron" in found.seen


def test_a_server_that_is_not_there(bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    done = bench.command("doctor", check=1, PREFECT_API_URL="http://me:secret@127.0.0.1:9/api")
    assert "fail  prefect server  no Prefect API answers at http://127.0.0.1:9/api" in done.stdout
    assert "secret" not in done.stdout + done.stderr


@pytest.mark.usefixtures("no_prefect")
@pytest.mark.parametrize(
    ("status", "seen", "advice"),
    [
        ("401 Unauthorized", "Prefect refuses us (HTTP 401)", "PREFECT_API_AUTH_STRING"),
        ("500 Internal Server Error", "Prefect answers HTTP 500", "log of its server"),
    ],
)
def test_a_server_that_refuses_us(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, status: str, seen: str, advice: str
) -> None:
    async def guarded(head: bytes, writer: asyncio.StreamWriter) -> None:
        path = head.split()[1].decode().removeprefix("/api")
        known = {"/health": b"true", "/admin/version": b'"3.9.0"'}
        writer.write(answer(known[path]) if path in known else answer(b"{}", status))

    async def serve() -> list[Finding]:
        async with canned(guarded) as server:
            monkeypatch.setenv("PREFECT_API_URL", f"{server.url}/api")
            with temporary_settings({PREFECT_API_URL: f"{server.url}/api"}):
                return await check_prefect(bench.settings, SystemClock())

    version, refused = asyncio.run(serve())
    assert (version.verdict, "Prefect 3.9.0" in version.seen) == ("warn", True)
    assert (refused.verdict, refused.seen) == ("fail", seen)
    assert advice in refused.advice


@pytest.mark.slow
@pytest.mark.prefect
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_operation_from_its_first_day_to_a_dead_worker(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    found = looked(bench, monkeypatch, url)
    assert (found["prefect server"].verdict, f"at {url}" in found["prefect server"].seen) == ("ok", True)
    assert said(found["prefect schedules"]) == "warn: not deployed: core, other"

    asyncio.run(deploy("core", "other", "another"))
    found = looked(bench, monkeypatch, url)
    assert said(found["prefect schedules"]) == "ok: active: core, other"
    assert said(found["prefect worker"]) == "fail: no worker has ever looked at the work pool floorline"

    asyncio.run(beat("w1"))
    found = looked(bench, monkeypatch, url)
    assert {finding.verdict for finding in found.values()} == {"ok"}
    assert said(found["prefect worker"]).startswith("ok: w1 on the work pool floorline, heard ")

    asyncio.run(pause("other"))
    asyncio.run(be_late("core", timedelta(minutes=4)))
    found = looked(bench, monkeypatch, url)
    assert said(found["prefect schedules"]) == "warn: paused or without an active schedule: other"
    assert said(found["prefect runs"]) == "warn: 1 late, the first by 4m"

    found = looked(bench, monkeypatch, url, Later())
    assert found["prefect worker"].verdict == "fail"
    assert found["prefect worker"].seen.endswith("not alive")
