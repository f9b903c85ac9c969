"""The pages of a series (points, candles, sales or daily points), and the sink that lands them. Data only."""

import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final, Literal

import polars as pl
from msgspec import Struct

from connectors.pages import Reject

Series = Literal["points", "candles", "sales", "daily"]
_RETENTION: Final = re.compile(r"\b(?:start|end) must be within (?:the )?last ([0-9]{1,5}) days\b")


class SeriesPage(Struct, frozen=True, eq=False):
    """A page of a series, parsed into columns.

    `number` counts the pages of a shard from 0, those of earlier extractions included. `cursor` requested the
    page, None for the first one; `next_cursor` is None for the last one. `observed_at` is the server's time
    (UTC). `rows` are those inside of the shard's window, in the schema of the series (`schemas.SCHEMAS`);
    `oldest` is the time of the oldest row, None without rows. `unknown_fields` counts the rows that carry a
    field outside of the contract.
    """

    number: int
    cursor: str | None
    next_cursor: str | None
    observed_at: datetime
    rows: pl.DataFrame
    rejects: tuple[Reject, ...]
    unknown_fields: dict[str, int]
    oldest: datetime | None


# Returns once the page is on disk.
SeriesPageSink = Callable[[SeriesPage], Awaitable[None]]


def parse_retention_days(detail: str) -> int | None:
    """Return how many days the API keeps a series, if the `detail` of a RequestRejected says so."""
    match = _RETENTION.search(detail)
    return int(match[1]) if match else None
