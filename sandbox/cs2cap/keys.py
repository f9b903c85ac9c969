"""Keys, tiers and limits: which requests are accepted, per minute and per month."""

import secrets
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Self
from uuid import NAMESPACE_OID, uuid5

from sandbox.cs2cap.rate_windows import check_window_kind, seconds_until_allowed
from sandbox.http_types import ApiError, ApiRequest

VALID_KEY = "cs2c_live_sandbox_valid_00000001"
REVOKED_KEY = "cs2c_live_sandbox_revoked_0000002"
DISABLED_KEY = "cs2c_live_sandbox_disabled_000003"
STREAMS = ("/v1/prices", "/v1/bids")
# What an account may send where no limits are enforced: more than anyone sends.
UNLIMITED = (10**9, 10**6)  # requests a month and a minute
STREAM_WINDOW = 86_400.0  # seconds in which the starts of streams count
STATES = ("valid", "revoked", "disabled", "forbidden", "unverified")


class Tier(NamedTuple):
    """A plan: requests per minute and month, rows per page of `/v1/prices`, and rows with `url` or not.

    `bulk`: access to bids and batches; `streams`: starts in 24 hours, for each of the two streams;
    `history`: access to raw history and all candles; `sales`: rows per page of sales, 0 without access;
    `daily`: access to daily points; `feeds`: connections at once to the live feeds, both together.
    """

    name: str
    minute: int
    month: int
    page: int
    url: bool = False
    bulk: bool = False
    streams: int = 0
    history: bool = False
    sales: int = 0
    daily: bool = False
    feeds: int = 0


TIERS = {
    tier.name: tier
    for tier in (
        Tier("free", 20, 1_000, page=100),
        Tier("starter", 40, 50_000, page=1_000, bulk=True),
        Tier("pro", 100, 500_000, page=1_000, url=True, bulk=True, streams=50, history=True, sales=100),
        Tier(
            "quant",
            300,
            1_000_000,
            page=1_000,
            url=True,
            bulk=True,
            streams=300,
            history=True,
            sales=1_000,
            daily=True,
            feeds=2,
        ),
    )
}
_REFUSALS = {
    "revoked": (401, "AUTH_API_KEY_REVOKED", "API key has been revoked"),
    "disabled": (403, "AUTH_ACCOUNT_DISABLED", "Account is disabled"),
    "forbidden": (403, "FORBIDDEN", "Account is disabled"),
}


@dataclass(slots=True)
class ApiKey:
    """A key and its usage. Its text is not part of its repr.

    A sub-key has a `root`, and can have caps below the limits of the tier.
    """

    text: str = field(repr=False)
    tier: Tier
    state: str = "valid"
    label: str = ""
    expires_at: datetime | None = None
    created_at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    last_used_at: datetime | None = None
    used: int = 0  # requests in the period that ends at `period_end`
    period_end: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    billing_day: int = 1  # on which a period starts, 1 to 28
    recent: deque[float] = field(default_factory=deque)  # times of accepted requests, Unix seconds
    root: Self | None = None
    starts: dict[str, deque[float]] = field(default_factory=dict)  # times of stream starts, by path
    streaming: set[str] = field(default_factory=set)  # paths of the active streams
    month_cap: int | None = None
    minute_cap: int | None = None
    limits_reported: bool = True  # whether the account reports its limits and its tier

    @property
    def id(self) -> str:
        """The key's UUID."""
        return str(uuid5(NAMESPACE_OID, self.text))

    @property
    def active(self) -> bool:
        """Whether the key is accepted until it expires; an unverified account only gets no new keys."""
        return self.state not in _REFUSALS

    @property
    def monthly(self) -> int:
        """Requests that the key may send in a month."""
        return self.tier.month if self.month_cap is None else min(self.tier.month, self.month_cap)

    @property
    def per_minute(self) -> int:
        """Requests that the key may send in a minute."""
        return self.tier.minute if self.minute_cap is None else min(self.tier.minute, self.minute_cap)

    def used_in(self, now: datetime) -> int:
        """Return the requests of the billing period of `now`; a new one starts from zero."""
        end = _next_day(now, self.billing_day)
        if self.period_end != end:
            self.period_end, self.used = end, 0
        return self.used

    def seconds_to_reset(self, now: datetime) -> int:
        """Return the seconds until the billing period ends."""
        return max(1, int((_next_day(now, self.billing_day) - now).total_seconds()))

    def recent_starts(self, path: str, now: datetime) -> deque[float]:
        """Return the times of a stream's starts in the 24 hours before `now`, oldest first."""
        starts = self.starts.setdefault(path, deque())
        while starts and starts[0] <= now.timestamp() - STREAM_WINDOW:
            starts.popleft()
        return starts

    def set_streams_left(self, starts: int, now: datetime) -> None:
        """Use up all but so many starts of each stream in 24 hours."""
        for path in STREAMS:
            self.starts[path] = deque([now.timestamp()] * (self.tier.streams - starts))

    def check_usable(self, now: datetime) -> None:
        """Raise ApiError where the key, or the root of a sub-key, is not valid."""
        if self.root is not None:
            self.root.check_usable(now)
        if self.state in _REFUSALS:
            raise ApiError(*_REFUSALS[self.state])
        if self.expires_at is not None and self.expires_at <= now:
            raise ApiError(401, "AUTH_INVALID_API_KEY", "Invalid API key")


class Admitted(NamedTuple):
    """An accepted request: its key, and headers for the response."""

    key: ApiKey
    headers: Mapping[str, str]


