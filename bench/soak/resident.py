"""The long-lived process of a soak: a snapshot for each line of the standard input, all in this process.

    python -m bench.soak.resident CONFIG

Each line names a basket. The answer is a line of JSON: the outcome, and what this process uses afterwards.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from bench.soak.figures import use_of_process
from common.errors import FloorlineError
from pipelines.config import Settings, load_settings
from pipelines.snapshot.pipeline import SnapshotPipeline


def main() -> None:
    """Take snapshots until the input ends."""
    settings = load_settings(Path(sys.argv[1]))
    for line in sys.stdin:
        outcome = take_snapshot(settings, line.strip())
        print(json.dumps({"outcome": outcome, **use_of_process()}), flush=True)


def take_snapshot(settings: Settings, basket: str) -> str:
    """Take a snapshot; return the state of its run, or the name of the error that ended it."""
    try:
        (result,) = asyncio.run(SnapshotPipeline(settings, (basket,)).run())
    except FloorlineError as error:
        return type(error).__name__
    return result.state


if __name__ == "__main__":
    main()
