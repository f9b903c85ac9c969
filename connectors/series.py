"""What a series is asked for by, and the pages that it comes in: points, candles and sales. Data only."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import polars as pl

from connectors.pages import Reject

Series = Literal["points", "candles", "sales"]
_RETENTION: Final = re.compile(r"\b(?:start|end) must be within (?:the )?last ([0-9]{1,5}) days\b")


@dataclass(frozen=True, slots=True, eq=False)
class SeriesPage:
    """One answer, typed.

    `number` counts a shard's pages from 0, those of earlier walks included. `cursor` is the one that it was
    asked with, None for the first page; `next_cursor` is None for the last. `observed_at` is the server's
    moment (UTC). `rows` are those inside the window of the ask, in the schema of their series (see
    `series_frames`), and `oldest` is the time of the oldest of them, None if there are none. `unknown_fields`
    counts the rows that carry a field the contract does not know.
    """

    number: int
    cursor: str | None
    next_cursor: str | None
    observed_at: datetime
    rows: pl.DataFrame
    rejects: tuple[Reject, ...]
    unknown_fields: dict[str, int]
    oldest: datetime | None


# Has the page on disk before it returns.
SeriesPageSink = Callable[[SeriesPage], Awaitable[None]]


def parse_retention_days(detail: str) -> int | None:
    """Return how many days the API keeps a series, where the `detail` of a RequestRejected tells it."""
    told = _RETENTION.search(detail)
    return int(told[1]) if told else None
