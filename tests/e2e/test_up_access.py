"""Who reaches the server of `floorline up`: the user who started it, and nobody else.

All cases are new, but for those that show that the user goes on, which are guards.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from floorline.up.access import prefect_home, read_access
from sandbox.cs2cap.keys import VALID_KEY
from sandbox.options import Options
from sandbox.server import serve
from tests.support.other_users import CAN_CREATE_USERS, OtherUser, other_user
from tests.support.snapshots import FLOORLINE, Bench, basket, clean_env
from tests.support.up import RunningUp, descendants, free_port, processes, running_up, still_running
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("up")]
PAGE, REBOUND = "https://page.example", "rebound.example"
READS = [
    ("GET", "/admin/settings"),
    ("GET", "/admin/version"),
    ("GET", "/version"),
    ("GET", "/csrf-token?client=x"),
    ("GET", "/openapi.json"),
    ("POST", "/flow_runs/filter"),
    ("POST", "/deployments/filter"),
    ("POST", "/block_documents/filter"),
    ("POST", "/logs/filter"),
    ("POST", "/variables/filter"),
    ("POST", "/work_pools/filter"),
]
SOCKETS = [
    *("events/in", "events/out", "logs/out", "task_runs/subscriptions/scheduled"),
    "work_pools/floorline/workers/connect",
]
# Nothing listens there: whatever of ours goes through a proxy on loopback fails.
PROXY = "http://me:planted-proxy@127.0.0.1:9"
HOOK = "json://me:planted-hook@127.0.0.1:9/alerts"


@pytest.fixture(scope="module")
def up() -> Iterator[RunningUp]:
    """Run `floorline up` in a folder that other users can enter, with everything logged."""
    folder = Path(tempfile.mkdtemp(prefix="floorline-access-"))
    folder.chmod(0o755)
    levels = ("PREFECT_LOGGING_ROOT_LEVEL", "PREFECT_LOGGING_LEVEL", "PREFECT_SERVER_LOGGING_LEVEL")
    verbose = {"PREFECT_DEBUG_MODE": "1", **dict.fromkeys(levels, "DEBUG")}
    proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"), PROXY)
    try:
        with serve(Options(items=300, refresh=0, limits=False)) as box:
            bench = Bench.at(folder / "project", box, basket("quick", providers=["buff163"], every="15s"))
            bench = bench.with_notify("env:OPS_HOOK")
            bench.folder.chmod(0o755)  # this process may have narrowed its umask
            with running_up(bench, OPS_HOOK=HOOK, **verbose, **proxies) as started:
                yield started
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def other(up: RunningUp) -> Iterator[OtherUser]:
    """Return another user of the machine."""
    if not CAN_CREATE_USERS:
        pytest.skip("creating users needs root")
    with other_user() as user:
        yield user


def statuses(up: RunningUp, secret: str | None, requests: list[tuple[str, str]], **headers: str) -> set[int]:
    """Send requests as a program or a page would; return the statuses of the answers."""
    auth = None if secret is None else tuple(secret.split(":", 1))
    with httpx.Client(auth=auth, timeout=30) as client:  # type: ignore[arg-type]
        token = {"Prefect-Csrf-Token": "x", "Prefect-Csrf-Client": "x", **headers}
        return {
            client.request(method, f"{up.api}{path}", headers=token, json={}).status_code
            for method, path in requests
        }


def runs_to_start(up: RunningUp) -> list[tuple[str, str]]:
    """Return requests that would have a worker run something."""
    deployment = up.request("GET", "/deployments/name/snapshot/quick").json()["id"]
    return [
        ("POST", f"/deployments/{deployment}/create_flow_run"),
        ("PATCH", f"/deployments/{deployment}"),
        ("POST", "/deployments/"),
        ("POST", "/flow_runs/"),
        ("POST", "/automations/"),
        ("POST", "/block_documents/"),
        ("PATCH", "/work_pools/floorline"),
        ("POST", "/work_pools/floorline/get_scheduled_flow_runs"),
        ("POST", "/work_pools/floorline/workers/heartbeat"),
        ("DELETE", "/work_pools/floorline"),
    ]


def socket_of(up: RunningUp, path: str, **options: Any) -> Any:
    """Open a WebSocket of the API as Prefect's clients do."""
    return connect(f"{up.api.replace('http', 'ws')}/{path}", subprotocols=["prefect"], **options)  # type: ignore[list-item]


