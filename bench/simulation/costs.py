"""What one thing costs: the measured inputs of the simulation, each with where it was measured.

"Study" is the study before the design, on 2 cores, with DuckDB 1.5.5, DuckLake 1.0 on PostgreSQL 15 and an S3
server: `docs/scale.md` has its figures. The others have a command. On a machine of another speed, measure
again, and give the results to the simulation: `python -m bench.simulation --cost start_cpu=4.1`.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from common.errors import ConfigError


@dataclasses.dataclass(frozen=True, slots=True)
class Costs:
    """Seconds, bytes and counts of one thing each."""

    # A flow run: `python -m bench.flow_runs`
    start_cpu: float = 4.2  # CPU seconds of a worker machine for each: the process, its imports, its end
    api_cpu: float = 1.0  # CPU seconds of Prefect's server for each
    worker_poll: float = 3.0  # seconds between two questions of a worker: PREFECT_WORKER_QUERY_SECONDS
    # Prefect's database: bench/README.md, by `python -m bench.prefect_database` and `floorline up`
    prefect_bytes: float = 210e3  # each flow run, with the events of its deployment and its worker
    prefect_bytes_task: float = 20e3  # each task of a run: Floorline's snapshots have none any more

    # Fetching and landing: `python -m bench.loader`
    fetch_cpu_per_million: float = 2.9  # CPU seconds of a worker machine for a million quotes, landed
    download_bytes: float = 34.7  # compressed, each quote
    landing_bytes: float = 30.5  # each quote
    upload_cpu_per_gb: float = 6.1  # CPU seconds: 0.14 s for 5 landings of 4.6 MB. Study
    quotes_per_page: float = 1000  # the largest page: docs/requests.md
    requests_per_ticket: float = 16  # the largest ticket of a budget
    ticket_seconds: float = 0.00046  # of PostgreSQL: 2,156 a second, 100 keys and 64 clients. Study

    # Loading into a lake: `python -m bench.loader`
    load_seconds: float = 0.8  # any load, in a loader's machine of 2 cores
    load_seconds_per_million: float = 1.8  # quotes, of which 7.5% changed
    catalog_statements: float = 370  # each load, in one transaction: `python -m bench.lake`
    catalog_seconds: float = 0.067  # of PostgreSQL, each load; part of the load
    maintain_seconds: float = 8.6  # each hour: flush 5.2, merge 1.5, rewrite 1.1, expire 0.6, clean up 0.2
    objects_per_load: float = 9  # new files, 3 to 15

    # The history
    changed_share: float = 0.075  # of the quotes, at each run
    history_bytes: float = 16.0  # each changed quote: `floorline maintain sizes`, 13 to 21

    # List prices in dollars a month, rounded
    price_core: float = 29.0
    price_terabyte: float = 24.0
    price_million_writes: float = 5.0


def read_costs(changes: list[str]) -> Costs:
    """Return the costs with changes such as "start_cpu=4.1". Raises ConfigError."""
    fields = {field.name for field in dataclasses.fields(Costs)}
    pairs = [change.partition("=") for change in changes]
    if unknown := [name for name, _, _ in pairs if name not in fields]:
        raise ConfigError(f"unknown cost: {', '.join(unknown)}; known: {', '.join(sorted(fields))}")
    try:
        changed: dict[str, Any] = {name: float(value) for name, _, value in pairs}
        return dataclasses.replace(Costs(), **changed)
    except ValueError as error:
        raise ConfigError(f"a cost is NAME=NUMBER: {error}") from None
