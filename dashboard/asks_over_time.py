"""The past of best asks as the charts take it: steps that hold until the next change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from dashboard.charts.steps import Step
from dashboard.prepared import PreparedMarket

# A list, and no join: a filter reaches the items before their history is read.
SELECT_BEST: Final = """
SELECT item, price, valid_from, valid_to FROM best_ask_history
WHERE list_contains($items, item) AND currency = $currency AND (valid_to > $since OR valid_to IS NULL)
ORDER BY item, valid_from
"""
SELECT_ASKS: Final = """
SELECT provider, delivery, price, valid_from, valid_to FROM quote_history_since($since)
WHERE item = $item AND currency = $currency AND price IS NOT NULL ORDER BY valid_from
"""


Change = tuple[str, Decimal, datetime, datetime | None]  # item, price, and from when to when it held


def read_best_asks(
    market: PreparedMarket, items: Sequence[str], currency: str, since: datetime
) -> list[Change]:
    """Return the best asks of items from `since` on (UTC), in order of item and time."""
    return market.rows(SELECT_BEST, {"items": list(items), "currency": currency, "since": since})


def to_steps(changes: Iterable[Change]) -> dict[str, list[Step]]:
    """Return best asks as the charts take them, by item."""
    steps: defaultdict[str, list[Step]] = defaultdict(list)
    for item, price, start, end in changes:
        append_step(steps[item], price, start, end)
    return steps


def read_asks(
    market: PreparedMarket, item: str, currency: str, since: datetime
) -> dict[tuple[str, str], list[Step]]:
    """Return the asks of an item from `since` on (UTC), by marketplace and delivery."""
    steps: defaultdict[tuple[str, str], list[Step]] = defaultdict(list)
    for provider, delivery, price, start, end in market.rows(
        SELECT_ASKS, {"item": item, "currency": currency, "since": since}
    ):
        append_step(steps[provider, delivery], price, start, end)
    return steps


def append_step(known: list[Step], price: Decimal, start: datetime, end: datetime | None) -> None:
    """Add a step of this price from `start` to `end` to those that are `known`, in the order of time."""
    if known and known[-1].start == start:  # it replaces the end of the one before
        known.pop()
    known.append(Step(start, float(price)))
    if end is not None:
        known.append(Step(end, None))
