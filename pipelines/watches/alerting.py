"""The alerts of watches: open while rows match or a query fails, and over when the next load finds none."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from filelock import FileLock, Timeout

from common.clock import Clock
from common.errors import FloorlineError
from pipelines.alerts.notify import deliver
from pipelines.alerts.rows import MAX_ROWS, WATCH_BROKEN, WITH_ROWS, join_rows
from pipelines.config import Settings
from pipelines.watches.runner import WatchesStopped, WatchProcess, WatchResult, run_watches
from warehouse.state.alerts import Alert, AlertStore
from warehouse.state.database import open_state

LOG = logging.getLogger("floorline")
CORRECT: Final = (
    "Correct the watch in the configuration: `floorline watches check` runs it and shows its rows."
)


def check_watches(
    settings: Settings, run_id: str | None, clock: Clock, process: WatchProcess | None = None
) -> None:
    """Run every watch on the published database; raise, resolve and deliver their alerts.

    `run_id` is the run that was loaded last. A watch never fails a run: what goes wrong is an alert or a line
    of the log. Watches that are stopped change no alert. Processes take turns, so that the last one decides
    by the newest database.
    """
    paths = settings.paths
    try:
        alerts = AlertStore(open_state(paths))
        if not settings.watches and not _open_alerts(alerts):
            return
        with FileLock(paths.watch_lock, timeout=settings.warehouse.lock_wait.total_seconds()):
            results = run_watches(paths, settings.watches, process)
            settle_watches(alerts, results, run_id, clock.now())
        deliver(settings, alerts, clock.now())
    except WatchesStopped:
        LOG.info("watches: stopped; the next load runs them")
    except Timeout:
        LOG.warning("watches: another process has been running them for long; the next load runs them")
    except FloorlineError as error:
        LOG.warning("watches: not run: %s", error)
    except Exception:
        LOG.exception("watches: not run, because of a bug; the run itself is complete")


def settle_watches(
    alerts: AlertStore, results: Sequence[WatchResult], run_id: str | None, now: datetime
) -> None:
    """Raise and resolve the alerts of these results, which are those of all watches."""
    for result in results:
        _settle(alerts, result, run_id, now)
    _resolve_removed(alerts, {result.watch.name for result in results}, now)


def _settle(alerts: AlertStore, result: WatchResult, run_id: str | None, now: datetime) -> None:
    watch = result.watch
    if result.failure:  # whether rows match is unknown: an alert about them stays as it is
        message = f"the watch {watch.name} failed: {result.failure}"
        alerts.raise_alert(Alert(WATCH_BROKEN, "", watch.name, message, guidance=CORRECT, run_id=run_id), now)
        return
    alerts.resolve(WATCH_BROKEN, "", watch.name, now=now)
    cause = f"watch.{watch.severity}"
    for other in WITH_ROWS - ({cause} if result.found.rows else set()):
        alerts.resolve(other, "", watch.name, now=now)
    if result.found.rows:
        message = join_rows(summarize(result), result.found.records(MAX_ROWS))
        alerts.raise_alert(Alert(cause, "", watch.name, message, run_id=run_id), now)


def summarize(result: WatchResult) -> str:
    """Return the message of a watch, or its condition, with the number of rows."""
    watch = result.watch
    condition = watch.condition if watch.query is None else "rows match the query"
    return f"{' '.join((watch.message or condition).split())} ({result.found.count})"


def _resolve_removed(alerts: AlertStore, names: Iterable[str], now: datetime) -> None:
    """Resolve the alerts of watches that the configuration does not have any more."""
    known = set(names)
    for alert in _open_alerts(alerts):
        if alert.subject not in known:
            alerts.resolve(alert.cause, "", alert.subject, now=now)


def _open_alerts(alerts: AlertStore) -> list[Alert]:
    """Return the open alerts of watches."""
    causes = {*WITH_ROWS, WATCH_BROKEN}
    return [alert for alert in alerts.list_alerts(open_only=True) if alert.cause in causes]
