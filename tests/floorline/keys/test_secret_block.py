"""A key in a Prefect Secret block is replaced there, and is nowhere else in Prefect's database."""

from __future__ import annotations

import asyncio
import json
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
from tests.support.prefect_server import WITH_PREFECT, temporary_prefect
from tests.support.sandboxes import HttpGet
from tests.support.snapshots import Bench, basket, main_with

pytestmark = WITH_PREFECT
NAME = "floorline-rotated"


@pytest.fixture(scope="module")
def prefect() -> Iterator[Path]:
    """A temporary Prefect server; its SQLite file."""
    with temporary_prefect() as database:
        yield database


@pytest.fixture
def bench(prefect: Path, tmp_path: Path, sandbox: Sandbox) -> Bench:
    """One source, its key in a Secret block."""
    assert prefect.exists()
    Secret(value=SecretStr(VALID_KEY)).save(NAME, overwrite=True)
    return Bench.at(tmp_path, sandbox, basket(), source={"key": f"block:{NAME}"})


def stored() -> str:
    loaded = cast("Secret[str]", asyncio.run(Secret.aload(NAME)))
    return str(loaded.get())


def rows_with(database: Path, text: str) -> list[str]:
    """The tables of an SQLite file that hold a text."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [table for table in tables if text in str(db.execute(f'SELECT * FROM "{table}"').fetchall())]


def test_the_new_key_is_in_the_block_and_nowhere_else(
    bench: Bench, prefect: Path, sandbox: Sandbox, http_get: HttpGet
) -> None:
    said = main_with("key", "rotate", "cs2cap", "--yes", "--json", "--config", str(bench.config))
    assert said.code == 0, said
    new = stored()
    assert new != VALID_KEY
    assert http_get(sandbox, "/v1/fx", new).status_code == 200
    told = json.loads(said.out)
    assert (told["stored_in"], told["key_tail"]) == (f"block:{NAME}", new[-4:])
    assert list((bench.home.root / "keys").glob("*.key")) == []
    assert new not in said.out + said.err
    assert rows_with(prefect, NAME), "the block is in there"
    assert rows_with(prefect, new) == []


def test_where_prefect_does_not_answer_nothing_is_asked(bench: Bench, sandbox: Sandbox) -> None:
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        said = main_with("key", "rotate", "cs2cap", "--yes", "--config", str(bench.config))
    assert said.code == 2, said
    assert f"the Prefect Secret block {NAME} cannot be read: ConnectError" in said.err
    assert len(sandbox.requests) == 0
