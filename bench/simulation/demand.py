"""What a run of one source, a flow run and an hour ask of each resource: the arithmetic of the simulation."""

from __future__ import annotations

import dataclasses
import math

from bench.simulation.costs import Costs
from bench.simulation.scenario import Scenario

HOUR = 3600.0
WORKERS, LOADERS, LINK, POSTGRES, API = (
    "worker cores",
    "loaders",
    "link to the APIs",
    "PostgreSQL",
    "Prefect's API servers",
)


@dataclasses.dataclass(frozen=True, slots=True)
class Demand:
    """Seconds of each resource. `start` and `api` are of a flow run, the others of one source in a run."""

    start: float  # a core of a worker machine
    api: float  # an API server
    link: float
    fetch: float  # a core of a worker machine
    tickets: float  # PostgreSQL
    upload: float  # a core of a worker machine
    load: float  # the loader, with its waits for the catalog
    catalog: float  # PostgreSQL, within the load
    maintain: float  # the loader, in each hour

    @classmethod
    def of(cls, scenario: Scenario, costs: Costs) -> Demand:
        """Return what a scenario asks for."""
        millions = scenario.quotes / 1e6
        return cls(
            start=costs.start_cpu,
            api=costs.api_cpu,
            link=scenario.quotes * costs.download_bytes * 8 / scenario.link,
            fetch=costs.fetch_cpu_per_million * millions,
            tickets=count_tickets(scenario, costs) * costs.ticket_seconds,
            upload=scenario.quotes * costs.landing_bytes / 1e9 * costs.upload_cpu_per_gb,
            load=costs.load_seconds
            + costs.load_seconds_per_million * millions
            + costs.catalog_statements * scenario.round_trip,
            catalog=costs.catalog_seconds,
            maintain=costs.maintain_seconds,
        )


def count_requests(scenario: Scenario, costs: Costs) -> int:
    """Return the requests to the price API of a source, in each run."""
    return math.ceil(scenario.quotes / costs.quotes_per_page) if scenario.by_page else 1


def count_tickets(scenario: Scenario, costs: Costs) -> int:
    """Return the tickets of a budget that these requests need."""
    return math.ceil(count_requests(scenario, costs) / costs.requests_per_ticket)


def count_capacity(scenario: Scenario) -> dict[str, int]:
    """Return how many of each resource there are."""
    return {
        WORKERS: scenario.machines * scenario.cores,
        LOADERS: scenario.lakes,
        LINK: 1,
        POSTGRES: scenario.cores,
        API: scenario.api_servers,
    }


def compute_utilisation(scenario: Scenario, costs: Costs) -> dict[str, float]:
    """Return the share of each resource that the scenario needs: more than 1 cannot be served."""
    demand, runs, sources = Demand.of(scenario, costs), scenario.flow_runs, scenario.sources
    load = sources * demand.load + scenario.lakes * demand.maintain * scenario.every / HOUR
    seconds = {
        WORKERS: runs * demand.start + sources * (demand.fetch + demand.upload),
        LOADERS: load,
        LINK: sources * demand.link,
        POSTGRES: sources * (demand.tickets + demand.catalog),
        API: runs * demand.api,
    }
    if scenario.load_on_workers:
        seconds[WORKERS] += load
    capacity = count_capacity(scenario)
    return {name: needed / capacity[name] / scenario.every for name, needed in seconds.items()}
