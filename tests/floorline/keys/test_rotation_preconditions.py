"""Preconditions of `floorline key rotate`: problems that are found before the old key is revoked."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import REVOKED_KEY, VALID_KEY
from tests.support import patient
from tests.support.key_rotation import (
    REISSUE,
    backup_files,
    is_accepted,
    key_file,
    rotate,
    rotate_in_process,
    wait_for_prompt,
)
from tests.support.sandboxes import HttpGet, MakeSandbox
from tests.support.snapshots import Bench, basket

pytestmark = pytest.mark.slow


def test_confirmation_and_refusal(bench: Bench, sandbox: Sandbox, http_get: HttpGet) -> None:
    def run(reply: str) -> tuple[int, str]:
        with rotate_in_process(bench) as process:
            err = process.communicate(reply, timeout=240)[1]
        return process.returncode, err

    for reply, expected in (("n\n", 1), ("", 2)):
        code, err = run(reply)
        assert code == expected
        assert "all its sub-keys are revoked at once" in err
    assert sandbox.requests.of_path(REISSUE) == []
    assert run("y\n")[0] == 0
    assert is_accepted(sandbox, http_get, key_file(bench))


def test_key_that_changed_before_the_confirmation_is_not_overwritten(bench: Bench, sandbox: Sandbox) -> None:
    other = "cs2c_live_sandbox_another_0000001"
    sandbox.key(other)
    with rotate_in_process(bench) as process:
        wait_for_prompt(process)
        key_file(bench).write_text(other)
        _, err = process.communicate("y\n", timeout=240)
    assert process.returncode == 2
    assert "the key has changed since it was checked" in err
    assert (key_file(bench).read_text(), sandbox.requests.of_path(REISSUE)) == (other, [])


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """Return a read-only file system with the key; skip the test where mounting is not allowed."""
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


def test_full_disk_is_found_before_the_request(bench: Bench, sandbox: Sandbox) -> None:
    bench.paths.root.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4k", "none", str(bench.paths.root)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting needs root")
    try:
        output = rotate(bench, code=2)
        assert "No space left on device; nothing was changed" in output.err
        assert (sandbox.requests.of_path(REISSUE), backup_files(bench)) == ([], [])
    finally:
        subprocess.run(["umount", "--lazy", str(bench.paths.root)], check=True)


def test_read_only_store_is_found_before_the_request(
    tmp_path: Path, sandbox: Sandbox, http_get: HttpGet, read_only: Path
) -> None:
    bench = Bench.at(tmp_path, sandbox, basket(), source={"key": f"file:{read_only / 'key'}"})
    output = rotate(bench, code=2)
    assert re.search(r"no key can be stored: .*Read-only file system; nothing was changed", output.err)
    assert (sandbox.requests.of_path(REISSUE), backup_files(bench)) == ([], [])
    assert http_get(sandbox, "/v1/fx").status_code == 200


def test_no_request_without_a_backup_file(bench: Bench, sandbox: Sandbox) -> None:
    bench.paths.root.mkdir()
    (bench.paths.root / "keys").write_text("in the way")
    assert "File exists; nothing was changed" in rotate(bench, code=2).err
    assert sandbox.requests.of_path(REISSUE) == []


def test_rejected_key_is_not_reissued(bench: Bench, sandbox: Sandbox) -> None:
    key_file(bench).write_text(REVOKED_KEY)
    assert "AUTH_API_KEY_REVOKED" in rotate(bench, code=4).err
    assert sandbox.requests.of_path(REISSUE) == []


def test_sub_key_is_not_reissued(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(tier="quant")
    bench = Bench.at(tmp_path, box, basket())
    response = patient.post(
        f"{box.url}/v1/account/sub-keys",
        headers={"Authorization": f"Bearer {VALID_KEY}"},
        json={"name": "bot"},
    )
    key_file(bench).write_text(response.json()["key"])
    assert "only a root key can be reissued" in rotate(bench, code=2).err
    assert box.requests.of_path(REISSUE) == []


def test_unknown_source_is_a_usage_error(bench: Bench) -> None:
    assert (
        "there is no source other; the configuration has cs2cap" in rotate(bench, code=2, source="other").err
    )
