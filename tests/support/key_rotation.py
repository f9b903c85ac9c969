"""Helpers of the tests of `floorline key rotate`: the command, its files, and events during the request."""

from __future__ import annotations

import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.sandboxes import HttpGet
from tests.support.snapshots import FLOORLINE, Bench, CommandOutput, clean_env, main_with
from tests.support.waiting import wait_until

REISSUE = "/v1/account/key/reissue"


def key_file(bench: Bench) -> Path:
    return bench.folder / "cs2cap.key"


def rotate(bench: Bench, *arguments: str, code: int = 0, source: str = "cs2cap") -> CommandOutput:
    """Run `key rotate --yes`; it must exit with `code` and print no key."""
    output = main_with("key", "rotate", source, "--yes", *arguments, "--config", str(bench.config))
    assert output.code == code, output
    assert "cs2c_live_" not in output.out + output.err
    return output


def backup_files(bench: Bench) -> list[Path]:
    return sorted((bench.paths.root / "keys").glob("*.key"))


def is_accepted(box: Sandbox, http_get: HttpGet, file: Path) -> bool:
    """Return whether a file has a new, accepted key; only its owner may read the file."""
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    key = file.read_text().strip()
    return key != VALID_KEY and http_get(box, "/v1/fx", key).status_code == 200


def during_reissue(box: Sandbox, act: Callable[[], object]) -> threading.Thread:
    """Return a started thread that calls `act` during the reissue, which ends after `act`."""
    fault = box.fault("latency", path=REISSUE, seconds=60)

    def wait_and_act() -> None:
        try:
            wait_until(lambda: bool(box.requests.of_path(REISSUE)))
            act()
        finally:
            box.faults.active.remove(fault)

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    return thread


@contextmanager
def rotate_in_process(bench: Bench, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run `key rotate` in a process of its own; without "--yes" the command asks for confirmation."""
    command = [FLOORLINE, "key", "rotate", "cs2cap", *arguments, "--config", str(bench.config)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=clean_env()
    ) as process:
        yield process


def wait_for_prompt(process: subprocess.Popen[str]) -> None:
    """Wait until the command asks for confirmation."""
    assert process.stderr
    text = ""
    while "Continue?" not in text:
        assert process.poll() is None, text
        text += process.stderr.read(1)