def authenticate(websocket: Any, token: str | None) -> dict[str, Any]:
    """Send the first message of Prefect's protocol; return the answer."""
    websocket.send(json.dumps({"type": "auth", "token": token}))
    return dict(json.loads(websocket.recv(timeout=240)))


@pytest.mark.parametrize(
    ("with_secret", "headers", "expected"),
    [
        (False, {}, {401, 403}),
        (False, {"Authorization": "Basic Zmxvb3JsaW5lOg=="}, {401, 403}),
        (False, {"Authorization": "Bearer x"}, {401, 403}),
        (False, {"Origin": PAGE}, {403}),
        (False, {"Host": REBOUND}, {400}),
        (True, {"Origin": PAGE}, {403}),
        (True, {"Origin": "null"}, {403}),
        (True, {"Origin": "http://127.0.0.1:1"}, {403}),
        (True, {"Host": REBOUND, "Origin": f"http://{REBOUND}"}, {400}),
    ],
)
def test_programs_pages_and_rebound_names_neither_read_nor_run(
    up: RunningUp, with_secret: bool, headers: dict[str, str], expected: set[int]
) -> None:
    secret = up.secret if with_secret else None
    before = len(up.query("flow_runs"))
    assert statuses(up, secret, READS, **headers) <= expected
    assert statuses(up, secret, runs_to_start(up), **headers) <= expected
    assert len(up.query("flow_runs", flow_runs={"deployment_id": {"is_null_": True}})) == 0
    assert len(up.query("flow_runs")) >= before


def test_forged_form_of_a_page_changes_nothing_even_with_the_secret(up: RunningUp) -> None:
    assert statuses(up, up.secret, runs_to_start(up)) == {403}  # without a valid token against forgery


@pytest.mark.parametrize("path", SOCKETS)
@pytest.mark.parametrize("token", [None, "", "floorline:", "floorline:wrong"])
def test_sockets_ask_for_the_secret(up: RunningUp, path: str, token: str | None) -> None:
    with socket_of(up, path) as websocket, pytest.raises(ConnectionClosed):
        authenticate(websocket, token)


