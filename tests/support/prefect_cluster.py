"""Prefect with two API servers, one process of services, Redis, PostgreSQL and nginx, as in the guide."""

from __future__ import annotations

import contextlib
import dataclasses
import getpass
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from tests.support.postgres import Postgres, needs_postgres
from tests.support.snapshots import clean_env
from tests.support.up import Record, free_port
from tests.support.waiting import wait_until

GUIDE = Path(__file__).parents[2] / "docs" / "how-to-prefect-servers.md"
NGINX = Path("/usr/sbin/nginx")  # of Debian; not in the PATH of every user
API_PASSWORD = "planted-9ab4c1"
AUTH = f"floorline:{API_PASSWORD}"
FRAME = """
daemon off;
user {user};
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    {server}
}}
"""
needs_prefect_cluster = [
    needs_postgres,
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="Redis is not installed"),
    pytest.mark.skipif(not NGINX.exists(), reason="nginx is not installed"),
]


@dataclasses.dataclass(frozen=True, slots=True)
class PrefectCluster:
    """The address of the proxy before the API servers, the processes of these, and their database."""

    api: str
    servers: list[subprocess.Popen[bytes]]
    database: str = dataclasses.field(repr=False)

    @property
    def environment(self) -> Mapping[str, str]:
        """What a worker machine needs."""
        return {"PREFECT_API_URL": self.api, "PREFECT_API_AUTH_STRING": AUTH}

    def post(self, path: str, **content: object) -> httpx.Response:
        """Send a POST request as `send` does."""
        return self.send("POST", path, **content)

    def send(self, method: str, path: str, **content: object) -> httpx.Response:
        """Send a request by the proxy, with the password and a token against forgery.

        Where a server is busy or was killed, the request is sent again, as Prefect's clients do.
        """
        responses: list[httpx.Response] = []

        def answered() -> bool:
            with contextlib.suppress(httpx.TransportError):
                responses.append(self._send(method, path, content))
            return bool(responses) and not responses[-1].is_server_error

        wait_until(answered, 240, every=0.5)
        return responses[-1].raise_for_status()

    def _send(self, method: str, path: str, content: Record) -> httpx.Response:
        user, _, password = AUTH.partition(":")
        with httpx.Client(base_url=self.api, auth=(user, password), timeout=60) as client:
            answer = client.get("/csrf-token", params={"client": "tests"})
            if not answer.is_success:
                return answer
            headers = {"Prefect-Csrf-Token": answer.json()["token"], "Prefect-Csrf-Client": "tests"}
            return client.request(method, path, json=content, headers=headers)

    def runs(self, *states: str) -> list[Record]:
        """Return the flow runs in these states."""
        return list(self.post("/flow_runs/filter", flow_runs={"state": {"type": {"any_": states}}}).json())


@contextlib.contextmanager
def running_prefect_cluster(postgres: Postgres, folder: Path) -> Iterator[PrefectCluster]:
    """Run the cluster on a new database, by the settings and commands of the guide."""
    redis, proxy, *apis = (free_port() for _ in range(4))
    database = postgres.create_database()
    settings = _read_settings(database, redis)
    with contextlib.ExitStack() as stack:
        start = _Starter(stack, folder, settings)
        start.program("redis", "redis-server", "--port", str(redis), "--bind", "127.0.0.1", "--save", "")
        start.run_prefect("server", "database", "upgrade", "--yes")
        servers = []
        for number, port in enumerate(apis, 1):
            options = ("--no-services", "--host", "127.0.0.1", "--port", str(port))
            servers.append(start.prefect(f"api-{number}", "server", "start", *options))
            if number == 1:  # the first one alone
                _wait_for(f"http://127.0.0.1:{port}/api/health")
        start.prefect("services", "server", "services", "start")
        _wait_for(f"http://127.0.0.1:{apis[-1]}/api/health")
        start.program("nginx", str(NGINX), "-c", str(_configure_proxy(folder, proxy, apis)))
        api = f"http://127.0.0.1:{proxy}/api"
        _wait_for(f"{api}/health")
        yield PrefectCluster(api, servers, database)


@dataclasses.dataclass(frozen=True, slots=True)
class _Starter:
    """Starts processes that end with the stack, each with a folder of its own."""

    stack: contextlib.ExitStack
    folder: Path
    settings: Mapping[str, str]

    def program(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        """Start a program; its output is in a file."""
        home = self.folder / name
        home.mkdir()
        with (home / "log").open("wb") as log:
            environment = clean_env(**self.settings, PREFECT_HOME=str(home))
            process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env=environment, cwd=home
            )
        self.stack.callback(_stop, process)
        return process

    def prefect(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a command of Prefect."""
        return self.program(name, sys.executable, "-m", "prefect", *arguments)

    def run_prefect(self, *arguments: str) -> None:
        """Run a command of Prefect to its end."""
        process = self.prefect("-".join(arguments[:3]), *arguments)
        assert process.wait(120) == 0


def _read_settings(database: str, redis: int) -> dict[str, str]:
    """Return the settings of the guide, with the addresses and passwords of here."""
    (block,) = re.findall(r"^```ini\n(.*?)^```", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    for written, here in {
        "postgresql+asyncpg://prefect:DATABASE_PASSWORD@127.0.0.1:5432/prefect": database.replace(
            "postgresql:", "postgresql+asyncpg:"
        ),
        ":6379/": f":{redis}/",
        "API_PASSWORD": API_PASSWORD,
    }.items():
        assert written in block
        block = block.replace(written, here)
    return dict(line.split("=", 1) for line in block.splitlines())


def _configure_proxy(folder: Path, port: int, apis: list[int]) -> Path:
    """Write the configuration of the guide with other ports; return its path."""
    (server,) = re.findall(r"^```nginx\n(.*?)^```", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    for written, here in zip(("4200", "4201", "4202"), (port, *apis), strict=True):
        assert server.count(f":{written};") == 1
        server = server.replace(f":{written};", f":{here};")
    path = folder / "nginx.conf"
    path.write_text(FRAME.format(folder=folder, server=server, user=getpass.getuser()), "utf-8")
    return path


def _wait_for(address: str) -> None:
    def answers() -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(address, auth=("floorline", API_PASSWORD)).is_success
        return False

    wait_until(answers, 120, every=0.3)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a process; one that was killed has ended already."""
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
