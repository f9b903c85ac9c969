"""What a backfill is asked for: the same model for the command and for Prefect's form."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from common.errors import ConfigError

Series = Literal["points", "candles", "sales"]
Interval = Literal["5m", "1h", "1d"]
# What the command calls them.
OPTIONS: Final = {"start": "--from", "end": "--to"}


def _utc(moment: datetime) -> datetime:
    """A moment without a zone is taken for UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


Moment = Annotated[datetime, AfterValidator(_utc)]


class BackfillRequest(BaseModel):
    """Which past to fetch: half-open from `start` to `end`, both in UTC; `end` None is now.

    `interval` is of candles. `budget` caps the requests of one run, and is no part of what is asked for.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    series: Series = Field(default="points", description="Raw history, candles of all markets, or sales.")
    source: str | None = Field(default=None, description="A source by name; the only CS2Cap source if empty.")
    items: tuple[str | int, ...] = Field(
        default=("all",), min_length=1, description="Names, ids, globs, file:PATH, or all."
    )
    providers: tuple[str, ...] = Field(default=("all",), min_length=1, description="Keys, or all.")
    currency: str = Field(default="USD", description="Any that the API converts to.")
    interval: Interval | None = Field(default=None, description="Of candles: 5m, 1h or 1d.")
    start: Moment = Field(description="From here on, inclusive (UTC).")
    end: Moment | None = Field(default=None, description="Up to here, exclusive (UTC); now if empty.")
    budget: int | None = Field(default=None, ge=1, description="Stop after so many requests.")

    @property
    def digest(self) -> str:
        """What identical requests have in common: their whole question, but not their budget."""
        asked = json.dumps(self.model_dump(mode="json", exclude={"budget"}), sort_keys=True)
        return hashlib.sha256(asked.encode()).hexdigest()[:16]


def parse_request(fields: Mapping[str, Any]) -> BackfillRequest:
    """Check what was asked for; what is None has its default. Raises ConfigError, naming the option."""
    try:
        return BackfillRequest(**{name: value for name, value in fields.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        what = "it is missing" if first["type"] == "missing" else first["msg"]
        raise ConfigError(f"{OPTIONS.get(name, f'--{name}')}: {what}") from None
