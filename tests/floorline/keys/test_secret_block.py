"""Rotation of a key in a Prefect Secret block: the key is nowhere else in Prefect's database."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from prefect.blocks.system import Secret
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import SecretStr

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.json_outputs import read_result
from tests.support.prefect_server import WITH_PREFECT, temporary_prefect
from tests.support.sandboxes import HttpGet
from tests.support.snapshots import Bench, basket, main_with

pytestmark = WITH_PREFECT
NAME = "floorline-rotated"


@pytest.fixture(scope="module")
def prefect() -> Iterator[Path]:
    """Return the SQLite file of a temporary Prefect server."""
    with temporary_prefect() as database:
        yield database


@pytest.fixture
def bench(prefect: Path, tmp_path: Path, sandbox: Sandbox) -> Bench:
    """Return a configuration with one source, whose key is in a Secret block."""
    assert prefect.exists()
    Secret(value=SecretStr(VALID_KEY)).save(NAME, overwrite=True)
    return Bench.at(tmp_path, sandbox, basket(), source={"key": f"block:{NAME}"})


def load_block() -> str:
    loaded = cast("Secret[str]", asyncio.run(Secret.aload(NAME)))
    return str(loaded.get())


def tables_with(database: Path, text: str) -> list[str]:
    """Return the tables of an SQLite file that contain a text."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [table for table in tables if text in str(db.execute(f'SELECT * FROM "{table}"').fetchall())]


def test_new_key_is_stored_only_in_the_block(
    bench: Bench, prefect: Path, sandbox: Sandbox, http_get: HttpGet
) -> None:
    output = main_with("key", "rotate", "cs2cap", "--yes", "--json", "--config", str(bench.config))
    assert output.code == 0, output
    new = load_block()
    assert new != VALID_KEY
    assert http_get(sandbox, "/v1/fx", new).status_code == 200
    result = read_result(output.out)
    assert (result["stored_in"], result["key_tail"]) == (f"block:{NAME}", new[-4:])
    assert list((bench.paths.root / "keys").glob("*.key")) == []
    assert new not in output.out + output.err
    assert tables_with(prefect, NAME), "the block is in there"
    assert tables_with(prefect, new) == []


def test_no_request_without_a_reachable_prefect(bench: Bench, sandbox: Sandbox) -> None:
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        output = main_with("key", "rotate", "cs2cap", "--yes", "--config", str(bench.config))
    assert output.code == 2, output
    assert f"the Prefect Secret block {NAME} cannot be read: ConnectError" in output.err
    assert len(sandbox.requests) == 0
