"""A follower by a fast clock, until a signal ends it.

    python -m bench.live_feed.process CONFIG START BEGAN SPEED

The clock shows START (ISO 8601) at BEGAN (Unix seconds), and runs SPEED times as fast as real time.
"""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

from bench.live_feed.clock import FastClock
from floorline.cli.execution import run_interruptible
from floorline.cli.json_output import CommandEnded
from pipelines.config import load_settings
from pipelines.live.pipeline import LivePipeline


def main() -> None:
    """Follow the feeds of the configuration."""
    config, start, began, speed = sys.argv[1:]
    clock = FastClock(datetime.fromisoformat(start), float(began), float(speed))
    pipeline = LivePipeline(
        load_settings(Path(config)), clock=clock, notify=lambda line: print(line, flush=True)
    )
    try:
        run_interruptible(pipeline.run())
    except CommandEnded as ended:
        sys.exit(ended.error.exit_code)


if __name__ == "__main__":
    main()
