"""What a soak does to a snapshot: a moving market, an API that fails, a disk that fills, files that rot."""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sandbox.core import Sandbox
from warehouse.landing.inventory import list_landings
from warehouse.paths import WarehousePaths

# Faults of one response each; those in one group meet the same response.
API_FAULTS: Final[Sequence[Sequence[Mapping[str, Any]]]] = (
    [{"kind": "rate_limited", "retry_after": 1}],
    [{"kind": "unavailable"}],
    [{"kind": "unavailable", "coded": False}],
    [{"kind": "status_500"}],
    [{"kind": "status_500", "status": 502}],
    [{"kind": "refused", "status": 404, "code": "NOT_FOUND"}],
    [{"kind": "refused", "status": 403}],
    [{"kind": "html"}],
    [{"kind": "html", "status": 401}],
    [{"kind": "html", "status": 403}],
    [{"kind": "html", "status": 407}],
    [{"kind": "html", "status": 503}],
    [{"kind": "redirect"}],
    [{"kind": "drop"}],
    [{"kind": "lost_answer"}],
    [{"kind": "truncate"}],
    [{"kind": "truncate", "share": 0.9}],
    [{"kind": "truncate", "how": "gzip"}],
    [{"kind": "unavailable"}, {"kind": "truncate", "how": "gzip"}],
    [{"kind": "rate_limited", "retry_after": 1}, {"kind": "truncate"}],
    [{"kind": "stall", "seconds": 1}],
    [{"kind": "latency", "seconds": 1}],
    [{"kind": "broken_row"}],
    [{"kind": "broken_row", "value": "NaN"}],
    [{"kind": "broken_row", "value": -5}],
    [{"kind": "broken_row", "field": "item_id", "value": None}],
    [{"kind": "broken_row", "field": "market_hash_name", "value": "\ud800"}],
    [{"kind": "broken_line", "text": "[" * 100_000}],
    [{"kind": "broken_line"}],
    [{"kind": "new_field"}],
    [{"kind": "repeated_row"}],
    [{"kind": "short_stream"}],
    [{"kind": "wrong_total"}],
    [{"kind": "wrong_total", "by": -40}],
    [{"kind": "unknown_total"}],
    [{"kind": "endless"}],
    [{"kind": "skewed_date", "seconds": -40}],
)
EVERY_PATH: Final = ("rate_limited", "unavailable", "status_500", "html", "drop", "truncate", "latency")


def add_api_fault(box: Sandbox, rng: random.Random) -> str:
    """Let one of the next responses fail; return the names of its faults."""
    group = rng.choice(API_FAULTS)
    general: dict[str, Any] = {"after": rng.randrange(8), "times": rng.randint(1, 3)}
    if all(fault["kind"] in EVERY_PATH for fault in group) and rng.random() < 0.3:
        general["path"] = ""  # catalogs, exchange rates and the account, too
    for fault in group:
        box.fault(**fault, **general)
    return " + ".join(str(fault["kind"]) for fault in group)


def move_market(box: Sandbox, providers: Sequence[str], rng: random.Random) -> None:
    """Move prices, and sometimes quantities, listings or exchange rates."""
    provider = rng.choice(providers)
    moves: Sequence[tuple[float, Callable[[], object]]] = (
        (0.6, lambda: box.move(rng.randint(50, 600), provider=provider)),
        (0.15, lambda: box.restock(rng.randint(5, 100), provider=provider)),
        (0.1, lambda: box.vanish(rng.randint(1, 15), provider=provider)),
        (0.1, box.restore),
        (0.04, lambda: box.appear(rng.randint(1, 5), provider=provider)),
        (0.01, box.drift_fx),
    )
    (move,) = rng.choices([move for _, move in moves], [weight for weight, _ in moves])
    with contextlib.suppress(ValueError):  # so many quotes cannot be changed
        move()


class SmallDisk:
    """A disk of `megabytes` at `folder`, which can be full or read-only; only root can mount one."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self._folder = folder
        self._ballast = folder / "ballast"
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "soak", str(folder)]
        subprocess.run(mount, check=True)

    def fill(self, free: int) -> None:
        """Leave so many bytes free."""
        size = max(0, shutil.disk_usage(self._folder).free - free)
        with contextlib.suppress(OSError), self._ballast.open("ab") as ballast:
            ballast.write(bytes(size))

    def set_read_only(self) -> bool:
        """Mount the disk read-only; return whether that was possible: no file may be open for writing."""
        return not self._remount("ro")

    def repair(self) -> None:
        """Make the disk writable, with free space."""
        self._remount("rw")
        self._ballast.unlink(missing_ok=True)

    def close(self) -> None:
        """Unmount the disk, whatever still uses it."""
        subprocess.run(["umount", "--lazy", str(self._folder)], check=True)

    def _remount(self, mode: str) -> int:
        command = ["mount", "-o", f"remount,{mode}", str(self._folder)]
        return subprocess.run(command, capture_output=True, check=False).returncode


def damage_file(paths: WarehousePaths, rng: random.Random) -> str:
    """Flip a bit of a file, or remove the file; return what happened to which kind of file."""
    kind = rng.choice(("landing", "landing", "catalog", "published"))
    files = _files(paths, kind)
    if not files:
        return "nothing"
    file = rng.choice(files)
    with contextlib.suppress(OSError):  # another process has removed it
        if rng.random() < 0.3:
            file.unlink()
            return f"{kind} file removed"
        flip_bit(file, rng)
        return f"{kind} bit flipped"
    return "nothing"


def flip_bit(file: Path, rng: random.Random) -> None:
    """Flip one bit of a file in place, as a disk does. Raises OSError."""
    with file.open("r+b") as stream:
        place = rng.randrange(max(1, file.stat().st_size))
        stream.seek(place)
        byte = stream.read(1)
        stream.seek(place)
        stream.write(bytes([byte[0] ^ 1 << rng.randrange(8)]) if byte else b"\x01")


def _files(paths: WarehousePaths, kind: str) -> list[Path]:
    if kind == "landing":
        folders = list_landings(paths.landing)[-4:]  # those that are being written or loaded
        return [file for folder in folders for file in folder.glob("*") if file.is_file()]
    if kind == "catalog":
        return [file for file in paths.catalog.rglob("*") if file.is_file()]
    return [paths.published] if paths.published.exists() else []
