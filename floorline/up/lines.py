"""The log of `floorline up`: lines for people or JSON for programs on stdout, and the same in `up.log`."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final, Literal

from common.addresses import mask_secrets
from common.text import reveal
from floorline.console import escape_json
from floorline.streams import give_up_broken

LogFormat = Literal["text", "json"]
# What people read before a line: alerts have the same words.
WORDS: Final = {logging.WARNING: "warning: ", logging.ERROR: "failure: "}
MAX_BYTES: Final = 10_000_000  # of a log file; then it is renamed, and KEPT older ones stay
KEPT: Final = 3
_logger: Final = logging.getLogger("floorline.up")


def report(event: str, message: str, *, level: int = logging.INFO, **fields: object) -> None:
    """Log that something happened: a dotted name such as `run.ended`, a sentence, and values for programs.

    The values are JSON's own, or texts.
    """
    _logger.log(level, "%s", message, extra={"event": event, "fields": fields})


def warn(event: str, message: str, **fields: object) -> None:
    """Log what somebody should look at; see `report`."""
    report(event, message, level=logging.WARNING, **fields)


def open_log(folder: Path, log_format: LogFormat, on_lost: Callable[[], object]) -> None:
    """Send what is reported to stdout and to `up.log` in `folder`.

    `on_lost` is called when stdout cannot be written: the terminal, or the reader of a pipe, is gone.
    """
    close_log()
    formatter = JsonFormatter() if log_format == "json" else TextFormatter("%H:%M:%S")
    terminal = _Terminal(on_lost)
    terminal.setFormatter(formatter)
    file = PrivateRotatingFile(folder / "up.log")
    file.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter("%Y-%m-%d %H:%M:%S"))
    _logger.handlers = [terminal, file]
    _logger.setLevel(logging.INFO)
    _logger.propagate = False


def close_log() -> None:
    """Close the handlers of `open_log`."""
    for handler in _logger.handlers:
        handler.close()
    _logger.handlers = []


class TextFormatter(logging.Formatter):
    """A time in UTC and a sentence; secrets in addresses are masked, escape codes are shown."""

    def __init__(self, times: str) -> None:
        super().__init__()
        self._times = times

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record; further lines of a message are indented."""
        time = datetime.fromtimestamp(record.created, UTC).strftime(self._times)
        return f"{time} {WORDS.get(record.levelno, '')}{_sanitize(record.getMessage())}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time` (ISO 8601, UTC), `level`, `event`, `message`, and the values."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the JSON of a record."""
        content = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "event": getattr(record, "event", "log"),
            "message": mask_secrets(record.getMessage()),
            **getattr(record, "fields", {}),
        }
        return escape_json(json.dumps(content, default=str, ensure_ascii=False))


class PrivateRotatingFile(RotatingFileHandler):
    """A log file of mode 0600 that is renamed when it is large; the oldest is deleted."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=MAX_BYTES, backupCount=KEPT, encoding="utf-8", errors="replace")

    def _open(self) -> TextIOWrapper:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return open(descriptor, "a", encoding="utf-8", errors="replace")  # noqa: PTH123 - it is open already

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        """Lose a line that cannot be written: a full disk must not end what is running."""


class _Terminal(logging.StreamHandler[TextIOWrapper]):
    """Stdout, as long as it can be written."""

    def __init__(self, on_lost: Callable[[], object]) -> None:
        super().__init__(sys.stdout)  # type: ignore[arg-type]  # a text stream of any kind
        self._on_lost = on_lost

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        """Give up a stream that fails; the records go on in the file."""
        if isinstance(sys.exc_info()[1], OSError):
            give_up_broken(sys.stdout)
            self._on_lost()
        else:
            super().handleError(record)


def _sanitize(message: str) -> str:
    return "\n".join(reveal(mask_secrets(line)) for line in message.splitlines())
