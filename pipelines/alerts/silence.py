"""Silence: a basket had no successful run for three of its intervals, for whatever reason."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from common.clock import MAX_CLOCK_SKEW
from pipelines.alerts.notify import deliver
from pipelines.alerts.rules import SILENCE
from pipelines.config import BasketSettings, Settings
from warehouse.published import is_published
from warehouse.queries.runner import run_query
from warehouse.state.alerts import Alert, AlertStore
from warehouse.state.database import open_state

MISSED_INTERVALS: Final = 3
GUIDANCE: Final = "Check that the scheduler and its worker run: `floorline doctor`."
# A basket that never ran is not missed yet; without any success, its first run counts. A run that a wrong
# clock has dated ahead says nothing.
LAST_SUCCESS: Final = """
SELECT basket, coalesce(max(started_at) FILTER (state = 'done'), min(started_at)) FROM runs
WHERE flow = 'snapshot' AND started_at <= $latest GROUP BY basket
"""


def check_silence(settings: Settings, now: datetime) -> list[BasketSettings]:
    """Raise, resolve and deliver the alerts of silent baskets; return the baskets that are silent."""
    paths = settings.paths
    if not open_state(paths).exists() or not is_published(paths):
        return []
    alerts = AlertStore(open_state(paths))
    last_success: dict[str, datetime] = dict(
        run_query(paths, LAST_SUCCESS, {"latest": now + MAX_CLOCK_SKEW}).rows
    )
    silent = [
        basket
        for basket in settings.baskets
        if now - last_success.get(basket.name, now) > MISSED_INTERVALS * basket.every
    ]
    reported = {alert.subject for alert in alerts.list_alerts(open_only=True) if alert.cause == SILENCE}
    for basket in settings.baskets:
        if basket not in silent:
            alerts.resolve(SILENCE, basket.source, basket.name, now=now)
        elif basket.name not in reported:
            alerts.raise_alert(_alert(basket, last_success[basket.name]), now)
    deliver(settings, alerts, now)
    return silent


def _alert(basket: BasketSettings, last_success: datetime) -> Alert:
    minutes = basket.every.total_seconds() / 60
    since = f"no successful run since {last_success:%Y-%m-%d %H:%M} UTC"
    message = f"{basket.name}: {since}, although a run is due every {minutes:g} minutes"
    return Alert(SILENCE, basket.source, basket.name, message=message, guidance=GUIDANCE)
