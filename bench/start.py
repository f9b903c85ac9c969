"""How long a person waits: `floorline --help`, and a snapshot of one item with the catalog cached.

    python -m bench.start [--rounds 7]

Each is a process of its own, from its start to its exit, against a sandbox in another process.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sandbox.cs2cap.keys import VALID_KEY
from sandbox.options import Options
from sandbox.server import spawn

FLOORLINE = str(Path(sys.executable).with_name("floorline"))
CONFIG = """\
[warehouse]
path = "{path}"
[sources.cs2cap]
base_url = "{url}"
key = "env:BENCH_KEY"
[[baskets]]
name = "one"
source = "cs2cap"
items = [5]
providers = ["steam"]
"""


def main() -> None:
    """Run each command several times and print the medians."""
    parser = argparse.ArgumentParser(description="Time the command's start.")
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    os.environ["BENCH_KEY"] = VALID_KEY
    with (
        spawn(Options(items=35_000, quotes=600_000, limits=False)) as served,
        tempfile.TemporaryDirectory(prefix="floorline-bench-") as folder,
    ):
        config = Path(folder) / "floorline.toml"
        config.write_text(CONFIG.format(path=folder, url=served.url), "utf-8")
        take = [FLOORLINE, "snapshot", "--no-prefect", "--config", str(config)]
        _seconds(take)  # fills the catalog's cache
        _told("floorline --help", [_seconds([FLOORLINE, "--help"]) for _ in range(rounds)])
        _told("floorline snapshot, one item", [_seconds(take) for _ in range(rounds)])


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def _told(name: str, seconds: list[float]) -> None:
    print(f"{name}: {statistics.median(seconds):.2f} s (of {min(seconds):.2f} to {max(seconds):.2f})")


if __name__ == "__main__":
    main()
