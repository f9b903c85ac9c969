"""Time the commands that a person waits for: `floorline --help`, and a snapshot of one item.

    python -m bench.start [--rounds 7]

Each command is a process, timed from its start to its exit, against a sandbox in another process. The
snapshot's catalog is cached.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from bench.support import FLOORLINE, describe, time_command, write_config
from sandbox.options import Options
from sandbox.server import spawn


def main() -> None:
    """Run each command several times and print the medians."""
    parser = argparse.ArgumentParser(description="Time the start of the command.")
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with (
        spawn(Options(items=35_000, quotes=600_000, limits=False)) as url,
        tempfile.TemporaryDirectory(prefix="floorline-bench-") as folder,
    ):
        config = write_config(Path(folder), url, basket='items = [5]\nproviders = ["steam"]')
        snapshot = [FLOORLINE, "snapshot", "--no-prefect", "--config", str(config)]
        time_command(snapshot)  # fills the catalog's cache
        for name, command in (("--help", [FLOORLINE, "--help"]), ("snapshot, one item", snapshot)):
            seconds = [time_command(command) for _ in range(rounds)]
            print(f"floorline {name}: {describe(seconds, ' s')}")


if __name__ == "__main__":
    main()
