"""The tiers of the APIs: requests per minute and month, available routes, rows per page."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from common.errors import ConfigError, TierUnknown
from common.time_ranges import Interval

if TYPE_CHECKING:
    from connectors.base import Account

AUTO: Final = "auto"
# The kinds of APIs of which no route reports the tier of a key.
TIERLESS: Final = frozenset({"skinshark"})
# How many days the API keeps candles, by its contract, and how many of them a lookback may reach.
CANDLE_DAYS: Final[Mapping[Interval, int]] = {"5m": 7, "1h": 30, "1d": 365}
LOOKBACK_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class TierLimits:
    """One tier of one API. `None` for a limit means that there is none.

    `streams_a_day` are the starts that each stream route allows in 24 hours. `listing` says that the API
    lists everything at once and has no other route. `history_days` is how long the API keeps points, by its
    documentation; `sales_rows` are the most sales of a page. `candle_windows` allows candles by start and
    end. `daily` allows daily points, of any time, `market_stats` the figures of all items, and `feeds` the
    feeds of changes. `assumed` says that the API reports no tier and that none
    is configured: the smallest is assumed.
    """

    tier: str
    per_minute: int | None
    per_month: int | None
    page_rows: int
    batch: bool = False
    streams_a_day: int = 0
    bids: bool = False
    history: bool = False
    listing: bool = False
    history_days: int = 35
    sales: bool = False
    sales_rows: int = 100
    candle_windows: bool = False
    daily: bool = False
    market_stats: bool = False
    feeds: bool = False
    assumed: bool = False

    def candle_days(self, interval: Interval) -> int | None:
        """Return how many days back candles of `interval` are available; None if the tier has none of them.

        Without `candle_windows` they are available by `lookback` only, not by start and end.
        """
        if self.listing:
            return None
        if self.candle_windows:
            return CANDLE_DAYS[interval]
        return LOOKBACK_DAYS if interval == "1d" else None


_PRO: Final = TierLimits(
    tier="pro",
    per_minute=100,
    per_month=500_000,
    page_rows=1_000,
    batch=True,
    streams_a_day=50,
    bids=True,
    history=True,
    sales=True,
    candle_windows=True,
    market_stats=True,
)
_STANDARD: Final = TierLimits(
    tier="standard", per_minute=60, per_month=None, page_rows=500, listing=True, bids=True
)
# By the kind of the API, smallest tier first.
_TIERS: Final[Mapping[str, tuple[TierLimits, ...]]] = {
    "cs2cap": (
        TierLimits(tier="free", per_minute=20, per_month=1_000, page_rows=100),
        TierLimits(tier="starter", per_minute=40, per_month=50_000, page_rows=1_000, batch=True, bids=True),
        _PRO,
        replace(
            _PRO,
            tier="quant",
            per_minute=300,
            per_month=1_000_000,
            streams_a_day=300,
            sales_rows=1_000,
            daily=True,
            feeds=True,
        ),
    ),
    "skinshark": (
        _STANDARD,
        replace(_STANDARD, tier="premium", per_minute=180),
        replace(_STANDARD, tier="enterprise", per_minute=360),
    ),
}


def limits_for(
    tier: str, account: "Account | None" = None, kind: str = "cs2cap", *, source: str = ""
) -> TierLimits:
    """Return the limits of `tier` ("auto": the account's) for an API of `kind`, within the account's limits.

    An account that names no tier has the smallest one that covers its limits; a sub-key has the largest one,
    which alone offers sub-keys. For an API that reports no tier, "auto" is the smallest one. Raises
    ConfigError for an unknown tier and for "auto" without an account where the API reports the tier, and
    TierUnknown for an account that reports neither tier nor limits. `source` is named in errors.
    """
    tiers = {limits.tier: limits for limits in _TIERS[kind]}
    if tier == AUTO and kind in TIERLESS:
        limits = replace(_TIERS[kind][0], assumed=True)
    elif tier == AUTO:
        limits = _limits_of_account(account, kind, source)
    elif tier in tiers:
        limits = tiers[tier]
    else:
        raise ConfigError(f"no tier is called {tier!r}; there is auto, {', '.join(tiers)}", source)
    return limits if account is None else _within_account(limits, account)


def _limits_of_account(account: "Account | None", kind: str, source: str) -> TierLimits:
    if account is None:
        names = ", ".join(limits.tier for limits in _TIERS[kind])
        raise ConfigError(f"the tier is not known without a key: set tier to {names}", source)
    limits = reported_limits(account, kind)
    if limits is None:
        raise TierUnknown("the API reports neither the tier nor the limits of this key", source)
    return limits


def smallest_tier_for(used: int, kind: str = "cs2cap") -> str:
    """Return the smallest tier whose month has more requests than `used`; the largest where none has."""
    tiers = _TIERS[kind]
    return next((limits.tier for limits in tiers if (limits.per_month or 0) > used), tiers[-1].tier)


def reported_limits(account: "Account", kind: str = "cs2cap") -> TierLimits | None:
    """Return the limits of the tier of an account; None where it reports neither tier nor limits."""
    named = next((limits for limits in _TIERS[kind] if limits.tier == account.tier), None)
    limits = named or _smallest_covering_tier(_TIERS[kind], account)
    return limits and _within_account(limits, account)


def _within_account(limits: TierLimits, account: "Account") -> TierLimits:
    return replace(
        limits,
        per_minute=account.requests_per_minute or limits.per_minute,
        per_month=account.requests_per_month or limits.per_month,
    )


def _smallest_covering_tier(tiers: tuple[TierLimits, ...], account: "Account") -> TierLimits | None:
    if not account.root:
        return tiers[-1]
    minute, month = account.requests_per_minute or 0, account.requests_per_month or 0
    if not minute and not month:
        return None
    covering = (t for t in tiers if (t.per_minute or 0) >= minute and (t.per_month or month) >= month)
    return next(covering, tiers[-1])
