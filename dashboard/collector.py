"""What the collector knows beside the published file, in `state.db`: alerts, and the month of each source."""

from __future__ import annotations

from collections.abc import Sequence

from common.sqlite_state import SqliteState
from connectors.ratelimit.ledger import read_usage
from connectors.ratelimit.ledger_tables import MonthUsage
from warehouse.paths import WarehousePaths
from warehouse.state.alerts import Alert, read_alerts


class CollectorState:
    """The `state.db` of a warehouse: it changes without a publish.

    Its methods raise WarehouseLocked and WarehouseUnusable; where there is no such file, nothing is known.
    """

    def __init__(self, paths: WarehousePaths) -> None:
        self._path = paths.state

    @property
    def tag(self) -> str:
        """A text that differs between two states."""
        parts = []
        for path in (self._path, self._path.with_name(f"{self._path.name}-wal")):
            try:
                status = path.stat()
            except OSError:
                continue
            parts.append(f"{status.st_ino}-{status.st_mtime_ns}-{status.st_size}")
        return "-".join(parts)

    def alerts(self) -> list[Alert]:
        """Return the alerts, the open ones first, then the newest."""
        return sorted(read_alerts(SqliteState(self._path)), key=lambda alert: alert.closed_at is not None)

    def months(self, sources: Sequence[str]) -> dict[str, MonthUsage]:
        """Return the last known month of each of these sources that reports one."""
        usages = {source: read_usage(SqliteState(self._path), source) for source in sources}
        return {source: usage for source, usage in usages.items() if usage is not None}
