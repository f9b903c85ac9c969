"""Silence: a basket that no run looked at successfully for three of its intervals, for whatever reason."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from pipelines.alerts.notify import deliver
from pipelines.alerts.rules import SILENCE
from pipelines.config import BasketSettings, Settings
from warehouse.paths import WarehousePaths
from warehouse.queries import run_query
from warehouse.state.alerts import Alert, AlertStore

MISSED_INTERVALS: Final = 3
GUIDANCE: Final = "See whether the scheduler and its worker live: `floorline doctor`."
# A basket that never ran is not missed yet; one that ran in vain is, from its first run on.
LAST_SUCCESS = """
SELECT basket, coalesce(max(started_at) FILTER (state = 'done'), min(started_at)) FROM runs
WHERE flow = 'snapshot' GROUP BY basket
"""


def check_silence(settings: Settings, now: datetime) -> list[BasketSettings]:
    """Raise and resolve the alerts of silence, and tell of what is untold; the baskets that are silent."""
    home = WarehousePaths(settings.root)
    if not home.state.exists() or not home.published.exists():
        return []
    state = AlertStore(home.state)
    heard: dict[str, datetime] = dict(run_query(home, LAST_SUCCESS).rows)
    silent = [basket for basket in settings.baskets if is_silent(basket, heard, now)]
    known = {alert.subject for alert in state.list_alerts(open_only=True) if alert.cause == SILENCE}
    for basket in settings.baskets:
        if basket in silent and basket.name not in known:
            state.raise_alert(_alert(basket, heard[basket.name]), now)
        elif basket not in silent:
            state.resolve(SILENCE, basket.source, basket.name, now=now)
    deliver(state, settings.alerts.notify, now)
    return silent


def is_silent(basket: BasketSettings, heard: Mapping[str, datetime], now: datetime) -> bool:
    """Whether a basket that was `heard` of at some moment (UTC) has kept silent for too long since."""
    return basket.name in heard and now - heard[basket.name] > MISSED_INTERVALS * basket.every


def _alert(basket: BasketSettings, heard: datetime) -> Alert:
    minutes = basket.every.total_seconds() / 60
    message = (
        f"{basket.name}: no successful run since {heard:%Y-%m-%d %H:%M} UTC, though it is due every"
        f" {minutes:g} minutes"
    )
    return Alert(SILENCE, basket.source, basket.name, message, guidance=GUIDANCE)
