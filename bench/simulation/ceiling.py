"""How many sources fit: the largest number for which the lag from due to committed does not grow."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Final

from bench.simulation.costs import Costs
from bench.simulation.demand import HOUR, compute_utilisation
from bench.simulation.model import simulate
from bench.simulation.scenario import Scenario

HOURS: Final = (1.0, 3.0)
TOLERANCE: Final = (
    0.02  # of the interval: an overload of 0.1% adds more in two hours of intervals of 5 minutes
)


def find_ceiling(scenario: Scenario, costs: Costs) -> int:
    """Return the largest number of sources for which the lag does not grow; 0: not even one fits."""

    def fits(sources: int) -> bool:
        tried = dataclasses.replace(scenario, sources=sources)
        return not grows(tried, costs)

    busiest = max(compute_utilisation(scenario, costs).values())
    return find_largest(fits, guess=int(scenario.sources / busiest))


def find_largest(fits: Callable[[int], bool], *, guess: int) -> int:
    """Return the largest number that fits, where each number below one that fits fits, too.

    The search goes up or down from the guess in steps that double, then halves what is left. 0 is not tried.
    """
    low = high = max(guess, 1)
    step = 1
    if fits(low):
        while fits(high := low + step):
            low, step = high, step * 2
    else:
        while (low := max(high - step, 0)) and not fits(low):
            high, step = low, step * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def grows(scenario: Scenario, costs: Costs) -> bool:
    """Return whether the lag grows: after more hours, it takes longer to commit all that was due.

    The lags of single runs do not show this: where processes share the cores of a machine that has too many
    of them, all of these processes end late.
    """
    early, late = (
        max(one.committed for one in simulate(scenario, costs, hours).commits) - hours * HOUR
        for hours in HOURS
    )
    return late > early + scenario.every * TOLERANCE
