"""The SQL of docs/how-to-share.md: plain DuckDB reads a lake, with a user that only reads."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from sandbox.server import serve
from tests.support.object_store import ObjectStore
from tests.support.postgres import Postgres, needs_postgres
from tests.support.sandboxes import quiet
from tests.support.shared import VARIABLE, Shared
from tests.support.snapshots import basket
from warehouse.lake.extensions import find_extension

pytestmark = [pytest.mark.slow, pytest.mark.server, needs_postgres]
GUIDE = (Path(__file__).parents[2] / "docs" / "how-to-share.md").read_text("utf-8")
EXTENSIONS = {"ducklake": "ducklake", "postgres": "postgres_scanner", "httpfs": "httpfs"}
PASSWORD = "planted-analyst"
SESSION = """
import duckdb, json, sys
db, answers = duckdb.connect(), []
for statement in db.extract_statements(sys.stdin.read()):
    answers.append(len(db.execute(statement).fetchall()))
print(json.dumps({"answers": answers, "modules": sorted(sys.modules)}))
"""


def fences(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


def replace_all(text: str, values: Mapping[str, str]) -> str:
    for old, new in values.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def test_plain_duckdb_reads_the_lake(
    postgres: Postgres, object_store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = Shared.create(postgres, object_store)
    for name, value in shared.environment.items():
        monkeypatch.setenv(name, value)
    url = shared.environment[VARIABLE]
    with serve(quiet(items=60)) as box:
        machine = shared.machine(tmp_path / "machine", box, basket("one"))
        machine.command("snapshot", "--quiet")
        with psycopg.connect(url, autocommit=True) as db:
            grants = re.findall(r"^    ((?:CREATE ROLE analyst|GRANT|ALTER DEFAULT).*)$", GUIDE, re.MULTILINE)
            assert len(grants) == 3
            for grant in grants:
                db.execute(grant.replace("another password", PASSWORD).encode())
        machine.command("snapshot", "--quiet")  # tables that are newer than the rights
    (sql,) = fences("sql")
    places = {
        **{f"INSTALL {name};": "" for name in EXTENSIONS},
        **{f"LOAD {name};": f"LOAD '{find_extension(file)}';" for name, file in EXTENSIONS.items()},
        "db.example.com": "127.0.0.1",
        "5432": str(postgres.port),
        "DATABASE 'floorline'": f"DATABASE '{urlsplit(url).path[1:]}'",
        "'PASSWORD'": f"'{PASSWORD}'",
        "s3.example.com": urlsplit(shared.endpoint).netloc,
        "USE_SSL true": "USE_SSL false",
    }
    done = subprocess.run(
        [sys.executable, "-I", "-c", SESSION],
        input=replace_all(sql, places),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"HOME": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert '"answers": [0, 0, 0, 1, 1, 0, 0, 2, 2, 2]' in done.stdout
    assert "warehouse" not in done.stdout
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(b"DROP OWNED BY analyst; DROP ROLE analyst")
