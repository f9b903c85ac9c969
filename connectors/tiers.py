"""What an account's plan includes: how many requests, by which routes, how many rows a page."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from common.errors import ConfigError

if TYPE_CHECKING:
    from common.time_ranges import Interval
    from connectors.base import Account

AUTO: Final = "auto"
# How many days the API keeps candles, by its contract, and how many of them a lookback may reach.
CANDLE_DAYS: Final[Mapping["Interval", int]] = {"5m": 7, "1h": 30, "1d": 365}
LOOKBACK_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class TierLimits:
    """One tier of one API. `None` for a limit means that there is none.

    `per_minute` counts what a request costs, which is 1, but for `listing_cost` of a listing; `streams_a_day`
    are the starts that each stream route allows in any 24 hours. `listing` says that the API lists everything
    at once and has no other route. `history_days` is how long the API keeps points, as its documentation has
    it; `sales_rows` are the most sales of a page. `candle_windows` says that candles may be asked for by
    start and end.
    """

    tier: str
    per_minute: int | None
    per_month: int | None
    page_rows: int
    batch: bool = False
    batch_items: int = 100
    streams_a_day: int = 0
    bids: bool = False
    history: bool = False
    listing: bool = False
    listing_cost: int = 5
    history_days: int = 35
    sales: bool = False
    sales_rows: int = 100
    candle_windows: bool = False

    def candle_days(self, interval: "Interval") -> int | None:
        """How many days back candles of `interval` may be asked for; None where the tier has none of them.

        Without `candle_windows` that is by `lookback` only, never by start and end.
        """
        if self.listing:
            return None
        if self.candle_windows:
            return CANDLE_DAYS[interval]
        return LOOKBACK_DAYS if interval == "1d" else None


_PRO: Final = TierLimits(
    *("pro", 100, 500_000, 1_000),
    batch=True,
    streams_a_day=50,
    bids=True,
    history=True,
    sales=True,
    candle_windows=True,
)
_TABLE: Final[Mapping[str, tuple[TierLimits, ...]]] = {
    "cs2cap": (
        TierLimits("free", 20, 1_000, 100),
        TierLimits("starter", 40, 50_000, 1_000, batch=True, bids=True),
        _PRO,
        replace(_PRO, tier="quant", per_minute=300, per_month=1_000_000, streams_a_day=300, sales_rows=1_000),
    ),
    "skinshark": (
        TierLimits("standard", 60, None, 500, listing=True),
        TierLimits("premium", 180, None, 500, listing=True),
        TierLimits("enterprise", 360, None, 500, listing=True),
    ),
}


def limits_for(tier: str, account: "Account | None" = None, kind: str = "cs2cap") -> TierLimits:
    """Return what `tier` ("auto": the account's) of this kind of API includes, within the account's limits.

    An account that names no tier has the smallest one that covers its limits; a sub-key has the largest,
    which alone has sub-keys. Raises ConfigError for an unknown tier, and for "auto" without an account.
    """
    known = {terms.tier: terms for terms in _TABLE[kind]}
    if tier == AUTO:
        if account is None:
            raise ConfigError(f"the tier is not known without a key: set tier to {', '.join(known)}")
        terms = known.get(account.tier or "") or _smallest_covering_tier(tuple(known.values()), account)
    elif tier in known:
        terms = known[tier]
    else:
        raise ConfigError(f"no tier is called {tier!r}; there is auto, {', '.join(known)}")
    return terms if account is None else _capped_by_account(terms, account)


def _smallest_covering_tier(known: tuple[TierLimits, ...], account: "Account") -> TierLimits:
    if not account.root:
        return known[-1]
    minute, month = account.requests_per_minute or 0, account.requests_per_month or 0
    covers = (t for t in known if (t.per_minute or 0) >= minute and (t.per_month or month) >= month)
    return next(covers, known[-1])


def _capped_by_account(terms: TierLimits, account: "Account") -> TierLimits:
    """The same with the limits that the account itself tells."""
    return replace(
        terms,
        per_minute=account.requests_per_minute or terms.per_minute,
        per_month=account.requests_per_month or terms.per_month,
    )