class KeyRegistry:
    """All keys. Limits count accepted requests only; `windows` is one of `rate_windows.WINDOWS`."""

    def __init__(self, tier: str, *, enforced: bool = True, windows: str = "fixed") -> None:
        self.enforced = enforced
        self.windows = check_window_kind(windows)
        self._keys: dict[str, ApiKey] = {}
        for text, state in ((VALID_KEY, "valid"), (REVOKED_KEY, "revoked"), (DISABLED_KEY, "disabled")):
            self.put(text, state, tier=tier, label=f"{state} sandbox key")

    def put(self, text: str, state: str, *, tier: str | None = None, label: str = "") -> ApiKey:
        """Add a key or change its state and tier. Raises ValueError for an unknown state or tier."""
        key = self._keys.get(text)
        if state not in STATES or (tier is not None and tier not in TIERS) or not text:
            raise ValueError(
                f"a key needs a text, a state ({', '.join(STATES)}) and a tier ({', '.join(TIERS)})"
            )
        if key is None:
            key = self._keys[text] = ApiKey(text, TIERS[tier or "pro"], label=label)
        key.state, key.tier = state, TIERS[tier] if tier else key.tier
        return key

    def set_remaining(self, text: str, requests: int, now: datetime) -> None:
        """Use up all but so many requests of a key's month. Raises KeyError for an unknown key."""
        key = self._keys[text]
        key.used_in(now)
        key.used = key.monthly - requests

    def reissue(self, key: ApiKey, now: datetime) -> ApiKey:
        """Revoke a key, and the sub-keys of a root key; return the new key."""
        new = replace(key, text=generate_key(), expires_at=None, created_at=now, last_used_at=None)
        key.state = "revoked"
        return self.add(new)

    def add(self, key: ApiKey) -> ApiKey:
        """Add a key."""
        self._keys[key.text] = key
        return key

    def children(self, root: ApiKey) -> list[ApiKey]:
        """Return the valid sub-keys of a root key, oldest first."""
        return [key for key in self._keys.values() if key.root is root and key.active]

    def name(self, header: str | None) -> str | None:
        """Return the name of a header's key in the request log: its label or its last four characters."""
        text = _bearer(header)
        label = self._keys[text].label if text in self._keys else ""
        return label or text[-4:] or None

    def revoke_bearer(self, header: str | None) -> None:
        """Revoke the key of an `Authorization` header; ignore an unknown key."""
        if (text := _bearer(header)) in self._keys:
            self._keys[text].state = "revoked"

    def reported_limits(self, key: ApiKey) -> tuple[int, int]:
        """Return what the account says that a key may send in a month and a minute; 0 says nothing."""
        if not key.limits_reported:
            return 0, 0
        return (key.monthly, key.per_minute) if self.enforced else UNLIMITED

    def admit(self, header: str | None, now: datetime, *, monthly: bool) -> Admitted:
        """Accept a request and count it, or raise the ApiError of the rules."""
        if header is None:
            raise ApiError(401, "UNAUTHORIZED", "Missing Authorization header")
        key = self._keys.get(_bearer(header))
        if key is None:
            raise ApiError(401, "AUTH_INVALID_API_KEY", "Invalid API key")
        key.check_usable(now)
        if self.enforced:
            self._check_limits(key, now, monthly=monthly)
        key.recent.append(now.timestamp())
        key.used = key.used_in(now) + monthly
        key.last_used_at = now
        if not self.enforced:
            named = key.limits_reported and not monthly
            return Admitted(key, {"X-RateLimit-Tier": key.tier.name} if named else {})
        left = key.monthly - key.used
        if not monthly or left >= key.monthly / 10:
            return Admitted(key, {})
        # The API reports the month once less than a tenth of it is left.
        reset = key.seconds_to_reset(now)
        return Admitted(key, limit_headers(key.tier, key.monthly, left=left, reset=reset))

    def _check_limits(self, key: ApiKey, now: datetime, *, monthly: bool) -> None:
        if monthly and key.used_in(now) >= key.monthly:
            detail = f"Monthly quota exceeded ({key.monthly}/{key.monthly} requests)."
            headers = limit_headers(key.tier, key.monthly, left=0, reset=key.seconds_to_reset(now))
            raise ApiError(429, "RATE_LIMIT_MONTHLY_QUOTA_EXCEEDED", detail, headers=headers)
        wait = seconds_until_allowed(key.recent, key.per_minute, now.timestamp(), windows=self.windows)
        if wait:
            limits = limit_headers(key.tier, key.per_minute, left=0, reset=wait)
            headers = {"Retry-After": str(wait), **limits}
            raise ApiError(429, "RATE_LIMIT_EXCEEDED", "Too Many Requests", headers=headers)


def require_feature(access: bool | int, request: ApiRequest) -> None:
    """Raise ApiError where the plan has no access to this route."""
    if not access:
        raise ApiError(403, "FORBIDDEN", f"Access to {request.path} is not enabled for this tier.")


def generate_key() -> str:
    """Return the text of a new key."""
    return f"cs2c_live_{secrets.token_hex(16)}"


def _bearer(header: str | None) -> str:
    scheme, _, text = (header or "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""


def limit_headers(tier: Tier, limit: int, *, left: int, reset: int) -> dict[str, str]:
    """Return the headers that report one limit; `reset` in seconds."""
    return {
        "X-RateLimit-Tier": tier.name,
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(left),
        "X-RateLimit-Reset": str(reset),
    }


def _next_day(now: datetime, day: int) -> datetime:
    """Return the next midnight that begins this day of a month."""
    midnight = now.replace(day=day, hour=0, minute=0, second=0, microsecond=0)
    return midnight if midnight > now else (midnight.replace(day=1) + timedelta(days=32)).replace(day=day)
