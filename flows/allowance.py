"""Whether a run fits into what is left: of the month, and of the day's stream starts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from connectors.errors import QuotaExhausted
from connectors.throttle import Throttle, Usage
from flows.baskets import Prepared

# The routes whose starts are counted, by the delivery that they bring.
STREAMS: Final = {"standard": "POST /v1/prices", "bid": "POST /v1/bids"}


def spent_streams(budget: Throttle) -> list[str]:
    """Deliveries whose streams may not start now: the starts of the last 24 hours are used up."""
    counts = {delivery: budget.streams(route) for delivery, route in STREAMS.items()}
    return [delivery for delivery, (used, limit) in counts.items() if limit is not None and used >= limit]


def refusals(prepared: Sequence[Prepared], month: Usage) -> dict[str, QuotaExhausted]:
    """The baskets, by name, that cannot fit into the month any more; those before them go first.

    A catalog that was never looked at counts as one page: what may fit is not refused.
    """
    left = month.left
    refused: dict[str, QuotaExhausted] = {}
    for ready in prepared if left is not None else ():
        need = ready.plan.least_requests
        if left is not None and need <= left:
            left -= need
        else:
            refused[ready.basket.name] = _refusal(ready, need, left or 0, month)
    return refused


def _refusal(ready: Prepared, need: int, left: int, month: Usage) -> QuotaExhausted:
    reset = f"at {month.resets_at:%Y-%m-%d %H:%M} UTC" if month.resets_at else "with the next month"
    return QuotaExhausted(
        f"basket {ready.basket.name} needs {need:,} requests, and of the month's {month.limit:,} are {left:,}"
        f" left; it starts anew {reset}. Nothing was asked for; --force does all the same",
        ready.basket.source,
        resets_at=month.resets_at,
    )
