"""Accept a loss that an alert doubts: quotes of a marketplace, or entries of a catalog."""

from __future__ import annotations

from common.clock import Clock
from common.errors import ConfigError
from pipelines.alerts.causes import DARK
from pipelines.alerts.rules import DOUBTED
from pipelines.catalogs import drop_missing_entries
from pipelines.config import Settings
from pipelines.loading import load_and_publish
from pipelines.snapshot.extraction import new_run_id
from pipelines.sources import catalog_folder_of
from warehouse.landing.model import RunHeader
from warehouse.landing.writer import LandingWriter
from warehouse.state.alerts import Alert, AlertStore
from warehouse.state.database import open_state


def accept_loss(settings: Settings, alert: Alert, clock: Clock) -> int:
    """Accept the loss that caused an open alert, and close the alert; return how many quotes or entries.

    Raises ConfigError where the alert doubts no loss, and WarehouseError.
    """
    if alert.closed_at is None and alert.cause == DARK:
        return accept_missing_quotes(settings, alert, clock)
    if alert.closed_at is None and alert.cause == DOUBTED:
        return accept_missing_entries(settings, alert, clock)
    raise ConfigError(
        f"alert {alert.alert_id} is no open alert {DARK} or {DOUBTED}: there is nothing to accept"
    )


def accept_missing_entries(settings: Settings, alert: Alert, clock: Clock) -> int:
    """Drop the entries that the cached catalog keeps although the newest one lacks them; return how many.

    Raises ConfigError where there are none, or where the source is not configured, and WarehouseError.
    """
    source, paths = settings.sources.get(alert.source), settings.paths
    folder = None if source is None else paths.catalog / catalog_folder_of(alert.source, source)
    dropped = 0 if folder is None else drop_missing_entries(folder, alert.subject)
    if not dropped:
        raise ConfigError(f"alert {alert.alert_id} is about no missing entries: there is nothing to accept")
    AlertStore(open_state(paths)).resolve(DOUBTED, alert.source, alert.subject, now=clock.now())
    return dropped


def accept_missing_quotes(settings: Settings, alert: Alert, clock: Clock) -> int:
    """Close the quotes that caused an alert `provider.dark`, and the alert; return how many quotes.

    These are the quotes of the provider that their last complete observation lacked. The acceptance is
    landed like a run, of the flow `accept`, so that a rebuild knows it, too. Raises WarehouseError.
    """
    paths, now = settings.paths, clock.now()
    header = RunHeader(new_run_id(now), flow="accept", source=alert.source, basket="", started_at=now)
    with LandingWriter(paths.landing, header) as landing:
        landing.finish("done", finished_at=now, requests=0, accepted=[alert.subject])
    loads = load_and_publish(settings, [], clock)
    AlertStore(open_state(paths)).resolve(DARK, alert.source, alert.subject, now=clock.now())
    return sum(load.rows_closed for load in loads if load.run_id == header.run_id)
