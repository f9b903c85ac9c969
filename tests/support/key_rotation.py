"""What the tests of `floorline key rotate` share: the command, its files, and what happens meanwhile."""

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
from tests.support.snapshots import FLOORLINE, Bench, Said, clean_env, main_with
from tests.support.waiting import wait_until

REISSUE = "/v1/account/key/reissue"


def key_file(bench: Bench) -> Path:
    return bench.folder / "cs2cap.key"


def rotate(bench: Bench, *arguments: str, code: int = 0, source: str = "cs2cap") -> Said:
    """What `key rotate --yes` says; it must end with `code`, and show no key."""
    said = main_with("key", "rotate", source, "--yes", *arguments, "--config", str(bench.config))
    assert said.code == code, said
    assert "cs2c_live_" not in said.out + said.err
    return said


def spares(bench: Bench) -> list[Path]:
    return sorted((bench.home.root / "keys").glob("*.key"))


def accepted(box: Sandbox, http_get: HttpGet, file: Path) -> bool:
    """Whether a file holds a key that works, and nobody else can read it."""
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    key = file.read_text().strip()
    return key != VALID_KEY and http_get(box, "/v1/fx", key).status_code == 200


def during_the_call(box: Sandbox, act: Callable[[], object], seconds: float = 1) -> threading.Thread:
    """Do something while the reissue is under way, for so long; the thread that does it."""
    box.fault("latency", path=REISSUE, seconds=seconds)

    def wait_and_act() -> None:
        wait_until(lambda: bool(box.requests.of_path(REISSUE)))
        act()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    return thread


@contextmanager
def rotating(bench: Bench, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process that rotates the key; it asks unless told not to."""
    command = [FLOORLINE, "key", "rotate", "cs2cap", *arguments, "--config", str(bench.config)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=clean_env()
    ) as process:
        yield process
