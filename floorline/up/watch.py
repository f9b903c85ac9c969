"""What happens under `floorline up`, as lines of its log: runs that end, alerts, a paused work pool."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from common.errors import FloorlineError
from floorline.up.lines import report, warn
from flows import WORK_POOL
from pipelines.alerts.causes import severity_of
from pipelines.alerts.rows import summary_of
from pipelines.config import Settings
from warehouse.state.alerts import Alert, read_alerts
from warehouse.state.database import open_state

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import FlowRun

# A server writes the end of a run with a delay: look back a little further than the last look.
OVERLAP: Final = timedelta(minutes=1)
RESUME: Final = f"floorline prefect work-pool resume {WORK_POOL}"


async def repeat(seconds: float, work: Callable[[], Awaitable[object]]) -> None:
    """Do `work` again and again, with a pause after each; a new failure is a line, and not the end."""
    warned = None
    while True:
        try:
            await work()
            warned = None
        except FloorlineError as error:
            if str(error) != warned:
                warned = str(error)
                warn("check.failed", warned)
        except Exception:  # noqa: BLE001, S110 - of Prefect's client: a server that is gone is seen elsewhere
            pass
        await asyncio.sleep(seconds)


class RunWatcher:
    """Reports each flow run that has ended since the last look.

    With `config`, only runs with this configuration: a server of the user's may serve other warehouses, too.
    """

    def __init__(self, client: PrefectClient, config: Path | None) -> None:
        self._client = client
        self._config = config
        self._since = datetime.now(UTC)
        self._reported: dict[UUID, datetime] = {}

    async def report_changes(self) -> None:
        """Report the runs that have ended, and remember them."""
        from floorline.up.server import read_ended_runs

        now = datetime.now(UTC)
        for run in await read_ended_runs(self._client, max(self._since, now - 2 * OVERLAP)):
            ours = self._config is None or run.parameters.get("config") == str(self._config)
            if ours and run.id not in self._reported:
                self._reported[run.id] = now
                _report_run(run)
        self._reported = {run: at for run, at in self._reported.items() if now - at < 5 * OVERLAP}


def _report_run(run: FlowRun) -> None:
    state = run.state_name or "ended"
    message = run.state.message if run.state is not None else None
    text = f"run {run.name}: {state}{f': {message}' if message else ''}"
    seconds = round(run.total_run_time.total_seconds(), 1)
    say = report if state in {"Completed", "Skipped"} else warn
    say("run.ended", text, run=run.name, flow_run_id=str(run.id), state=state, seconds=seconds)


class AlertWatcher:
    """Reports alerts that open and close; at the first look, those that are open."""

    def __init__(self, settings: Settings) -> None:
        self._state = open_state(settings.paths)
        self._open: dict[int | None, Alert] = {}

    async def report_changes(self) -> None:
        """Report what has changed. Raises WarehouseError."""
        now = {
            alert.alert_id: alert
            for alert in await asyncio.to_thread(read_alerts, self._state, open_only=True)
        }
        for number in now.keys() - self._open.keys():
            alert = now[number]
            level = logging.ERROR if severity_of(alert) == "failure" else logging.WARNING
            _report_alert(level, "alert.opened", f"alert {_name(alert)}: {summary_of(alert)}", alert)
        for number in self._open.keys() - now.keys():
            alert = self._open[number]
            _report_alert(logging.INFO, "alert.closed", f"alert is over: {_name(alert)}", alert)
        self._open = now


def _name(alert: Alert) -> str:
    about = ", ".join(filter(None, (alert.source, alert.subject)))
    return f"{alert.cause} ({about})" if about else alert.cause


def _report_alert(level: int, event: str, text: str, alert: Alert) -> None:
    values = {name: getattr(alert, name) for name in ("alert_id", "cause", "source", "subject")}
    report(event, text, level=level, severity=severity_of(alert), **values)


class PoolWatcher:
    """Reports when the work pool is paused or resumed; `on_change` gets whether it is paused."""

    def __init__(self, client: PrefectClient, on_change: Callable[[bool], object]) -> None:
        self._client = client
        self._on_change = on_change
        self._paused = False

    async def report_changes(self) -> None:
        """Report a change."""
        from floorline.up.server import is_work_pool_paused

        paused = await is_work_pool_paused(self._client)
        if paused == self._paused:
            return
        self._paused = paused
        self._on_change(paused)
        if paused:
            text = f"the work pool {WORK_POOL} is paused: no run starts until `{RESUME}`"
            warn("pool.paused", text)
        else:
            report("pool.resumed", f"the work pool {WORK_POOL} is resumed")
