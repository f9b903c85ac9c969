"""`floorline key rotate` finds out what stands in its way before the old key is gone."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import REVOKED_KEY, VALID_KEY
from tests.support.key_rotation import REISSUE, accepted, key_file, rotate, rotating, spares
from tests.support.sandboxes import HttpGet, MakeSandbox
from tests.support.snapshots import Bench, basket

pytestmark = pytest.mark.slow


def test_it_asks_first_and_a_no_changes_nothing(bench: Bench, sandbox: Sandbox, http_get: HttpGet) -> None:
    def answered(reply: str) -> tuple[int, str]:
        with rotating(bench) as process:
            err = process.communicate(reply, timeout=60)[1]
        return process.returncode, err

    for reply in ("n\n", ""):
        code, err = answered(reply)
        assert code == 1
        assert "all its sub-keys are revoked at once" in err
    assert sandbox.requests.of_path(REISSUE) == []
    assert answered("y\n")[0] == 0
    assert accepted(sandbox, http_get, key_file(bench))


def test_a_key_that_was_changed_while_the_user_thought_is_not_overwritten(
    bench: Bench, sandbox: Sandbox
) -> None:
    other = "cs2c_live_sandbox_another_0000001"
    sandbox.key(other)
    with rotating(bench) as process:
        assert process.stdin
        assert process.stderr
        asked = ""
        while "Go on?" not in asked:
            asked += process.stderr.read(1)
        key_file(bench).write_text(other)
        _, err = process.communicate("y\n", timeout=60)
    assert process.returncode == 2
    assert "the key has changed since it was tried" in err
    assert (key_file(bench).read_text(), sandbox.requests.of_path(REISSUE)) == (other, [])


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder with the key on a disk that cannot be written to; skip where mounting is not allowed."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "none", str(folder)], capture_output=True, check=False
    ).returncode:
        pytest.skip("mounting needs root")
    (folder / "key").write_text(VALID_KEY)
    (folder / "key").chmod(0o600)
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_found_out_before_the_call(bench: Bench, sandbox: Sandbox) -> None:
    bench.home.root.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4k", "none", str(bench.home.root)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting needs root")
    try:
        said = rotate(bench, code=2)
        assert "No space left on device; nothing was changed" in said.err
        assert (sandbox.requests.of_path(REISSUE), spares(bench)) == ([], [])
    finally:
        subprocess.run(["umount", "--lazy", str(bench.home.root)], check=True)


def test_a_store_that_cannot_be_written_is_found_out_before_the_call(
    tmp_path: Path, sandbox: Sandbox, http_get: HttpGet, read_only: Path
) -> None:
    bench = Bench.at(tmp_path, sandbox, basket(), source={"key": f"file:{read_only / 'key'}"})
    said = rotate(bench, code=2)
    assert re.search(r"no key can be stored: .*Read-only file system; nothing was changed", said.err)
    assert (sandbox.requests.of_path(REISSUE), spares(bench)) == ([], [])
    assert http_get(sandbox, "/v1/fx").status_code == 200


def test_without_room_for_a_spare_nothing_is_asked(bench: Bench, sandbox: Sandbox) -> None:
    bench.home.root.mkdir()
    (bench.home.root / "keys").write_text("in the way")
    assert "File exists; nothing was changed" in rotate(bench, code=2).err
    assert sandbox.requests.of_path(REISSUE) == []


def test_a_key_that_is_refused_already_is_not_reissued(bench: Bench, sandbox: Sandbox) -> None:
    key_file(bench).write_text(REVOKED_KEY)
    assert "AUTH_API_KEY_REVOKED" in rotate(bench, code=4).err
    assert sandbox.requests.of_path(REISSUE) == []


def test_a_sub_key_is_not_reissued(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(tier="quant")
    bench = Bench.at(tmp_path, box, basket())
    made = httpx.post(
        f"{box.url}/v1/account/sub-keys",
        headers={"Authorization": f"Bearer {VALID_KEY}"},
        json={"name": "bot"},
    )
    key_file(bench).write_text(made.json()["key"])
    assert "only the root key can be issued anew" in rotate(bench, code=2).err
    assert box.requests.of_path(REISSUE) == []


def test_an_unknown_source_is_a_usage_error(bench: Bench) -> None:
    assert (
        "no source is called other; the configuration has cs2cap" in rotate(bench, code=2, source="other").err
    )
