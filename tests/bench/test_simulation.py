"""The simulation of many machines: nothing is lost, it agrees with arithmetic, and more machines do more."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.simulation.ceiling import find_ceiling, find_largest, grows
from bench.simulation.costs import Costs, read_costs
from bench.simulation.demand import LOADERS, WORKERS, compute_utilisation
from bench.simulation.model import simulate
from bench.simulation.report import describe_day
from bench.simulation.scenario import Scenario
from common.errors import ConfigError

SCENARIOS = st.builds(
    Scenario,
    sources=st.integers(1, 12),
    quotes=st.sampled_from([1, 10_000, 1_000_000]),
    every=st.sampled_from([60.0, 300.0, 900.0]),
    machines=st.integers(1, 3),
    cores=st.integers(1, 3),
    lakes=st.integers(1, 3),
    sources_per_run=st.integers(1, 5),
    by_page=st.booleans(),
    load_on_workers=st.booleans(),
    spread=st.booleans(),
)


@settings(max_examples=15)
@given(SCENARIOS)
def test_every_run_is_committed_once(scenario: Scenario) -> None:
    commits = simulate(scenario, Costs(), 2).commits
    counts = Counter((one.source, round(one.due, 3)) for one in commits)
    assert set(counts.values()) == {1}
    assert Counter(one.source for one in commits) == dict.fromkeys(
        range(scenario.sources), int(2 * 3600 / scenario.every)
    )
    assert all(one.lag > 0 for one in commits)


@settings(max_examples=15)
@given(SCENARIOS.filter(lambda one: max(compute_utilisation(one, Costs()).values()) < 0.8 and not one.spread))
def test_utilisation_is_that_of_arithmetic_where_nothing_is_overloaded(scenario: Scenario) -> None:
    outcome = simulate(scenario, Costs(), 2)
    assert outcome.seconds == 2 * 3600
    expected = compute_utilisation(scenario, Costs())
    # A loader may wait for PostgreSQL, and on a worker machine for a core: then it holds its lease longer.
    loaders = outcome.utilisation.pop(LOADERS)
    assert loaders >= expected.pop(LOADERS) * 0.999
    if not scenario.load_on_workers:
        assert loaders < 0.8
    else:
        assert outcome.utilisation.pop(WORKERS) == pytest.approx(expected.pop(WORKERS), rel=0.01, abs=0.01)
    assert outcome.utilisation == pytest.approx(expected, rel=1e-6)


def test_lag_of_a_lone_run_is_the_sum_of_its_steps() -> None:
    costs = read_costs(["maintain_seconds=0", "ticket_seconds=0"])
    scenario = Scenario(sources=1, quotes=1_000_000, machines=1, round_trip=0.001)
    lags = {round(one.lag, 6) for one in simulate(scenario, costs, 1).commits}
    api, start, fetch = costs.api_cpu, costs.start_cpu, costs.fetch_cpu_per_million
    link, upload = costs.download_bytes * 8 / 1000, costs.landing_bytes / 1000 * costs.upload_cpu_per_gb
    load = costs.load_seconds + costs.load_seconds_per_million + costs.catalog_statements * 0.001
    assert lags == {round(costs.worker_poll / 2 + api + start + fetch + link + upload + load, 6)}


def test_processes_of_a_machine_share_its_cores() -> None:
    """Two processes on one core are done one slice after each other, not one twice as early."""
    scenario = Scenario(sources=2, quotes=0, machines=1, cores=1, lakes=2)
    first, second = simulate(scenario, read_costs(["api_cpu=0", "start_cpu=10"]), 0.1).commits[:2]
    assert second.lag - first.lag == pytest.approx(1, abs=0.2)


@pytest.mark.slow
def test_ceiling_rises_with_machines_to_that_of_the_loader() -> None:
    costs = read_costs(
        ["start_cpu=180", "load_seconds=90", "load_seconds_per_million=0", "maintain_seconds=0"]
    )
    scenario = Scenario(every=900, quotes=0, cores=1, lakes=1)
    machines = [dataclasses.replace(scenario, machines=count) for count in (1, 2, 9)]
    assert [find_ceiling(one, costs) for one in machines] == [5, 10, 10]
    assert find_ceiling(dataclasses.replace(machines[-1], lakes=2), costs) == 20
    together = [find_ceiling(dataclasses.replace(one, load_on_workers=True), costs) for one in machines[:2]]
    assert together == sorted(together)
    assert together[0] == 3  # 180 and 90 seconds of the only core for each


@pytest.mark.parametrize("factor", [1.0, 1.04])
def test_lag_grows_only_above_the_capacity_of_the_loader(factor: float) -> None:
    costs = read_costs(["maintain_seconds=0", "load_seconds=10", "load_seconds_per_million=0"])
    scenario = Scenario(sources=round(30 * factor), quotes=1, machines=50, lakes=1)
    assert grows(scenario, costs) == (factor > 1)


def test_lag_grows_where_processes_crowd_the_machines() -> None:
    """All end late then, the first ones too: no single lag tells that there are too many."""
    fitting = Scenario(sources=100, quotes=0, machines=1)
    assert not grows(fitting, read_costs(["start_cpu=5.9"]))
    assert grows(fitting, read_costs(["start_cpu=6.1"]))


@given(st.integers(0, 300), st.integers(0, 300))
def test_search_finds_the_largest_that_fits_from_any_guess(largest: int, guess: int) -> None:
    tried: list[int] = []

    def fits(number: int) -> bool:
        tried.append(number)
        return number <= largest

    assert find_largest(fits, guess=guess) == largest
    assert 0 not in tried
    assert len(tried) < 20


def test_day_of_a_hundred_large_sources() -> None:
    """The table on paper, by other arithmetic: 288 intervals a day."""
    costs = read_costs(["landing_bytes=44", "download_bytes=36.5", "prefect_bytes=0"])
    day = dict(describe_day(Scenario(tasks_per_run=40), costs))
    assert day["quotes seen"] == "28.8e9 (333k a second)"
    assert day["quotes changed"] == "2.16e9"
    assert day["history"] == "35 GB, 12.6 TB a year"
    assert day["landings, download"] == "1.27 TB, 1.05 TB"
    assert day["Prefect's database"] == "23.0 GB"
    by_page = dict(describe_day(Scenario(by_page=True), costs))
    assert by_page["requests to the price APIs"] == "28,800,000"
    assert by_page["transactions of the budgets"] == "21.0 a second"


def test_unknown_cost_and_no_number_are_refused() -> None:
    assert read_costs(["start_cpu=4.1"]).start_cpu == 4.1
    with pytest.raises(ConfigError, match="unknown cost: start"):
        read_costs(["start=4.1"])
    with pytest.raises(ConfigError, match="NAME=NUMBER"):
        read_costs(["start_cpu"])
