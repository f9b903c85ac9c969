"""The request of a backfill: one model for the command and for Prefect's form."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from common.errors import ConfigError
from common.numbers import EARLIEST_YEAR, to_utc
from common.time_ranges import Interval
from connectors.series import Series

# The command's options for the fields that have another name there.
OPTIONS: Final = {"start": "--from", "end": "--to"}
TIME_HINT: Final = "a date such as 2026-10-20 or a time such as 2026-10-20T12:00"


def _to_utc(time: datetime) -> datetime:
    """Return the time in UTC; a time without a zone is UTC."""
    utc = to_utc(time)
    if utc is None or utc.year < EARLIEST_YEAR:
        raise ValueError(f"must be in the years {EARLIEST_YEAR} to 9999, in UTC")
    return utc


def _parse_time(value: object) -> object:
    """Return the time of a text in ISO 8601. Raises ValueError; pydantic reads numbers as times, too."""
    if isinstance(value, datetime):
        return value
    try:
        return datetime.fromisoformat(str(value).strip())
    except ValueError:
        raise ValueError(f"takes {TIME_HINT}") from None


UtcDatetime = Annotated[datetime, BeforeValidator(_parse_time), AfterValidator(_to_utc)]


class BackfillRequest(BaseModel):
    """The history to fetch: half-open from `start` to `end` (UTC); `end` None is now.

    `interval` applies to candles. `windows` are the parts of the time to fetch, all of it if empty; what lies
    between two of them is fetched only where that saves a request. `budget` limits the requests of one run.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    series: Series = Field(
        default="points",
        description="Price history, candles of all markets, sales, or daily prices of years.",
    )
    source: str | None = Field(
        default=None, description="The name of a source; the only CS2Cap source if empty."
    )
    items: tuple[str | int, ...] = Field(
        default=("all",), min_length=1, description="Names, ids, globs, file:PATH, or all."
    )
    providers: tuple[str, ...] = Field(default=("all",), min_length=1, description="Provider keys, or all.")
    currency: str = Field(default="USD", description="USD; the API rounds its history in any other.")
    interval: Interval | None = Field(default=None, description="Candles only: 5m, 1h or 1d.")
    start: UtcDatetime = Field(description="The start, inclusive (UTC).")
    end: UtcDatetime | None = Field(default=None, description="The end, exclusive (UTC); now if empty.")
    windows: tuple[tuple[UtcDatetime, UtcDatetime], ...] = Field(
        default=(), description="Only these parts of the time, as pairs of start and end; empty: all of it."
    )
    budget: int | None = Field(default=None, ge=1, description="Stop after this number of requests.")

    @property
    def digest(self) -> str:
        """The fingerprint of identical requests: a hash of all fields but the budget."""
        # Without windows, the fingerprint is that of a version that knew none.
        unset = {"budget"} if self.windows else {"budget", "windows"}
        content = json.dumps(self.model_dump(mode="json", exclude=unset), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]


def parse_request(fields: Mapping[str, Any]) -> BackfillRequest:
    """Return the request; a field that is None gets its default. Raises ConfigError, naming the option."""
    try:
        return BackfillRequest(**{name: value for name, value in fields.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        ours = str(first.get("ctx", {}).get("error", "cannot be used as it is"))
        message = "is missing" if first["type"] == "missing" else ours
        raise ConfigError(f"{OPTIONS.get(name, f'--{name}')} {message}") from None
