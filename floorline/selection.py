"""What the methods of a market select: the conditions of a query, and moments in the words of a user."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, TypedDict

from pytimeparse.timeparse import timeparse

from common.errors import FloorlineError
from common.numbers import to_utc
from common.text import quote
from common.time_ranges import Interval

# A moment (in UTC where it has no zone), or how long ago: "24h", "7d".
When = datetime | date | timedelta | str
EXAMPLES: Final = '"2026-11-01", "2026-11-01T12:00Z", or so long ago: "24h", "7d"'


class Filters(TypedDict, total=False):
    """Which rows to select. `time` names the column that is compared with `since` and `until`."""

    item: str | None
    phase: str | None
    provider: str | None
    interval: Interval
    time: str
    since: When | None
    until: When | None


class Query:
    """A query of all columns of a view, with conditions; `values` are its parameters."""

    def __init__(self, view: str, condition: str = "") -> None:
        self._view = view
        self._conditions = [condition] if condition else []
        self.values: dict[str, Any] = {}

    @property
    def sql(self) -> str:
        """The text of the query."""
        return f"FROM {self._view} WHERE {' AND '.join(self._conditions)}"

    def where(self, condition: str, **values: object) -> None:
        """Add a condition, with the values of its parameters."""
        self._conditions.append(condition)
        self.values |= values

    def between(self, column: str, start: datetime | None, end: datetime | None) -> None:
        """Select the rows of [start, end). A column `day` holds UTC dates: a day counts if it has begun."""
        for name, operator, moment in (("since", ">=", start), ("until", "<", end)):
            if moment is not None:
                self.where(
                    f"{column} {operator} ${name}", **{name: moment.date() if column == "day" else moment}
                )


def resolve_moment(when: When, now: datetime) -> datetime:
    """Return a moment in UTC. Raises FloorlineError for a text that is none."""
    if isinstance(when, str):
        when = _parse(when)
    if isinstance(when, timedelta):
        return now - when
    if not isinstance(when, datetime):
        when = datetime.combine(when, time(), UTC)
    moment = to_utc(when)
    if moment is None:
        raise FloorlineError(f"{when} is outside of the calendar in UTC")
    return moment


def _parse(text: str) -> datetime | timedelta:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return parse_period(text)


def parse_period(text: str) -> timedelta:
    """Return the length of "24h" or "7d". Raises FloorlineError."""
    seconds = timeparse(text) if ":" not in text else None
    if seconds is None:
        raise FloorlineError(f"{quote(text)} is no time: write {EXAMPLES}")
    return timedelta(seconds=seconds)
