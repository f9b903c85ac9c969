"""The tables that `python -m bench.simulation` prints, in Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from bench.simulation.costs import Costs
from bench.simulation.demand import Demand, compute_utilisation, count_requests, count_tickets
from bench.simulation.model import Outcome
from bench.simulation.scenario import DAY, Scenario

Row = tuple[str, ...]
SERVER_CORES: Final = 4  # of PostgreSQL and Redis, and of Prefect's servers


def render_table(header: Row, rows: Sequence[Row]) -> str:
    """Return a table in Markdown."""
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def describe_day(scenario: Scenario, costs: Costs) -> Iterator[tuple[str, str]]:
    """Yield what a day is: a name and an amount."""
    runs = scenario.sources * DAY / scenario.every
    flow_runs = scenario.flow_runs * DAY / scenario.every
    quotes = runs * scenario.quotes
    changed = quotes * costs.changed_share
    objects = runs * costs.objects_per_load
    tickets = count_tickets(scenario, costs) * scenario.sources / scenario.every
    statements = scenario.sources * costs.catalog_statements / scenario.every
    demand = Demand.of(scenario, costs)
    prefect = flow_runs * (costs.prefect_bytes + scenario.tasks_per_run * costs.prefect_bytes_task)
    history = changed * costs.history_bytes
    yield "runs of a source, flow runs", f"{runs:,.0f}, {flow_runs:,.0f}"
    yield "quotes seen", f"{quotes / 1e9:.1f}e9 ({quotes / DAY / 1e3:,.0f}k a second)"
    yield "quotes changed", f"{changed / 1e9:.2f}e9"
    yield "history", f"{history / 1e9:,.0f} GB, {history * 365 / 1e12:.1f} TB a year"
    yield (
        "landings, download",
        f"{_terabytes(quotes * costs.landing_bytes)}, {_terabytes(quotes * costs.download_bytes)}",
    )
    yield "requests to the price APIs", f"{runs * count_requests(scenario, costs):,.0f}"
    yield "cores that start processes", f"{scenario.flow_runs * demand.start / scenario.every:.1f}"
    yield "cores that fetch", f"{scenario.sources * demand.fetch / scenario.every:.1f}"
    yield "Prefect's database", f"{prefect / 1e9:.1f} GB"
    yield (
        "loads of a lake in an interval",
        f"{scenario.sources / scenario.lakes * demand.load:.0f} of {scenario.every:.0f} s",
    )
    yield "new files in the lakes", f"{objects:,.0f}"
    yield "statements of the catalogs", f"{statements:.0f} a second"
    yield "transactions of the budgets", f"{tickets:.1f} a second"
    yield (
        "cost in a month",
        f"{_price(scenario, costs, objects):,.0f} $, + {costs.price_terabyte:.0f} $ a TB of history",
    )


def _terabytes(count: float) -> str:
    return f"{count / 1e12:.2f} TB"


def _price(scenario: Scenario, costs: Costs, objects: float) -> float:
    """Return the dollars of a month: the cores, the writes of objects, and the landings of a day."""
    cores = scenario.cores * (scenario.machines + scenario.lakes) + SERVER_CORES
    landings = scenario.sources * DAY / scenario.every * scenario.quotes * costs.landing_bytes / 1e12
    writes = objects * 30 / 1e6
    return cores * costs.price_core + writes * costs.price_million_writes + landings * costs.price_terabyte


def describe_resources(scenario: Scenario, costs: Costs, simulated: Mapping[str, float]) -> Iterator[Row]:
    """Yield the resources in the order in which they saturate, by arithmetic and as simulated."""
    asked = compute_utilisation(scenario, costs)
    for place, name in enumerate(sorted(asked, key=lambda one: -asked[one]), 1):
        factor = f"{1 / asked[name]:.1f}x" if asked[name] else "never"
        yield str(place), name, f"{asked[name]:.0%}", f"{simulated[name]:.0%}", factor


def describe_lag(outcome: Outcome) -> str:
    """Return the median and the 95% of the lag, in seconds."""
    lags = sorted(commit.lag for commit in outcome.commits)
    within = lags[min(len(lags) - 1, int(len(lags) * 0.95))]
    return f"from due to committed: median {statistics.median(lags):.0f} s, 95% within {within:.0f} s"
