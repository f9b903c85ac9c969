"""A feed that is silent about a marketplace although its prices move: compared with what snapshots found."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from common.clock import Clock
from common.text import escape
from common.warehouse_errors import NotPublished
from pipelines.alerts.notify import deliver
from pipelines.config import Settings
from pipelines.live.feed_follower import FeedFollower
from warehouse.queries.runner import run_query
from warehouse.state.alerts import Alert, AlertStore
from warehouse.state.database import open_state

SILENT: Final = "feed.silent"
CHECK_SECONDS: Final = 60.0
# So many changes that no feed has told are no chance.
LEAST_CHANGES: Final = 10
GUIDANCE: Final = "The snapshots keep the record: shorten `every` of the basket until the feed tells again."
VIEWS: Final = {"standard": "quote_history", "bid": "bid_history"}
# Changes that snapshots found after the first one since the feed is open, which found what happened before.
UNTOLD: Final = """
WITH first_snapshot AS (
    SELECT min(finished_at) AS at FROM runs
    WHERE flow = 'snapshot' AND state = 'done' AND source = $source AND basket = $basket
        AND started_at >= $opened_at
)
SELECT h.provider, count(*)
FROM {view} h
JOIN (
    SELECT run_id FROM runs, first_snapshot
    WHERE flow = 'snapshot' AND source = $source AND basket = $basket AND started_at > first_snapshot.at
) r USING (run_id)
JOIN first_snapshot s ON h.valid_from > s.at
WHERE h.source = $source AND h.currency = 'USD' AND NOT h.aggregate
GROUP BY h.provider
"""


class SilenceCheck:
    """Raises an alert for each marketplace of which a feed tells nothing, and resolves it once it does."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._followers: list[FeedFollower] = []

    def add(self, follower: FeedFollower) -> None:
        """Check this feed, too."""
        self._followers.append(follower)

    async def run(self) -> None:
        """Check all feeds from time to time, until this call is cancelled. Raises WarehouseError."""
        while True:
            await self._clock.sleep(CHECK_SECONDS)
            await asyncio.to_thread(self.check)

    def check(self) -> None:
        """Raise, resolve and deliver the alerts. Raises WarehouseError."""
        alerts, now = AlertStore(open_state(self._settings.paths)), self._clock.now()
        for follower in self._followers:
            for provider in list(follower.last_event_at):
                alerts.resolve(SILENT, follower.basket.source, _subject(follower, provider), now=now)
            if (opened_at := follower.opened_at) is not None:
                with contextlib.suppress(NotPublished):  # the first snapshot is still under way
                    for alert in self._find_silent(follower, opened_at):
                        alerts.raise_alert(alert, now)
        deliver(self._settings, alerts, now)

    def _find_silent(self, follower: FeedFollower, opened_at: datetime) -> Iterator[Alert]:
        basket = follower.basket
        view = VIEWS[follower.scope.side.delivery]
        values: dict[str, object] = {
            "source": basket.source,
            "basket": basket.name,
            "opened_at": opened_at,
        }
        for provider, changes in run_query(self._settings.paths, UNTOLD.format(view=view), values).rows:
            if changes >= LEAST_CHANGES and provider not in follower.last_event_at:
                yield Alert(
                    SILENT,
                    basket.source,
                    _subject(follower, provider),
                    message=f"{follower.name} has told nothing of {escape(provider)} since"
                    f" {opened_at:%Y-%m-%d %H:%M} UTC, and snapshots found {changes:,} changes meanwhile",
                    guidance=GUIDANCE,
                )


def _subject(follower: FeedFollower, provider: str) -> str:
    return f"{provider}: {follower.feed_name.removeprefix('the ')}"
