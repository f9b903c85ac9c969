"""Keys, tiers and limits: who may ask, how often a minute and how often a month."""

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
DAY = 86_400.0  # seconds in which stream starts count
STATES = ("valid", "revoked", "disabled", "forbidden")


class Tier(NamedTuple):
    """A plan: requests a minute and a month, rows a page of `/v1/prices`, and whether rows carry `url`.

    `bulk`: bids and batches are open to it; `streams`: starts in 24 hours, for each of the two streams;
    `history`: raw history and every candle are; `sales`: rows a page of sales, 0 where they are not.
    """

    name: str
    minute: int
    month: int
    page: int
    url: bool
    bulk: bool
    streams: int
    history: bool
    sales: int


TIERS = {
    tier.name: tier
    for tier in (
        Tier("free", 20, 1_000, 100, url=False, bulk=False, streams=0, history=False, sales=0),
        Tier("starter", 40, 50_000, 1_000, url=False, bulk=True, streams=0, history=False, sales=0),
        Tier("pro", 100, 500_000, 1_000, url=True, bulk=True, streams=50, history=True, sales=100),
        Tier("quant", 300, 1_000_000, 1_000, url=True, bulk=True, streams=300, history=True, sales=1_000),
    )
}
_REFUSALS = {
    "revoked": (401, "AUTH_API_KEY_REVOKED", "API key has been revoked"),
    "disabled": (403, "AUTH_ACCOUNT_DISABLED", "Account is disabled"),
    "forbidden": (403, "FORBIDDEN", "Account is disabled"),
}


@dataclass(slots=True)
class ApiKey:
    """One key and what it has used. Its text is not part of its repr.

    A sub-key has a `root`, and may have caps of its own below the tier's.
    """

    text: str = field(repr=False)
    tier: Tier
    state: str = "valid"
    label: str = ""
    expires_at: datetime | None = None
    created_at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    last_used_at: datetime | None = None
    used: int = 0  # requests in `month`
    month: tuple[int, int] = (0, 0)
    recent: deque[float] = field(default_factory=deque)  # moments of admitted requests, Unix seconds
    root: Self | None = None
    starts: dict[str, deque[float]] = field(default_factory=dict)  # moments of stream starts, by path
    streaming: set[str] = field(default_factory=set)  # paths of the streams that are under way
    month_cap: int | None = None
    minute_cap: int | None = None

    @property
    def id(self) -> str:
        """Its UUID."""
        return str(uuid5(NAMESPACE_OID, self.text))

    @property
    def monthly(self) -> int:
        """Requests that it may send in a month."""
        return self.tier.month if self.month_cap is None else min(self.tier.month, self.month_cap)

    @property
    def per_minute(self) -> int:
        """Requests that it may send in a minute."""
        return self.tier.minute if self.minute_cap is None else min(self.tier.minute, self.minute_cap)

    def used_in(self, now: datetime) -> int:
        """Return requests used in the month of `now`; a new month starts from zero."""
        if self.month != (now.year, now.month):
            self.month, self.used = (now.year, now.month), 0
        return self.used

    def started(self, path: str, now: datetime) -> deque[float]:
        """Return the moments of a stream's starts in the 24 hours before `now`, the oldest first."""
        starts = self.starts.setdefault(path, deque())
        while starts and starts[0] <= now.timestamp() - DAY:
            starts.popleft()
        return starts

    def set_streams_left(self, starts: int, now: datetime) -> None:
        """Use up the stream starts of 24 hours but for this many of each stream."""
        for path in STREAMS:
            self.starts[path] = deque([now.timestamp()] * (self.tier.streams - starts))

    def check_usable(self, now: datetime) -> None:
        """Raise the refusal that its state calls for, if any; a sub-key shares the fate of its root."""
        if self.root is not None:
            self.root.check_usable(now)
        if self.state in _REFUSALS:
            raise ApiError(*_REFUSALS[self.state])
        if self.expires_at is not None and self.expires_at <= now:
            raise ApiError(401, "AUTH_INVALID_API_KEY", "Invalid API key")


class Admitted(NamedTuple):
    """A request that was let in: its key and the headers that its answer carries."""

    key: ApiKey
    headers: Mapping[str, str]


