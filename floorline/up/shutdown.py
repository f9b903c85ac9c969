"""The end of `floorline up`: the runs land and load what arrived before their processes are killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Sequence
from typing import Final

from floorline.up.process import group_is_alive, parent_pid

FINISH_TIMEOUT: Final = 10.0  # seconds of runs that finish without a signal
LAND_TIMEOUT: Final = 15.0  # seconds of runs that load the data that arrived, after SIGTERM
POLL: Final = 0.3  # seconds


class RunShutdown:
    """Ends the flow runs of our workers.

    `workers` are the process ids of our workers; None: every run of the server is ours. `in_haste` says
    whether to wait no longer.
    """

    def __init__(self, workers: Sequence[int] | None, in_haste: Callable[[], bool]) -> None:
        self._workers = workers
        self._in_haste = in_haste

    async def stop_runs(self) -> None:
        """Let runs finish that end soon; let the others land and load the data that arrived; then kill.

        A worker that receives SIGTERM would kill its runs, and each run has its own process group.
        """
        for timeout, number in ((FINISH_TIMEOUT, signal.SIGTERM), (LAND_TIMEOUT, signal.SIGKILL)):
            if await self._wait(timeout):
                return
            for pid in await self.run_pids():  # Prefect starts each run as the leader of a process group
                with contextlib.suppress(ProcessLookupError):  # the run has ended meanwhile
                    os.killpg(pid, number)

    async def run_pids(self) -> list[int]:
        """Return the process ids of the runs of our workers, without those of another machine."""
        from floorline.up.server import running_pids

        return [
            pid
            for pid in await running_pids()
            if group_is_alive(pid) and (self._workers is None or parent_pid(pid) in self._workers)
        ]

    async def _wait(self, seconds: float) -> bool:
        """Return whether all runs end within `seconds`."""
        deadline = time.monotonic() + seconds
        while await self.run_pids():
            if self._in_haste() or time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL)
        return True
