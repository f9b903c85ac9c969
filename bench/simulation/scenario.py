"""What is to be simulated: the sources, and the machines that fetch and load them."""

from __future__ import annotations

import dataclasses
import math

DAY = 86_400


@dataclasses.dataclass(frozen=True, slots=True)
class Scenario:
    """Sources with `quotes` quotes every `every` seconds, and who serves them.

    `sources_per_run` is how many sources a flow run fetches. Each lake has a group of the sources, and a
    loader on a machine of its own; with `load_on_workers`, whoever finishes a run and gets the lease loads.
    All machines have `cores` cores. `spread`: the due times lie evenly in the interval, else all are the
    same.
    """

    sources: int = 100
    quotes: int = 1_000_000
    every: float = 300.0
    machines: int = 4
    cores: int = 2
    lakes: int = 1
    sources_per_run: int = 1
    tasks_per_run: int = 0
    api_servers: int = 2
    by_page: bool = False
    load_on_workers: bool = False
    spread: bool = False
    round_trip: float = 0.0  # seconds between a loader and the catalog
    link: float = 1e9  # bits a second, from the price APIs to all machines

    @property
    def flow_runs(self) -> int:
        """The number of flow runs in an interval."""
        return math.ceil(self.sources / self.sources_per_run)

    def sources_of(self, flow_run: int) -> range:
        """Return the sources of a flow run, by their numbers."""
        first = flow_run * self.sources_per_run
        return range(first, min(first + self.sources_per_run, self.sources))
