"""Run `floorline up` until a signal arrives, or until a process cannot be kept alive."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import FrameType
from typing import Final

from common.clock import SystemClock
from floorline import console
from floorline.signals import signal_handler
from floorline.up.supervisor import ProcessExited, Supervisor
from pipelines.config import DEFAULT_PATH, load_settings
from pipelines.preparation import prepare_warehouse

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class ShutdownSignal(BaseException):
    """A signal asks for the shutdown; `exit_code` is the exit code of the command."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


def run_until_stopped(config: Path | None, port: int, workers: int) -> int:
    """Run the server and the workers until a signal; return the exit code.

    The code is 130 or 143 after a signal, 1 if a process died for good. Raises ConfigError.
    """
    settings = load_settings(config)
    settings.select_baskets(())  # raises ConfigError without baskets, before anything starts
    prepare_warehouse(settings, SystemClock().now())
    path = config or Path(os.environ.get("FLOORLINE_CONFIG") or DEFAULT_PATH)
    supervisor = Supervisor(settings, path.resolve(), port=port, workers=workers)
    exit_code = 1
    # The signal handler of the shutdown must not raise: an exception would interrupt the shutdown.
    with signal_handler(lambda *_: supervisor.kill(), *SIGNALS):
        try:
            with signal_handler(_raise_shutdown, *SIGNALS):
                supervisor.start()
                supervisor.supervise()
        except ShutdownSignal as shutdown:
            exit_code = shutdown.exit_code
            console.print_error("stopping the workers, then the server; a second signal kills them")
        except ProcessExited as error:
            console.print_error(str(error))
        finally:
            supervisor.stop()
    return exit_code


def _raise_shutdown(number: int, _frame: FrameType | None) -> None:
    raise ShutdownSignal(number)
