"""Search everything that the machines and their servers have written for passwords and keys."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import obstore

from bench.checks import Checks
from bench.cluster.machines import KEYS, Cluster, run_name
from tests.support.object_store import SECRET_KEY
from tests.support.postgres import PASSWORD, find_tool
from tests.support.shared import VARIABLE
from tests.support.up import processes
from warehouse.database import open_reader
from warehouse.landing.object_store import open_object_store
from warehouse.shared import SharedLocation

SECRETS = {"the password of PostgreSQL": PASSWORD, "the secret key of S3": SECRET_KEY, **KEYS}
BASKET = f"{run_name(0)}-0"
TABLES = "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = current_database()"


def check_command_lines(checks: Checks) -> None:
    """Check the command lines of all processes of this machine, while the runs are under way."""
    lines = "\n".join(command for _, _, command in processes()).encode()
    checks.check(not find_secrets(lines), "no command line of a process has a secret")


def check_leaks(checks: Checks, cluster: Cluster) -> None:
    """Check the databases, the files and the objects, in each of which a known text is found, too."""
    shared = cluster.homes[0].paths.shared
    assert shared is not None
    state = dump_database(cluster.shared.environment[VARIABLE])
    log = (cluster.postgres.folder / "log").read_bytes()
    places: dict[str, tuple[str, Mapping[str, bytes]]] = {
        "Prefect's database": (BASKET, {"": dump_database(cluster.prefect.database)}),
        "the database of state and catalog": ("ducklake", {"": state}),
        "the tables of the lake": (BASKET, dict(_read_tables(cluster))),
        "the objects of the bucket": (BASKET, dict(_read_objects(shared))),
        "Prefect's servers, Redis and nginx": ("nginx", dict(_read_files(cluster.prefect_folder))),
        "the log of PostgreSQL": ("ready to accept connections", {"": log}),
        **{home.machine.name: (BASKET, dict(_read_files(home.folder))) for home in cluster.homes},
    }
    for name, (known, contents) in places.items():
        _check(checks, name, known, contents)


def find_secrets(content: bytes) -> list[str]:
    """Return the names of the secrets in some bytes, as they are or in hexadecimal digits."""
    forms = {name: (secret.encode(), secret.encode().hex().encode()) for name, secret in SECRETS.items()}
    return [name for name, written in forms.items() if any(form in content for form in written)]


def dump_database(url: str) -> bytes:
    """Return all rows of a PostgreSQL database."""
    program = find_tool("pg_dump")
    assert program is not None
    command = [program, "--data-only", url.replace(f":{PASSWORD}@", "@")]
    environment = {**os.environ, "PGPASSWORD": PASSWORD}
    return subprocess.run(command, env=environment, check=True, capture_output=True).stdout


def _check(checks: Checks, name: str, known: str, contents: Mapping[str, bytes]) -> None:
    found = {where: names for where, content in contents.items() if (names := find_secrets(content))}
    is_searched = any(known.encode() in content for content in contents.values())
    size, count = sum(map(len, contents.values())), len(contents)
    text = f"no secret in {name} ({size:,} bytes, files or tables: {count}; {known!r} is found)"
    checks.check(is_searched and not found, f"{text}{f'; found: {found}' if found else ''}")


def _read_tables(cluster: Cluster) -> Iterator[tuple[str, bytes]]:
    """Yield the rows of each table, as text: the Parquet files are compressed."""
    with open_reader(cluster.homes[0].paths.published_database) as db:
        for schema, table in db.execute(TABLES).fetchall():
            rows = db.execute(f'SELECT CAST(t AS VARCHAR) FROM "{schema}"."{table}" t').fetchall()
            yield f"{schema}.{table}", "\n".join(row for (row,) in rows).encode()


def _read_objects(shared: SharedLocation) -> Iterator[tuple[str, bytes]]:
    store = open_object_store(shared)
    for part in obstore.list(store):
        for meta in part:
            yield meta["path"], bytes(obstore.get(store, meta["path"]).bytes())


def _read_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    return ((str(file), file.read_bytes()) for file in folder.rglob("*") if file.is_file())
