"""Fixtures of all tests: sandboxes on loopback, a project, a rate limiter; and the marker `server`."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import settings

from common.sqlite_state import SqliteState
from common.state_database import StateDatabase
from connectors.ratelimit.limiter import RateLimiter
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from sandbox.server import serve
from tests.support import patient
from tests.support.lake_warehouses import LakeWarehouses, use_lakes
from tests.support.object_store import ObjectStore, running_object_store
from tests.support.postgres import Postgres, needs_postgres, running_postgres
from tests.support.rate_limits import MakeRateLimiter, shared_rate_limiter
from tests.support.sandboxes import HttpGet, MakeSandbox, quiet
from tests.support.server_use import no_server, starts_server
from tests.support.snapshots import Bench, basket
from tests.support.states import MakeState, share, virtual_postgres
from warehouse.paths import WarehousePaths
from warehouse.state.database import open_state

# Floorline waits for the disk after what it writes: the temporary folders of tests are in memory, where
# there is room for them. A value of one's own counts.
MEMORY = Path("/dev/shm")  # noqa: S108 - below it, pytest makes a folder of its own
if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 4e9:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

# A shell starts a background job with SIGINT ignored, and the commands that tests interrupt inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No property test fails on a busy machine, nor by chance: each tries the same examples in every run.
# `--hypothesis-profile explore` tries new ones.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
settings.load_profile("repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that makes the warehouses of tests lakes."""
    parser.addoption(
        "--warehouse", choices=["file", "lake"], default="file", help="what warehouses of tests are"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that start a server or a process; skip those about files where a warehouse is a lake."""
    for item in items:
        if isinstance(item, pytest.Function) and starts_server(item):
            item.add_marker(pytest.mark.server)
        mark = item.get_closest_marker("file_warehouse")
        if mark and config.getoption("--warehouse") == "lake":
            item.add_marker(pytest.mark.skip(f"not of a lake: {mark.args[0]}"))


@pytest.fixture(autouse=True)
def without_server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test that starts a server or a process without the marker `server`."""
    if request.node.get_closest_marker("server"):
        yield
    else:
        with no_server(monkeypatch):
            yield


@pytest.fixture
def make_sandbox() -> Iterator[MakeSandbox]:
    """Return a factory of sandboxes: by default 300 items, clock frozen at noon, no limits."""
    with ExitStack() as stack:

        def make(**options: Any) -> Sandbox:
            return stack.enter_context(serve(quiet(**options)))

        yield make


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Return a PostgreSQL server; a test creates a database of its own in it."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def warehouses(request: pytest.FixtureRequest) -> None:
    """Make the warehouses of all tests lakes, with `--warehouse lake`."""
    if request.config.getoption("--warehouse") == "lake":
        use_lakes(LakeWarehouses(request.getfixturevalue("postgres")))


@pytest.fixture(scope="session")
def object_store() -> Iterator[ObjectStore]:
    """Return an S3 server; a test creates a bucket of its own in it."""
    with running_object_store() as server:
        yield server


@pytest.fixture
def sandbox(make_sandbox: MakeSandbox) -> Sandbox:
    """Return a sandbox with the defaults of the factory."""
    return make_sandbox()


@pytest.fixture
def bench(tmp_path: Path, sandbox: Sandbox) -> Bench:
    """Return a project with one basket and one source, whose key is in a file."""
    return Bench.at(tmp_path, sandbox, basket())


on_postgres = pytest.param("postgres", marks=[needs_postgres, pytest.mark.server])


@pytest.fixture(params=["sqlite", on_postgres])
def state_paths(request: pytest.FixtureRequest, tmp_path: Path) -> WarehousePaths:
    """Return the paths of a warehouse whose state is in a file, or in a database of its own in PostgreSQL."""
    if request.param == "sqlite":
        return share(tmp_path, None)
    return share(tmp_path, request.getfixturevalue("postgres").create_database())


@pytest.fixture
def state(state_paths: WarehousePaths) -> StateDatabase:
    """Return a state database, SQLite's or PostgreSQL's."""
    return open_state(state_paths)


@pytest.fixture
def make_state(state_paths: WarehousePaths) -> MakeState:
    """Return a factory of views of one state database, whose own clock, if it has one, is a virtual one."""
    shared = state_paths.shared
    if shared is None:
        return lambda _clock: open_state(state_paths)
    return lambda clock: virtual_postgres(shared.read_database_url(), clock)


@pytest.fixture(params=["memory", "sqlite", on_postgres])
def make_rate_limiter(request: pytest.FixtureRequest, tmp_path: Path) -> MakeRateLimiter:
    """Return a factory of rate limiters with a ledger in memory, in a `state.db` or in PostgreSQL."""
    if request.param == "memory":
        return RateLimiter
    if request.param == "sqlite":
        state = SqliteState(tmp_path / "state.db")
        return lambda per_minute, clock: shared_rate_limiter(state, per_minute, clock)
    url = request.getfixturevalue("postgres").create_database()
    return lambda per_minute, clock: shared_rate_limiter(virtual_postgres(url, clock), per_minute, clock)


@pytest.fixture
def no_prefect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Configure no Prefect API."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a disk of 40 MB; skip where mounting is not allowed."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=40m", "none", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting needs root")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


@pytest.fixture
def http_get() -> Iterator[HttpGet]:
    """Return a function that sends a GET request with a key and query parameters to a sandbox."""
    with patient.Client() as client:

        def get(
            sandbox: Sandbox, path: str = "/v1/prices", key: str | None = VALID_KEY, **query: Any
        ) -> httpx.Response:
            headers = {} if key is None else {"Authorization": f"Bearer {key}"}
            return client.get(sandbox.url + path, params=query, headers=headers)

        yield get
