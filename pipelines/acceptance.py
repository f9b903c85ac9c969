"""Accept that the quotes are gone that a marketplace has stopped to list."""

from __future__ import annotations

from common.clock import Clock
from common.errors import ConfigError
from pipelines.alerts.rules import DARK
from pipelines.config import Settings
from pipelines.loading import load_and_publish
from pipelines.snapshot.extraction import new_run_id
from warehouse.landing.model import RunHeader
from warehouse.landing.writer import LandingWriter
from warehouse.paths import WarehousePaths
from warehouse.state.alerts import Alert, AlertStore


def accept_missing_quotes(settings: Settings, alert: Alert, clock: Clock) -> int:
    """Close the quotes that caused an alert `provider.dark`, and the alert; return how many quotes.

    These are the quotes of the provider that their last complete observation lacked. The acceptance is
    landed like a run, of the flow `accept`, so that a rebuild knows it, too. Raises ConfigError where the
    alert is another one, and WarehouseError.
    """
    if alert.cause != DARK or alert.closed_at is not None:
        raise ConfigError(f"alert {alert.alert_id} is no open alert {DARK}: there is nothing to accept")
    paths, now = WarehousePaths(settings.root), clock.now()
    header = RunHeader(new_run_id(now), flow="accept", source=alert.source, basket="", started_at=now)
    with LandingWriter(paths.landing, header) as landing:
        landing.finish("done", finished_at=now, requests=0, accepted=[alert.subject])
    loads = load_and_publish(settings, [], clock)
    AlertStore(paths.state).resolve(DARK, alert.source, alert.subject, now=clock.now())
    return sum(load.rows_closed for load in loads if load.run_id == header.run_id)
