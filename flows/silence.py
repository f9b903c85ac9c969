"""Silence: a basket that no run looked at successfully for three of its intervals, for whatever reason."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from flows.alerts import SILENCE
from flows.config import BasketSettings, Settings
from flows.notify import deliver
from warehouse.home import Home
from warehouse.query import ask
from warehouse.state import Alert, State

INTERVALS: Final = 3
GUIDANCE: Final = "See whether the scheduler and its worker live: `floorline doctor`."
# A basket that never ran is not missed yet; one that ran in vain is, from its first run on.
LAST = """
SELECT basket, coalesce(max(started_at) FILTER (state = 'done'), min(started_at)) FROM runs
WHERE flow = 'snapshot' GROUP BY basket
"""


def watch(settings: Settings, now: datetime) -> list[BasketSettings]:
    """Raise and resolve the alerts of silence, and tell of what is untold; the baskets that are silent."""
    home = Home(settings.root)
    if not home.state.exists() or not home.published.exists():
        return []
    state = State(home.state)
    heard: dict[str, datetime] = dict(ask(home, LAST).rows)
    silent = [basket for basket in settings.baskets if is_silent(basket, heard, now)]
    known = {alert.subject for alert in state.alerts(open_only=True) if alert.cause == SILENCE}
    for basket in settings.baskets:
        if basket in silent and basket.name not in known:
            state.raise_alert(_alert(basket, heard[basket.name]), now)
        elif basket not in silent:
            state.resolve(SILENCE, basket.source, basket.name, now)
    deliver(state, settings.alerts.notify, now)
    return silent


def is_silent(basket: BasketSettings, heard: Mapping[str, datetime], now: datetime) -> bool:
    """Whether a basket that was `heard` of at some moment (UTC) has kept silent for too long since."""
    return basket.name in heard and now - heard[basket.name] > INTERVALS * basket.every


def _alert(basket: BasketSettings, heard: datetime) -> Alert:
    minutes = basket.every.total_seconds() / 60
    message = (
        f"{basket.name}: no successful run since {heard:%Y-%m-%d %H:%M} UTC, though it is due every"
        f" {minutes:g} minutes"
    )
    return Alert(SILENCE, basket.source, basket.name, message, guidance=GUIDANCE)
