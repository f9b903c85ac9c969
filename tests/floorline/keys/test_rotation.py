"""`floorline key rotate`: one request, the new key stored before anything else, and never shown."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path

import pytest

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.key_rotation import (
    REISSUE,
    accepted,
    during_the_call,
    key_file,
    rotate,
    rotating,
    spares,
)
from tests.support.sandboxes import HttpGet
from tests.support.snapshots import Bench, basket, priced

pytestmark = pytest.mark.slow


def test_a_key_in_a_file_is_replaced_there(bench: Bench, sandbox: Sandbox, http_get: HttpGet) -> None:
    said = rotate(bench)
    assert accepted(sandbox, http_get, key_file(bench))
    new = key_file(bench).read_text().strip()
    assert re.search(rf"the new key …{new[-4:]} of cs2cap is in file:.*, and the source accepts it", said.out)
    assert "nothing of Floorline is to be restarted" in said.out
    assert (len(sandbox.requests.of_path(REISSUE)), spares(bench), priced(sandbox)) == (1, [], [])
    assert [file.name for file in bench.folder.iterdir() if "key." in file.name] == []
    assert bench.snapshot()[0].state == "done"


def test_the_result_as_json(bench: Bench) -> None:
    told = json.loads(rotate(bench, "--json").out)
    assert told["key_tail"] == key_file(bench).read_text().strip()[-4:]
    assert (told["source"], told["accepted"], told["problem"]) == ("cs2cap", True, None)
    assert told["stored_in"] == f"file:{key_file(bench)}"


def test_a_link_stays_a_link(bench: Bench, sandbox: Sandbox, http_get: HttpGet) -> None:
    real = bench.folder / "real" / "secret"
    real.parent.mkdir()
    key_file(bench).rename(real)
    key_file(bench).symlink_to(real)
    rotate(bench)
    assert key_file(bench).is_symlink()
    assert accepted(sandbox, http_get, real)


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a file away needs root")
def test_a_file_keeps_its_owner(bench: Bench) -> None:
    os.chown(key_file(bench), 1234, 1235)
    rotate(bench)
    owner = key_file(bench).stat()
    assert (owner.st_uid, owner.st_gid, stat.S_IMODE(owner.st_mode)) == (1234, 1235, 0o600)


def test_a_key_in_the_environment_goes_to_a_file_and_the_user_is_told(
    tmp_path: Path, sandbox: Sandbox, http_get: HttpGet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROTATED_KEY", VALID_KEY)
    bench = Bench.at(tmp_path, sandbox, basket(), source={"key": "env:ROTATED_KEY"})
    said = rotate(bench)
    (file,) = spares(bench)
    assert accepted(sandbox, http_get, file)
    assert f"is in {file}, and the source accepts it" in said.out
    assert f"put the key in {file} where ROTATED_KEY is set" in said.out
    assert "restart what was started with the old ROTATED_KEY" in said.out
    assert "cannot be put into the environment variable ROTATED_KEY" in said.err
    assert (file.parent / ".gitignore").read_text() == "*\n"
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_two_at_once_send_one_request(bench: Bench, sandbox: Sandbox, http_get: HttpGet) -> None:
    second: list[tuple[int, str]] = []

    def again() -> None:
        with rotating(bench, "--yes") as process:
            _, err = process.communicate(timeout=60)
        second.append((process.returncode, err.splitlines()[-1]))

    acting = during_the_call(sandbox, again, seconds=5)
    rotate(bench)
    acting.join()
    told = "floorline: cs2cap: a key is being changed by another process; nothing was done"
    assert second == [(2, told)]
    assert len(sandbox.requests.of_path(REISSUE)) == 1
    assert accepted(sandbox, http_get, key_file(bench))


def test_another_source_with_the_same_key_is_named(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = Bench.at(tmp_path, {"cs2cap": sandbox, "twin": sandbox}, basket())
    said = rotate(bench)
    assert f"the source twin: file:{bench.folder / 'twin.key'} had the same key" in said.out


def test_the_new_key_is_in_its_store_and_nowhere_else(bench: Bench) -> None:
    rotate(bench)
    new = key_file(bench).read_text().strip().encode()
    holding = [file for file in bench.folder.rglob("*") if file.is_file() and new in file.read_bytes()]
    assert holding == [key_file(bench)]