class KeyRegistry:
    """All keys. Limits count admitted requests only, a minute in the `windows` of `sandbox.windows`."""

    def __init__(self, tier: str, *, enforced: bool = True, windows: str = "fixed") -> None:
        self.enforced = enforced
        self.windows = check_window_kind(windows)
        self._keys: dict[str, ApiKey] = {}
        for text, state in ((VALID_KEY, "valid"), (REVOKED_KEY, "revoked"), (DISABLED_KEY, "disabled")):
            self.put(text, state, tier=tier, label=f"{state} sandbox key")

    def put(self, text: str, state: str, *, tier: str | None = None, label: str = "") -> ApiKey:
        """Add a key or change its state and tier. Raises ValueError for an unknown state or tier."""
        known = self._keys.get(text)
        if state not in STATES or (tier is not None and tier not in TIERS) or not text:
            raise ValueError(
                f"a key needs a text, a state of {', '.join(STATES)} and a tier of {', '.join(TIERS)}"
            )
        if known is None:
            known = self._keys[text] = ApiKey(text, TIERS[tier or "pro"], label=label)
        known.state, known.tier = state, TIERS[tier] if tier else known.tier
        return known

    def set_remaining(self, text: str, requests: int, now: datetime) -> None:
        """Use up a key's month but for this many requests. Raises KeyError for an unknown key."""
        key = self._keys[text]
        key.used_in(now)
        key.used = key.monthly - requests

    def reissue(self, key: ApiKey, now: datetime) -> ApiKey:
        """Revoke a key, and with a root key all its sub-keys; return the one that takes its place."""
        new = replace(key, text=generate_key(), expires_at=None, created_at=now, last_used_at=None)
        key.state = "revoked"
        return self.add(new)

    def add(self, key: ApiKey) -> ApiKey:
        """Take a key in, as it is."""
        self._keys[key.text] = key
        return key

    def children(self, root: ApiKey) -> list[ApiKey]:
        """Return the sub-keys of a root key that are good, the oldest first."""
        return [key for key in self._keys.values() if key.root is root and key.state == "valid"]

    def name(self, header: str | None) -> str | None:
        """Return what the request log calls the key of a header: its label or last four characters."""
        text = _bearer(header)
        label = self._keys[text].label if text in self._keys else ""
        return label or text[-4:] or None

    def revoke_bearer(self, header: str | None) -> None:
        """Revoke the key that this header carries; an unknown one stays unknown."""
        if (text := _bearer(header)) in self._keys:
            self._keys[text].state = "revoked"

    def admit(self, header: str | None, now: datetime, *, monthly: bool) -> Admitted:
        """Let a request in and count it, or raise the Refusal that the rules call for."""
        if header is None:
            raise ApiError(401, "UNAUTHORIZED", "Missing Authorization header")
        key = self._keys.get(_bearer(header))
        if key is None:
            raise ApiError(401, "AUTH_INVALID_API_KEY", "Invalid API key")
        key.check_usable(now)
        if self.enforced:
            self._spare(key, now, monthly=monthly)
        key.recent.append(now.timestamp())
        key.used = key.used_in(now) + monthly
        key.last_used_at = now
        return Admitted(key, _notice(key, now) if self.enforced and monthly else {})

    def _spare(self, key: ApiKey, now: datetime, *, monthly: bool) -> None:
        """Refuse what is over the month or the minute."""
        if monthly and key.used_in(now) >= key.monthly:
            detail = f"Monthly quota exceeded ({key.monthly}/{key.monthly} requests)."
            told = limit_headers(key.tier, key.monthly, 0, _to_next_month(now))
            raise ApiError(429, "RATE_LIMIT_MONTHLY_QUOTA_EXCEEDED", detail, told)
        if wait := seconds_until_allowed(key.recent, key.per_minute, now.timestamp(), self.windows):
            told = {"Retry-After": str(wait), **limit_headers(key.tier, key.per_minute, 0, wait)}
            raise ApiError(429, "RATE_LIMIT_EXCEEDED", "Too Many Requests", told)


def require_feature(access: bool | int, request: ApiRequest) -> None:
    """Raise the Refusal of a plan that has no access to this route."""
    if not access:
        raise ApiError(403, "FORBIDDEN", f"Access to {request.path} is not enabled for this tier.")


def generate_key() -> str:
    """Return the text of a key that there was not before."""
    return f"cs2c_live_{secrets.token_hex(16)}"


def _bearer(header: str | None) -> str:
    scheme, _, text = (header or "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""


def _notice(key: ApiKey, now: datetime) -> dict[str, str]:
    """Return the month, once less than a tenth of it is left."""
    left = key.monthly - key.used
    near = left < key.monthly / 10
    return limit_headers(key.tier, key.monthly, left, _to_next_month(now)) if near else {}


def limit_headers(tier: Tier, limit: int, left: int, reset: int) -> dict[str, str]:
    """Return the headers that tell of one limit; `reset` in seconds."""
    return {
        "X-RateLimit-Tier": tier.name,
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(left),
        "X-RateLimit-Reset": str(reset),
    }


def _to_next_month(now: datetime) -> int:
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = (first + timedelta(days=32)).replace(day=1)
    return max(1, int((following - now).total_seconds()))
