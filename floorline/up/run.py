"""The command `floorline up`: everything runs until a signal, or until a part cannot be kept alive."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from floorline import console
from floorline.up.supervisor import ProcessExited, Supervisor
from pipelines.config import DEFAULT_PATH, load_settings
from warehouse.paths import WarehousePaths


class ShutdownSignal(BaseException):
    """A signal asked everything to stop; `code` is what the command then ends with."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = 128 + number


def run_until_stopped(config: Path | None, port: int, workers: int) -> int:
    """Run everything until a signal; the exit code: 130 or 143, and 1 where a part died for good.

    Raises ConfigError for what cannot be started at all.
    """
    settings = load_settings(config)
    settings.chosen(())
    WarehousePaths(settings.root).prepare()
    path = config or Path(os.environ.get("FLOORLINE_CONFIG") or DEFAULT_PATH)
    house = Supervisor(settings, path.resolve(), port, workers)
    code = 1
    with _shutdown_on_signals():
        try:
            house.start()
            house.supervise()
        except ShutdownSignal as stopped:
            code = stopped.code
            console.print_error("stopping the workers, then the server; a second signal kills what is left")
        except ProcessExited as death:
            console.print_error(str(death))
        finally:
            _on_signals(lambda *_: house.kill())
            house.stop()
    return code


@contextmanager
def _shutdown_on_signals() -> Iterator[None]:
    """Raise Stopped in here at SIGINT and SIGTERM; what they did before is restored at the end."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, _frame: FrameType | None) -> None:
        raise ShutdownSignal(number)

    _on_signals(stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _on_signals(handler: Callable[[int, FrameType | None], object]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)