@pytest.mark.parametrize("path", SOCKETS)
def test_sockets_refuse_pages_and_rebound_names_and_serve_the_user(up: RunningUp, path: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        socket_of(up, path, origin=PAGE)
    assert refused.value.response.status_code == 403
    port = int(up.api.split(":")[2].partition("/")[0])
    connection = socket.create_connection(("127.0.0.1", port))
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://{REBOUND}:{port}/api/{path}", sock=connection, subprotocols=["prefect"])  # type: ignore[list-item]
    assert refused.value.response.status_code == 400
    with socket_of(up, path, origin=up.api.removesuffix("/api")) as websocket:
        assert authenticate(websocket, up.secret) == {"type": "auth_success"}


def test_legacy_socket_without_the_secret_is_closed(up: RunningUp) -> None:
    address = up.api.replace("http", "ws") + "/events/in"
    with pytest.raises((ConnectionClosed, InvalidStatus)), connect(address) as websocket:
        websocket.recv(timeout=240)


def test_preflight_of_a_page_allows_nothing(up: RunningUp) -> None:
    headers = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
    answer = httpx.options(f"{up.api}/flow_runs/filter", headers=headers, timeout=30)
    assert (answer.status_code, "access-control-allow-origin" in answer.headers) == (403, False)
    settings = httpx.get(up.api.replace("/api", "/ui-settings"), headers={"Origin": PAGE}, timeout=30)
    assert settings.status_code == 403


def test_another_user_finds_no_file_and_no_environment_with_the_secret(
    up: RunningUp, other: OtherUser
) -> None:
    home = up.bench.paths.root / "prefect"
    assert other.run("ls", str(up.bench.folder)).returncode == 0  # the user does get that far
    for path in (home, home / "up.json", home / "prefect.db", home / "logs" / "server.log"):
        assert "Permission denied" in other.run("cat", str(path)).stderr, path
    for pid in up.family():
        assert other.run("cat", f"/proc/{pid}/environ").stdout == ""
    command_lines = other.run("ps", "-e", "-ww", "-o", "args").stdout
    assert "floorline.up.prefect_server" in command_lines
    assert up.secret.partition(":")[2] not in command_lines


def test_another_user_neither_reads_nor_runs_nor_takes_the_port(up: RunningUp, other: OtherUser) -> None:
    request = (
        "import sys, urllib.request as u, urllib.error as e\n"
        "r = u.Request(sys.argv[1], b'{}', {'Content-Type': 'application/json'}, method=sys.argv[2])\n"
        "try:\n    print(u.urlopen(r).status)\nexcept e.HTTPError as error:\n    print(error.code)\n"
    )
    for method, path in [*READS, *runs_to_start(up)]:
        assert other.python(request, up.api + path, method).stdout.strip() in {"401", "403"}, path
    bind = (
        "import socket, sys\ns = socket.socket()\n"
        "s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
        "s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)\n"
        "s.bind((sys.argv[1], int(sys.argv[2])))\ns.listen()\n"
    )
    port = re.findall(r":(\d+)/", up.api)[0]
    for address in ("127.0.0.1", "0.0.0.0"):  # noqa: S104 - as an attacker would
        assert "Address already in use" in other.python(bind, address, port).stderr
    held = "import fcntl, sys\nfcntl.flock(open(sys.argv[1]), fcntl.LOCK_SH)"
    assert "Permission denied" in other.python(held, str(up.bench.paths.root / "prefect" / "up.lock")).stderr


def test_users_own_page_commands_and_workers_go_on(up: RunningUp) -> None:
    page = up.api.removesuffix("/api")
    deployment = up.request("GET", "/deployments/name/snapshot/quick").json()["id"]
    for host in ("127.0.0.1", "localhost"):
        address = page.replace("127.0.0.1", host)
        shown = httpx.get(f"{address}/v2/", headers={"Accept": "text/html"}, timeout=30)
        assert (shown.status_code, "<html" in shown.text) == (200, True)
        settings = httpx.get(f"{address}/ui-settings", headers={"Origin": address}, timeout=30).json()
        assert (settings["auth"], settings["csrf_enabled"], settings["api_url"]) == ("BASIC", True, up.api)
        assert up.request("POST", "/flow_runs/filter", address, json={}).status_code == 200
        assert up.request("PATCH", f"/deployments/{deployment}", address, json={}).status_code == 204
    assert httpx.get(f"{up.api}/health", timeout=30).json() is True  # the page asks before the login
    done = len(up.runs("quick", "COMPLETED"))
    assert up.secret in up.bench.command("ui").stdout
    assert "ok    prefect access     the server asks for credentials" in up.bench.command("doctor").stdout
    assert "floorline" in up.bench.command("prefect", "work-pool", "ls").stdout
    assert "all 20" in up.bench.command("snapshot", "--prefect").stderr
    assert {run["name"][:3] for run in up.query("flow_runs", sort="START_TIME_DESC")} >= {"all"}
    wait_until(lambda: len(up.runs("quick", "COMPLETED")) >= done + 2, 240, every=0.2)


def test_nothing_but_the_private_file_has_a_secret(up: RunningUp) -> None:
    wait_until(lambda: up.runs("quick", "COMPLETED"), 240, every=0.2)
    password = up.secret.partition(":")[2]
    encoded = base64.b64encode(up.secret.encode()).decode()
    # Libraries that log what they send shorten it: the beginning of the password counts as well.
    secrets = {password[:8], encoded[:24], "planted-proxy", "planted-hook", VALID_KEY}
    commands = "\n".join(command for _, _, command in processes())
    with closing(sqlite3.connect(up.bench.paths.root / "prefect" / "prefect.db")) as db:
        rows = "\n".join(db.iterdump())
    assert [secret for secret in secrets for text in (up.output(), commands, rows) if secret in text] == []
    files = [path for path in up.bench.folder.rglob("*") if path.is_file()]
    found = {path.name for path in files for secret in secrets if secret.encode() in path.read_bytes()}
    assert found == {"up.json", "cs2cap.key"}


def test_kill_leaves_nothing_running_and_the_next_start_has_a_new_secret(up: RunningUp) -> None:
    """Run last: the test kills the process of the module."""
    wait_until(lambda: up.runs("quick", "RUNNING", "PENDING"), 240, every=0.2)
    wait_until(lambda: any("prefect.engine" in command for *_, command in processes()), 240, every=0.2)
    family, secret = up.family(), up.secret
    assert len(family) >= 4
    os.kill(up.process.pid, signal.SIGKILL)
    up.process.wait(240)
    wait_until(lambda: still_running(family) == set(), every=0.05)
    stale = up.bench.command("ui", check=2)
    assert "no `floorline up` of this user runs" in stale.stderr
    with running_up(up.bench) as again:
        assert again.secret != secret
        assert statuses(again, secret, [("GET", "/admin/version")]) == {401}
        assert statuses(again, again.secret, [("GET", "/admin/version")]) == {200}


def check_server_on_all_addresses(up: RunningUp) -> None:
    """Check the warning, that another address needs the password, too, and that its page finds the API."""
    events = {line["event"]: line for line in map(json.loads, up.output().splitlines())}
    assert events["server.exposed"]["level"] == "warning"
    assert events["scheduled"]["message"].startswith("Scheduled: one.")
    other = up.api.removesuffix("/api").replace("127.0.0.1", "127.0.0.2")
    settings = httpx.get(f"{other}/ui-settings", headers={"Origin": other}, timeout=30).json()
    assert (settings["auth"], settings["api_url"]) == ("BASIC", "/api")
    assert httpx.post(f"{other}/api/flow_runs/filter", json={}, timeout=30).status_code in {401, 403}
    assert httpx.get(f"{other}/ui-settings", headers={"Origin": PAGE}, timeout=30).status_code == 403


def test_workers_for_a_server_of_the_users_own_end_with_up_too(tmp_path: Path) -> None:
    """The server of another `floorline up` is the one of the user's own."""
    with serve(Options(items=300, refresh=0, limits=False)) as box:
        first = Bench.at(tmp_path / "first", box, basket("one", providers=["buff163"], every="6h"))
        second = Bench.at(tmp_path / "second", box, basket("two", providers=["buff163"], every="15s"))
        home = tmp_path / "home"
        home.mkdir()
        (home / "prefect.db").touch(0o644)  # of an earlier version, in a folder that others can read
        wide = ("--host", "0.0.0.0", "--log-format", "json")  # noqa: S104 - the user asks for it
        with running_up(first, *wide, PREFECT_HOME=str(home)) as own:
            check_server_on_all_addresses(own)
            assert {oct(file.stat().st_mode)[-3:] for file in home.iterdir() if file.is_file()} == {"600"}
            credentials = {"PREFECT_API_URL": own.api, "PREFECT_API_AUTH_STRING": own.secret}
            with running_up(second, **credentials) as up:
                assert up.children("up.prefect_server") == []
                assert "without credentials" not in up.output()
                access = read_access(prefect_home(second.paths.root))
                assert access is not None
                assert (access.api_url, access.secret, access.pid) == (own.api, None, up.process.pid)
                assert f"floorline up: {access.page} (PID" in second.command("status").stdout
                family = up.family()
                os.kill(up.process.pid, signal.SIGKILL)
                up.process.wait(240)
                wait_until(lambda: still_running(family) == set(), every=0.05)
            assert own.query("work_pools")


@pytest.mark.parametrize("phase", ["server", "up", "worker-1"])
def test_kill_during_the_start_leaves_nothing_running(tmp_path: Path, phase: str) -> None:
    with serve(Options(items=300, refresh=0, limits=False)) as box:
        bench = Bench.at(tmp_path, box, basket(providers=["buff163"]))
        command = [FLOORLINE, "up", "--config", str(bench.config), "--port", str(free_port())]
        with subprocess.Popen(command, env=clean_env(), stdout=subprocess.DEVNULL) as process:
            try:
                log = bench.paths.root / "prefect" / "logs" / f"{phase}.log"
                wait_until(log.exists, 180)
                wait_until(lambda: descendants(process.pid) - {process.pid})
                family = descendants(process.pid)
            finally:
                process.kill()
        wait_until(lambda: still_running(family) == set(), every=0.05)
