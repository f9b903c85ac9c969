"""Show what the live feeds lose, and how late they are.

    python -m bench.live_feed breaks [--hours 2] [--speed 20] [--seed 1]
    python -m bench.live_feed latency [--items 35000] [--minutes 10] [--changes 1000]

`breaks`: so many hours of the sandbox's clock, so many times as fast as real time, with a feed that breaks
20 times, floods, repeats and tells late, and a follower that is killed 10 times. After each loss the quotes
must be those of the market; in the end the history must have every change, but those in the gaps that it
names, nothing else, and all that was on disk when a follower was killed. `latency`: so many changes a second
for so long; from event to published the median is at most 5 s, the memory does not grow, and the writer's
lock is never held for longer than 2 s.
"""

from __future__ import annotations

import argparse

from bench.checks import Checks
from bench.live_feed import breaks, latency


def main() -> None:
    """Run a part, print what it shows, and exit with 1 where something does not hold."""
    parser = argparse.ArgumentParser(description="Show what the live feeds lose, and how late they are.")
    parser.add_argument("part", choices=["breaks", "latency"])
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--speed", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--items",
        type=int,
        default=35_000,
        help="of the catalog: 35,000 are all, 10,000 the least for 1,000 changes",
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--changes", type=int, default=1000)
    arguments, checks = parser.parse_args(), Checks()
    if arguments.part == "breaks":
        breaks.run(checks, hours=arguments.hours, speed=arguments.speed, seed=arguments.seed)
    else:
        latency.run(checks, items=arguments.items, minutes=arguments.minutes, changes=arguments.changes)
    checks.exit()


if __name__ == "__main__":
    main()
