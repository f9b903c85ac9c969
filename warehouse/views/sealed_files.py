"""The sealed months of a warehouse: the file of each, or its part of a lake's table."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from msgspec import Struct


class SealedFile(Struct, frozen=True):
    """A file of a sealed month, and the bytes that it has. `month` is its first moment (UTC)."""

    month: datetime
    path: Path
    bytes: int
    content: str = "history"

    @property
    def key(self) -> str:
        """What the rows of the month have as their `file`."""
        return str(self.path)

    @property
    def end(self) -> datetime:
        """The first moment after the month."""
        return next_month(self.month)

    @property
    def problem(self) -> str | None:
        """What is wrong with the file, at first sight: None where it has its size."""
        if not self.path.is_file():
            return f"{self._title} is missing"
        return None if self.path.stat().st_size == self.bytes else self.damage

    @property
    def damage(self) -> str:
        """What to say of a file that is not what was written."""
        return f"{self._title} is damaged"

    @property
    def _title(self) -> str:
        return f"{self.path}, the {self.content} of {self.month:%Y-%m},"


class SealedPart(Struct, frozen=True):
    """A sealed month of a lake: rows of store.sealed_row, and no file of ours."""

    month: datetime
    key: str

    @property
    def end(self) -> datetime:
        """The first moment after the month."""
        return next_month(self.month)


def start_of(month: date) -> datetime:
    """Return the first moment of a month (UTC)."""
    return datetime(month.year, month.month, 1, tzinfo=UTC)


def next_month(start: datetime) -> datetime:
    """Return the first moment of the month after the one that starts at `start`."""
    return (start + timedelta(days=32)).replace(day=1)


def month_of(path: Path) -> datetime:
    """Return the month of which the name of a file begins."""
    return datetime.strptime(path.name[:7], "%Y-%m").replace(tzinfo=UTC)
