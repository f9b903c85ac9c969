"""The events of a simulation: flow runs start, fetch and land on worker machines; loaders load.

Nothing is random: Floorline's schedules have round times, so all flow runs are due at the same moment, and
the processes of a machine share its cores. A source whose last run is not done yet is due nevertheless, in
contrast to Prefect, which would skip the run: so a lack of machines shows as a lag that grows.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Generator
from typing import Any, Final

import simpy

from bench.simulation.costs import Costs
from bench.simulation.demand import (
    API,
    HOUR,
    LINK,
    LOADERS,
    POSTGRES,
    WORKERS,
    Demand,
    count_capacity,
)
from bench.simulation.scenario import Scenario

SLICE: Final = 1.0  # seconds for which a process has a core: the processes of a machine share its cores
Step = Generator[simpy.Event, Any, None]


@dataclasses.dataclass(frozen=True, slots=True)
class Commit:
    """A run of a source that is in the lake: seconds since the begin of the simulation."""

    source: int
    due: float
    committed: float

    @property
    def lag(self) -> float:
        """The seconds from due to committed."""
        return self.committed - self.due


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What happened: the commits, and the share of the time in which each resource was busy."""

    commits: list[Commit]
    utilisation: dict[str, float]
    seconds: float  # until the last commit, or the end of the last interval


def simulate(scenario: Scenario, costs: Costs, hours: float) -> Outcome:
    """Simulate the runs that are due within so many hours, until the last of them is committed."""
    return _Simulation(scenario, costs).run(hours)


class _Simulation:
    """One simulation. A machine is a resource with its cores; a lake has a lease that one loader holds."""

    def __init__(self, scenario: Scenario, costs: Costs) -> None:
        self._scenario, self._costs = scenario, costs
        self._demand = Demand.of(scenario, costs)
        self._env = simpy.Environment()
        capacity = count_capacity(scenario)
        self._machines = [simpy.Resource(self._env, scenario.cores) for _ in range(scenario.machines)]
        self._leases = [simpy.Resource(self._env, 1) for _ in range(scenario.lakes)]
        self._shared = {name: simpy.Resource(self._env, capacity[name]) for name in (LINK, POSTGRES, API)}
        self._landings: list[deque[tuple[int, float]]] = [deque() for _ in range(scenario.lakes)]
        self._busy = dict.fromkeys(capacity, 0.0)
        self._commits: list[Commit] = []

    def run(self, hours: float) -> Outcome:
        """Run to the last commit."""
        slots = int(hours * HOUR / self._scenario.every)
        for flow_run in range(self._scenario.flow_runs):
            self._env.process(self._schedule(flow_run, slots))
        for lake in range(self._scenario.lakes):
            self._env.process(self._maintain(lake, int(hours)))
        self._env.run()
        seconds = max(slots * self._scenario.every, *(one.committed for one in self._commits))
        capacity = count_capacity(self._scenario)
        utilisation = {name: busy / capacity[name] / seconds for name, busy in self._busy.items()}
        return Outcome(self._commits, utilisation, seconds)

    def _schedule(self, flow_run: int, slots: int) -> Step:
        """Start a flow run at each of its slots, on the machines in turn."""
        scenario = self._scenario
        if scenario.spread:
            yield self._env.timeout(scenario.every * flow_run / scenario.flow_runs)
        for slot in range(slots):
            # Each machine has its share in each slot, and each flow run is on another machine the next time.
            machine = self._machines[(flow_run + slot) % scenario.machines]
            self._env.process(self._fetch(flow_run, machine))
            yield self._env.timeout(scenario.every)

    def _fetch(self, flow_run: int, machine: simpy.Resource) -> Step:
        """Start the process of a flow run; fetch and land its sources one after the other."""
        due, demand = self._env.now, self._demand
        yield self._env.timeout(self._costs.worker_poll / 2)
        yield from self._use(API, demand.api)
        yield from self._compute(machine, demand.start)
        for source in self._scenario.sources_of(flow_run):
            yield from self._use(POSTGRES, demand.tickets)
            yield from self._use(LINK, demand.link)
            yield from self._compute(machine, demand.fetch + demand.upload)
            lake = source % self._scenario.lakes
            self._landings[lake].append((source, due))
            self._env.process(self._drain(lake, machine))

    def _drain(self, lake: int, machine: simpy.Resource) -> Step:
        """Load all landings of a lake, unless somebody else holds its lease and will do so."""
        lease = self._leases[lake]
        if lease.queue:  # who waits for the end of the maintenance will load all
            return
        with lease.request() as granted:
            yield granted
            while self._landings[lake]:
                source, due = self._landings[lake].popleft()
                yield from self._load(machine)
                self._commits.append(Commit(source, due, self._env.now))

    def _load(self, machine: simpy.Resource) -> Step:
        began = self._env.now
        demand = self._demand
        if self._scenario.load_on_workers:
            yield from self._compute(machine, demand.load - demand.catalog)
        else:
            yield self._env.timeout(demand.load - demand.catalog)
        yield from self._use(POSTGRES, demand.catalog)
        self._busy[LOADERS] += self._env.now - began

    def _maintain(self, lake: int, hours: int) -> Step:
        """Hold the lease for the maintenance at the end of each hour."""
        for hour in range(1, hours + 1):
            yield self._env.timeout(max(0.0, hour * HOUR - self._env.now))
            with self._leases[lake].request() as granted:
                yield granted
                yield self._env.timeout(self._demand.maintain)
                self._busy[LOADERS] += self._demand.maintain

    def _compute(self, machine: simpy.Resource, seconds: float) -> Step:
        """Use a core of a machine, in slices: others that wait have it between them."""
        self._busy[WORKERS] += seconds
        while seconds > 0:
            part = min(seconds, SLICE)
            with machine.request() as granted:
                yield granted
                yield self._env.timeout(part)
            seconds -= part

    def _use(self, name: str, seconds: float) -> Step:
        """Use one of a shared resource."""
        self._busy[name] += seconds
        with self._shared[name].request() as granted:
            yield granted
            yield self._env.timeout(seconds)
