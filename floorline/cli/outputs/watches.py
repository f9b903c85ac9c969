"""The results of the commands about watches."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from pipelines.alerts.rows import WATCH_BROKEN, WITH_ROWS
from pipelines.config import WatchSettings
from pipelines.watches.runner import WatchResult
from warehouse.state.alerts import Alert

State = Literal["quiet", "rows", "broken"]


@dataclasses.dataclass(frozen=True, slots=True)
class WatchOutput:
    """A watch: its `condition` in words or as SQL, and what the last load found.

    `state` is "quiet" without rows, "rows" while rows match, "broken" while its query fails. `alert_id` and
    `opened_at` are those of the open alert.
    """

    name: str
    condition: str
    message: str
    severity: str
    time_limit_seconds: float
    state: State
    alert_id: int | None
    opened_at: datetime | None

    @classmethod
    def of(cls, watch: WatchSettings, alerts: Sequence[Alert]) -> WatchOutput:
        """Return a watch as it is printed; `alerts` are the open alerts."""
        own = {alert.cause: alert for alert in alerts if alert.subject == watch.name}
        broken = own.get(WATCH_BROKEN)
        alert = broken or next((own[cause] for cause in WITH_ROWS if cause in own), None)
        return cls(
            name=watch.name,
            condition=watch.condition,
            message=watch.message,
            severity=watch.severity,
            time_limit_seconds=watch.time_limit.total_seconds(),
            state="quiet" if alert is None else "rows" if broken is None else "broken",
            alert_id=None if alert is None else alert.alert_id,
            opened_at=None if alert is None else alert.opened_at,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class WatchCheckOutput:
    """What a watch finds now: its rows, each value as text, or the `failure` of its query.

    `has_more`: there are more rows than these.
    """

    name: str
    condition: str
    rows: tuple[Mapping[str, str | None], ...]
    has_more: bool
    failure: str | None

    @classmethod
    def of(cls, result: WatchResult) -> WatchCheckOutput:
        """Return a result as it is printed."""
        return cls(
            name=result.watch.name,
            condition=result.watch.condition,
            rows=tuple(result.found.records()),
            has_more=result.found.has_more,
            failure=result.failure or None,
        )
