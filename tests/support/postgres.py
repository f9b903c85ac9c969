"""A PostgreSQL server on loopback, with a new database for each test that asks for one."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from tests.support.up import free_port

PASSWORD = "planted-d41c9e77"
USER = "floorline"
END_CONNECTIONS: Final = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"


def find_tool(name: str) -> str | None:
    """Return the path of a PostgreSQL program, which Debian does not put into PATH."""
    candidates = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(candidates[-1]) if candidates else None)


needs_postgres = pytest.mark.skipif(find_tool("initdb") is None, reason="PostgreSQL is not installed")


@dataclasses.dataclass(frozen=True, slots=True)
class Postgres:
    """A PostgreSQL cluster, by default on loopback.

    PostgreSQL refuses to run as root: root uses the user `postgres`.
    """

    folder: Path
    port: int
    host: str = "127.0.0.1"
    max_connections: int = 100

    def url(self, database: str = "postgres", scheme: str = "postgresql") -> str:
        """Return the address of a database, with the password."""
        return f"{scheme}://{USER}:{PASSWORD}@{self.host}:{self.port}/{database}"

    def create_database(self, template: str | None = None) -> str:
        """Create a database, empty or as a copy of the one at `template`; return its address."""
        import psycopg

        name = f"test_{secrets.token_hex(6)}"
        with psycopg.connect(self.url(), autocommit=True) as db:
            if template is None:
                db.execute(f"CREATE DATABASE {name}".encode())
            else:
                source = urlsplit(template).path[1:]
                db.execute(END_CONNECTIONS, [source])  # PostgreSQL copies no database that somebody uses
                db.execute(f"CREATE DATABASE {name} TEMPLATE {source}".encode())
        return self.url(name)

    def drop_database(self, address: str) -> None:
        """Drop a database, and end the connections to it."""
        import psycopg

        name = urlsplit(address).path[1:]
        with psycopg.connect(self.url(), autocommit=True) as db:
            db.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    def run(self, name: str, *arguments: str) -> None:
        """Run a PostgreSQL program to its end."""
        program = find_tool(name)
        assert program is not None
        root = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        command = [*(root if os.getuid() == 0 else ()), program, *arguments]
        subprocess.run(command, check=True, cwd=self.folder, timeout=120, stdout=subprocess.DEVNULL)

    def start(self) -> None:
        """Start the server; wait until it answers."""
        settings = {
            "port": self.port,
            "listen_addresses": self.host,
            "unix_socket_directories": self.folder,
            "fsync": "off",
            "max_connections": self.max_connections,
        }
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        data = str(self.folder / "data")
        self.run("pg_ctl", "-D", data, "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        """End the server at once: every connection is lost."""
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", "immediate", "stop")


@contextlib.contextmanager
def running_postgres(host: str = "127.0.0.1", max_connections: int = 100) -> Iterator[Postgres]:
    """Run a new cluster in a temporary folder, which is deleted at the end."""
    folder = Path(tempfile.mkdtemp(prefix="floorline-postgres-"))
    cluster = Postgres(folder, free_port(), host, max_connections)
    password = folder / "password"
    password.write_text(PASSWORD)
    if os.getuid() == 0:
        for path in (folder, password):
            shutil.chown(path, "postgres", "postgres")
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        data = str(folder / "data")
        access = ("--auth=scram-sha-256", f"--pwfile={password}")
        cluster.run("initdb", "-D", data, "-U", USER, "--encoding=UTF8", "--no-sync", *access)
        with (folder / "data" / "pg_hba.conf").open("a") as access_rules:
            access_rules.write("host all all samenet scram-sha-256\n")
        cluster.start()
        stack.callback(cluster.stop)
        yield cluster
