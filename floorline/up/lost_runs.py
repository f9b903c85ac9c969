"""Flow runs whose process is gone without a last word: they hold the only slot of their deployment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from floorline.up.process import group_is_alive

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import FlowRun

# The time that a worker has to start the process of a run, or to report its end.
PATIENCE: Final = timedelta(seconds=15)
START_PATIENCE: Final = timedelta(minutes=2)


class LostRunWatcher:
    """Sets such runs to Crashed. For a server whose workers are all on this machine.

    Prefect itself notices them after three missed heartbeats; until then every tick would be cancelled. A run
    loses its process when somebody kills it with its worker, or its worker alone: then it ends by itself.
    """

    def __init__(self, client: PrefectClient) -> None:
        self._client = client
        self._gone: dict[UUID, datetime] = {}

    async def mark_lost_runs(self) -> None:
        """Crash the runs whose process has been gone for a while."""
        from floorline.up.server import crash_run, read_unfinished_runs

        now = datetime.now(UTC)
        runs = {run.id: run for run in await read_unfinished_runs(self._client) if not _has_process(run)}
        self._gone = {run: self._gone.get(run, now) for run in runs}
        for run, since in self._gone.items():
            patience = PATIENCE if runs[run].infrastructure_pid else START_PATIENCE
            if now - since > patience:
                await crash_run(self._client, run, "its process is gone")


def _has_process(run: FlowRun) -> bool:
    pid = run.infrastructure_pid or ""
    return pid.isdecimal() and group_is_alive(int(pid))
