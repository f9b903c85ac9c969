"""The command `floorline key rotate`: one request, the new key stored first, and never printed."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.json_outputs import read_result
from tests.support.key_rotation import (
    REISSUE,
    backup_files,
    during_reissue,
    is_accepted,
    key_file,
    rotate,
    rotate_in_process,
    wait_for_prompt,
)
from tests.support.sandboxes import HttpGet
from tests.support.snapshots import Bench, basket, price_requests

pytestmark = pytest.mark.slow


def test_key_in_a_file_is_replaced(bench: Bench, sandbox: Sandbox, http_get: HttpGet) -> None:
    output = rotate(bench)
    assert is_accepted(sandbox, http_get, key_file(bench))
    new = key_file(bench).read_text().strip()
    assert re.search(
        rf"the new key …{new[-4:]} of cs2cap is in file:.*, and the source accepts the key", output.out
    )
    assert "no part of Floorline needs a restart" in output.out
    assert (len(sandbox.requests.of_path(REISSUE)), backup_files(bench), price_requests(sandbox)) == (
        1,
        [],
        [],
    )
    assert [file.name for file in bench.folder.iterdir() if "key." in file.name] == []
    assert bench.snapshot()[0].state == "done"


def test_result_as_json(bench: Bench) -> None:
    result = read_result(rotate(bench, "--json").out)
    assert result["key_tail"] == key_file(bench).read_text().strip()[-4:]
    assert (result["source"], result["accepted"], result["problem"]) == ("cs2cap", True, None)
    assert result["stored_in"] == f"file:{key_file(bench)}"


def test_symbolic_link_stays_a_link(bench: Bench, sandbox: Sandbox, http_get: HttpGet) -> None:
    target = bench.folder / "target" / "secret"
    target.parent.mkdir()
    key_file(bench).rename(target)
    key_file(bench).symlink_to(target)
    rotate(bench)
    assert key_file(bench).is_symlink()
    assert is_accepted(sandbox, http_get, target)


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a file away needs root")
def test_file_keeps_its_owner(bench: Bench) -> None:
    os.chown(key_file(bench), 1234, 1235)
    rotate(bench)
    owner = key_file(bench).stat()
    assert (owner.st_uid, owner.st_gid, stat.S_IMODE(owner.st_mode)) == (1234, 1235, 0o600)


def test_key_of_an_environment_variable_goes_to_a_file(
    tmp_path: Path, sandbox: Sandbox, http_get: HttpGet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROTATED_KEY", VALID_KEY)
    bench = Bench.at(tmp_path, sandbox, basket(), source={"key": "env:ROTATED_KEY"})
    output = rotate(bench)
    (file,) = backup_files(bench)
    assert is_accepted(sandbox, http_get, file)
    assert f"is in {file}, and the source accepts the key" in output.out
    assert f"put the key in {file} where ROTATED_KEY is set" in output.out
    assert "restart what was started with the old ROTATED_KEY" in output.out
    assert "cannot be put into the environment variable ROTATED_KEY" in output.err
    assert (file.parent / ".gitignore").read_text() == "*\n"
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_concurrent_rotations_send_one_request(bench: Bench, sandbox: Sandbox, http_get: HttpGet) -> None:
    errors: list[str] = []
    with rotate_in_process(bench) as second:
        wait_for_prompt(second)  # the start of a process takes long on a busy machine
        thread = during_reissue(sandbox, lambda: errors.append(second.communicate("y\n", timeout=240)[1]))
        rotate(bench)
        thread.join()
    assert second.returncode == 2
    assert errors[0].endswith("floorline: cs2cap: another process is rotating a key; nothing was done\n")
    assert len(sandbox.requests.of_path(REISSUE)) == 1
    assert is_accepted(sandbox, http_get, key_file(bench))


def test_other_source_with_the_same_key_is_named(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = Bench.at(tmp_path, {"cs2cap": sandbox, "twin": sandbox}, basket())
    output = rotate(bench)
    assert f"the source twin: file:{bench.folder / 'twin.key'} had the same key" in output.out


def test_new_key_is_stored_only_in_its_place(bench: Bench) -> None:
    rotate(bench)
    new = key_file(bench).read_text().strip().encode()
    files = [file for file in bench.folder.rglob("*") if file.is_file() and new in file.read_bytes()]
    assert files == [key_file(bench)]
