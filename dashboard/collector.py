"""What the collector knows beside the published record: alerts, and the month of each source."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.ratelimit.ledger import read_usage
from connectors.ratelimit.ledger_tables import MonthUsage
from warehouse.paths import WarehousePaths
from warehouse.state.alerts import Alert, read_alerts
from warehouse.state.database import open_state


class CollectorState:
    """The state database of a warehouse: it changes without a publish.

    Its methods raise WarehouseError; where there is no such database, nothing is known.
    """

    def __init__(self, paths: WarehousePaths) -> None:
        self._state = open_state(paths)

    @property
    def tag(self) -> str:
        """A text that differs between two states."""
        return self._state.tag("alert", "budget")

    def alerts(self) -> list[Alert]:
        """Return the alerts, the open ones first, then the newest."""
        return sorted(read_alerts(self._state), key=lambda alert: alert.closed_at is not None)

    def months(self, sources: Sequence[str]) -> dict[str, MonthUsage]:
        """Return the last known month of each of these sources that reports one."""
        usages = {source: read_usage(self._state, source) for source in sources}
        return {source: usage for source, usage in usages.items() if usage is not None}
