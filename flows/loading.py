"""The last steps of a run: load what waits, raise and resolve alerts, publish."""

from __future__ import annotations

import math
from collections.abc import Sequence

from connectors.clock import Clock
from flows.alerts import raise_alerts
from flows.config import Settings
from flows.notify import deliver
from flows.results import RunResult
from flows.retype import retype
from warehouse.home import Home
from warehouse.load import LoadReport
from warehouse.settle import settle
from warehouse.state import State


def load_and_publish(
    settings: Settings, results: Sequence[RunResult], clock: Clock, patience: float = math.inf
) -> Sequence[LoadReport]:
    """Load every landing that waits and publish; alerts are raised in between: they are published too.

    They are raised, and told, where nothing can be loaded as well. Waits for another loader as long as the
    configuration says, and at most `patience` seconds. Raises WarehouseError; what could not be loaded waits
    for the next call.
    """
    home = Home(settings.root)
    state = State(home.state)

    told = False

    def on_loaded(loads: Sequence[LoadReport]) -> None:
        nonlocal told
        raise_alerts(state, results, loads, clock.now())
        told = True

    try:
        return settle(
            home,
            now=clock.now,
            keep=settings.warehouse.keep_landings,
            wait=min(settings.warehouse.lock_wait.total_seconds(), patience),
            retype=retype,
            on_loaded=on_loaded,
        )
    finally:
        if not told:  # a rejected key is worth knowing of while the database is locked, too
            on_loaded([])
        deliver(state, settings.alerts.notify, clock.now())
