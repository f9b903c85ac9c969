"""The past of best asks as the charts take it: steps that hold until the next change."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from dashboard.charts.steps import Step
from dashboard.prepared import PreparedMarket

SELECT_BEST: Final = """
SELECT item, price, valid_from, valid_to FROM best_ask_history
WHERE item IN (SELECT unnest($items)) AND currency = $currency AND (valid_to > $since OR valid_to IS NULL)
ORDER BY item, valid_from
"""


def read_best_asks(
    market: PreparedMarket, items: Sequence[str], currency: str, since: datetime
) -> dict[str, list[Step]]:
    """Return the best asks of items from `since` on (UTC), by item."""
    values = {"items": list(items), "currency": currency, "since": since}
    steps: dict[str, list[Step]] = {item: [] for item in items}
    for item, price, start, end in market.rows(SELECT_BEST, values):
        known = steps[item]
        if known and known[-1].start == start:  # it replaces the end of the one before
            known.pop()
        known.append(Step(start, float(price)))
        if end is not None:
            known.append(Step(end, None))
    return steps
