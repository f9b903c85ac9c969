"""Run `floorline up` until a signal arrives, or until a process cannot be kept alive."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from common.clock import SystemClock
from floorline.up.lines import close_log, report, warn
from floorline.up.process import ProcessExited
from floorline.up.supervisor import Options, Supervisor
from pipelines.config import DEFAULT_PATH, load_settings
from pipelines.preparation import prepare_warehouse

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_until_stopped(config: Path | None, options: Options) -> int:
    """Run the server and the workers until a signal; return the exit code.

    The code is 128 and the number of the signal, 1 if a process died for good. A terminal that is lost is a
    SIGHUP. Raises ConfigError.
    """
    options.check()
    settings = load_settings(config)
    settings.select_baskets(())  # raises ConfigError without baskets, before anything starts
    prepare_warehouse(settings, SystemClock().now())
    path = config or Path(os.environ.get("FLOORLINE_CONFIG") or DEFAULT_PATH)
    try:
        return asyncio.run(_run(Supervisor(settings, path.resolve(), options)))
    finally:
        close_log()


async def _run(supervisor: Supervisor) -> int:
    shutdown = _Shutdown(supervisor)
    supervisor.on_terminal_lost = lambda: shutdown.request(signal.SIGHUP)
    exit_code = 1
    with shutdown.handle_signals():
        try:
            await supervisor.start()
            await supervisor.supervise()
        except asyncio.CancelledError:
            if shutdown.number is None:
                raise
            exit_code = 128 + shutdown.number
        except ProcessExited as error:
            warn("process.died", str(error))
        finally:
            shutdown.has_begun = True
            await supervisor.stop()
    report("stopped", "everything is stopped", exit_code=exit_code)
    return exit_code


class _Shutdown:
    """The first signal cancels the current task; another one during the shutdown kills the processes."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._task = asyncio.current_task()
        self.number: int | None = None
        self.has_begun = False

    def request(self, number: signal.Signals) -> None:
        """Begin the shutdown, or hasten it."""
        if self.number is not None or self.has_begun:
            if number != signal.SIGHUP:  # a terminal that closes may tell it twice, and asks for no haste
                self._supervisor.hasten()
            return
        self.number = number
        text = "stopping the runs, the workers, then the server; a second signal kills them"
        warn("stopping", text, signal=number.name)
        if self._task is not None:
            self._task.cancel()

    @contextmanager
    def handle_signals(self) -> Iterator[None]:
        """Handle the signals in the block; one that is ignored from the start (nohup) stays ignored."""
        loop = asyncio.get_running_loop()
        numbers = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
        for number in numbers:
            loop.add_signal_handler(number, self.request, number)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)
