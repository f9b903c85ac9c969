"""How fast the month of each source is used up, and when it ends at that pace."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Final

from flows.config import Settings
from warehouse.budget import Usage, usage_of
from warehouse.home import Home

DAY: Final = timedelta(days=1)
# The first hour of a month says little of its pace.
LEAST: Final = timedelta(hours=1)


@dataclasses.dataclass(frozen=True, slots=True)
class Burn:
    """A source's month: requests used, of how many (None = not known), and how many a day.

    `ends_at` (UTC) is when they are used up at this pace; None where they last to the end of the month.
    """

    source: str
    used: int
    limit: int | None
    a_day: float
    ends_at: datetime | None


def burns(settings: Settings, now: datetime) -> list[Burn]:
    """The month of each source that has told of one. Raises WarehouseError."""
    state = Home(settings.root).state
    known = ((source, usage_of(state, source)) for source in settings.sources)
    return [burn(source, usage, now) for source, usage in known if usage is not None]


def burn(source: str, usage: Usage, now: datetime) -> Burn:
    """What a usage, as it was last known, comes to at the moment `now` (UTC)."""
    start, end = _month(usage.resets_at, now)
    current = usage.told_at is None or usage.told_at >= start
    used = usage.used if current else 0
    a_day = used * (DAY / max(now - start, LEAST))
    ends_at = None
    if usage.limit is not None and used:
        ends_at = now + max(usage.limit - used, 0) / a_day * DAY
    return Burn(source, used, usage.limit, a_day, ends_at if ends_at and ends_at < end else None)


def _month(resets_at: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    """The start and end of the source's month; of the calendar's in UTC where it tells none."""
    first = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    end = resets_at if resets_at and resets_at > now else (first + 32 * DAY).replace(day=1)
    return end - (end.replace(day=1) - DAY).day * DAY, end
