"""What an alert cost: the time in which its baskets were not observed, from the published runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from common.text import format_exact_duration
from common.warehouse_errors import WarehouseError
from pipelines.config import BasketSettings
from warehouse.gaps import LATE_AFTER
from warehouse.paths import WarehousePaths
from warehouse.published import is_published
from warehouse.queries.runner import run_query
from warehouse.state.alerts import Alert

# The last success before an alert, and the first one after it opened.
SUCCESSES: Final = """
SELECT max(started_at) FILTER (started_at <= $opened_at), min(started_at) FILTER (started_at > $opened_at)
FROM runs WHERE flow = 'snapshot' AND state = 'done' AND basket = $basket AND source = $source
"""


@dataclasses.dataclass(frozen=True, slots=True)
class MissedTime:
    """The time (UTC) between two successful snapshots of a basket, and how many `runs` were due in it."""

    basket: str
    start: datetime
    end: datetime
    runs: int

    def __str__(self) -> str:
        count = f"{self.runs:,} snapshot{'' if self.runs == 1 else 's'}"
        length = format_exact_duration(self.end - self.start)
        start, end = f"{self.start:%Y-%m-%d %H:%M:%S}", f"{self.end:%Y-%m-%d %H:%M:%S}"
        return f"{self.basket} from {start} to {end} UTC ({length}, {count} missing)"

    def as_json(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        return {
            "basket": self.basket,
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "runs": self.runs,
        }


def find_missed_time(
    alert: Alert, baskets: Iterable[BasketSettings], paths: WarehousePaths
) -> list[MissedTime]:
    """Return what the baskets lack because of an alert that is over; nothing if no run can be read."""
    if alert.closed_at is None or not is_published(paths):
        return []
    try:
        found = [_missed(alert, basket, paths) for basket in baskets]
    except WarehouseError:  # the message goes out without it
        return []
    return [missed for missed in found if missed is not None]


def _missed(alert: Alert, basket: BasketSettings, paths: WarehousePaths) -> MissedTime | None:
    values: dict[str, object] = {"opened_at": alert.opened_at, "basket": basket.name, "source": basket.source}
    start, end = run_query(paths, SUCCESSES, values).rows[0]
    end = end or alert.closed_at
    if start is None or end is None or end - start <= LATE_AFTER * basket.every:
        return None
    return MissedTime(basket.name, start, end, max(round((end - start) / basket.every) - 1, 1))
