"""Simulate many machines that record many sources: what a day is, what saturates first, what fits.

    python -m bench.simulation [--sources 100] [--quotes 1e6] [--every 300] [--machines 5] [--cores 2]
        [--lakes 2] [--sources-per-run 1] [--tasks-per-run 0] [--api-servers 2] [--by-page] [--spread]
        [--load-on-workers] [--round-trip 0.001] [--hours 3] [--cost NAME=NUMBER ...] [--ceiling]

`--ceiling` searches the largest number of sources for which the lag does not grow, with the machines and the
lakes as given. The costs are those of `bench/simulation/costs.py`, which says where each was measured.
"""

from __future__ import annotations

import argparse
import time

from bench.simulation.ceiling import find_ceiling, grows
from bench.simulation.costs import read_costs
from bench.simulation.model import simulate
from bench.simulation.report import describe_day, describe_lag, describe_resources, render_table
from bench.simulation.scenario import Scenario
from common.errors import ConfigError

RESOURCES = ("", "saturates", "needed", "simulated", "at")


def main() -> None:
    """Print the tables of a scenario."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    _add_options(parser)
    options = vars(parser.parse_args())
    hours, with_ceiling = options.pop("hours"), options.pop("ceiling")
    try:
        costs = read_costs(options.pop("cost"))
    except ConfigError as error:
        parser.error(str(error))
    scenario = Scenario(**options)
    began = time.perf_counter()
    outcome = simulate(scenario, costs, hours)
    print(render_table(("in a day", "amount"), list(describe_day(scenario, costs))), end="\n\n")
    resources = list(describe_resources(scenario, costs, outcome.utilisation))
    print(render_table(RESOURCES, resources), end="\n\n")
    trend = "; the lag grows: too many sources" if grows(scenario, costs) else ""
    print(f"{describe_lag(outcome)}{trend}")
    if with_ceiling:
        ceiling = find_ceiling(scenario, costs)
        print(f"{scenario.machines} machines and {scenario.lakes} lakes serve {ceiling:,} sources")
    print(f"{hours:.0f} hours simulated; all of it took {time.perf_counter() - began:.1f} s")


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sources", type=int, default=100)
    parser.add_argument("--quotes", type=_whole, default=1_000_000, help="of a source, in each run")
    parser.add_argument("--every", type=float, default=300, help="seconds between two runs of a source")
    parser.add_argument("--machines", type=int, default=5, help="worker machines")
    parser.add_argument("--cores", type=int, default=2, help="of each machine")
    parser.add_argument("--lakes", type=int, default=2, help="each with a loader on a machine of its own")
    parser.add_argument("--sources-per-run", type=int, default=1)
    parser.add_argument("--tasks-per-run", type=int, default=0)
    parser.add_argument("--api-servers", type=int, default=2)
    parser.add_argument("--by-page", action="store_true", help="walk the pages instead of a stream")
    parser.add_argument("--load-on-workers", action="store_true", help="no machine of its own for a loader")
    parser.add_argument("--spread", action="store_true", help="not all sources are due at the same moment")
    parser.add_argument("--round-trip", type=float, default=0, help="seconds between loader and catalog")
    parser.add_argument("--link", type=float, default=1e9, help="bits a second from the price APIs")
    parser.add_argument("--hours", type=float, default=3)
    parser.add_argument("--cost", action="append", default=[], metavar="NAME=NUMBER")
    parser.add_argument("--ceiling", action="store_true")


def _whole(text: str) -> int:
    """Return a whole number such as 1e6."""
    return int(float(text))


if __name__ == "__main__":
    main()
