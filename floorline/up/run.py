"""Run `floorline up` until a signal arrives, or until a process cannot be kept alive."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

from floorline import console
from floorline.up.supervisor import ProcessExited, Supervisor
from pipelines.config import DEFAULT_PATH, load_settings
from warehouse.paths import WarehousePaths

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
    WarehousePaths(settings.root).prepare()
    path = config or Path(os.environ.get("FLOORLINE_CONFIG") or DEFAULT_PATH)
    supervisor = Supervisor(settings, path.resolve(), port=port, workers=workers)
    exit_code = 1
    with _shutdown_on_signals():
        try:
            supervisor.start()
            supervisor.supervise()
        except ShutdownSignal as shutdown:
            exit_code = shutdown.exit_code
            console.print_error("stopping the workers, then the server; a second signal kills them")
        except ProcessExited as error:
            console.print_error(str(error))
        finally:
            # From here on a signal must not raise: it would interrupt the shutdown.
            _on_signals(lambda *_: supervisor.kill())
            supervisor.stop()
    return exit_code


@contextmanager
def _shutdown_on_signals() -> Iterator[None]:
    """Raise ShutdownSignal in the block at SIGINT and SIGTERM; restore the signal handlers at the end."""
    handlers = {number: signal.getsignal(number) for number in SIGNALS}

    def shut_down(number: int, _frame: FrameType | None) -> None:
        raise ShutdownSignal(number)

    _on_signals(shut_down)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _on_signals(handler: Callable[[int, FrameType | None], object]) -> None:
    for number in SIGNALS:
        signal.signal(number, handler)
