"""The doctor's look at a source: its key, address, plan and clock, by the one request that costs nothing."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from common.clock import Clock
from common.errors import (
    AuthRejected,
    ConfigError,
    KeyInvalid,
    KeyMissing,
    KeyRevoked,
    PlanForbids,
    QuotaExhausted,
    RateLimited,
    SourceError,
)
from common.text import format_duration
from connectors.base import Account, Connector
from connectors.http.auth import Key
from connectors.http.headers import parse_http_date
from connectors.http.retry import RetryPolicy
from floorline.doctor.findings import Finding, error_summary, fail, ok, warn
from flows.prefect_api import prefect_configured
from pipelines.config import AnySource, SkinsharkSettings, SourceSettings
from pipelines.sources import build_connector, resolve_key

ANSWER_WITHIN = timedelta(seconds=2)  # less than the doctor gives to a check, so that the reason is told
EXPIRES_SOON = timedelta(days=7)
SKEW_WARN, SKEW_FAIL = timedelta(seconds=30), timedelta(minutes=5)
NEW_KEY = "issue a new key in the source's dashboard and put it where the configuration looks for it"
SET_CLOCK = "set this machine's clock, best by NTP: ages, expiry and TLS go by it"


@dataclasses.dataclass(slots=True)
class ClockSkewProbe:
    """Keeps the server's moment, by `Date`, and how far ours is from it."""

    clock: Clock
    moment: datetime | None = None
    skew: timedelta | None = None

    def __call__(self, headers: Mapping[str, str]) -> None:
        """Hear an answer's headers."""
        self.moment = parse_http_date(headers.get("date"))
        if self.moment is not None:
            # `Date` is cut to whole seconds: half of one is what is missing on average
            self.skew = self.clock.now() - self.moment - timedelta(seconds=0.5)


async def check_source(name: str, settings: AnySource, base: Path, clock: Clock) -> list[Finding]:
    """What is known of a source: where its key is, and what the source says to it, and to the next one.

    A relative key file starts from `base`. At most one request a key, never repeated, that costs no quota.
    """
    found, following = await asyncio.gather(
        _one(name, settings, base, clock), _check_next_key(name, settings, base, clock)
    )
    if following is None:
        return found
    if following.verdict == "ok":
        found = [_downgrade(one) for one in found]
    return [*found, following]


async def _check_next_key(name: str, settings: AnySource, base: Path, clock: Clock) -> Finding | None:
    """What is known of the key that is to take over; None where there is none."""
    if not isinstance(settings, SkinsharkSettings):
        return None
    following = settings.model_copy(update={"key": settings.key_next})
    try:
        await _key(name, following, base)
    except KeyMissing:
        return None
    except SourceError as error:
        return fail(f"{name} next key", error_summary(error), error.guidance)
    found = await _one(f"{name} next", following, base, clock)
    return next((one for one in found if one.name == f"{name} next key"), None)


def _downgrade(found: Finding) -> Finding:
    """A key that is turned down for good is no failure where the next one is accepted."""
    if found.verdict != "fail" or found.advice not in {KeyRevoked.guidance, KeyInvalid.guidance}:
        return found
    return warn(found.name, f"{found.seen}; the next key takes its place", found.advice)


async def _one(name: str, settings: AnySource, base: Path, clock: Clock) -> list[Finding]:
    """What is known of one key of a source, and of its address."""
    try:
        key = await _key(name, settings, base)
    except SourceError as error:
        return [fail(f"{name} key", error_summary(error), error.guidance)]
    hearing = ClockSkewProbe(clock)
    try:
        connector = _connector(name, settings, key, hearing)
    except ConfigError as error:
        return [fail(f"{name} address", error.detail, "correct base_url in the configuration")]
    found = await _query_account(name, settings, key, connector, hearing)
    answered = found[0].verdict != "fail"
    return [*found, *_clock(name, hearing.skew)] if answered else found


async def _key(name: str, settings: SourceSettings, base: Path) -> Key:
    if settings.key.startswith("block:"):
        if not prefect_configured():  # Prefect would start a server of its own to look into
            raise KeyMissing("the key is in a Prefect Secret block, and no Prefect API is configured", name)
        await asyncio.to_thread(importlib.import_module, "prefect.blocks.system")  # it takes two seconds
    return await resolve_key(name, settings.key, base)


def _connector(name: str, settings: AnySource, key: Key, hearing: ClockSkewProbe) -> Connector:
    hasty = settings.model_copy(update={"concurrency": 1, "deadline": ANSWER_WITHIN})
    return build_connector(name, hasty, key, hearing.clock, retry=RetryPolicy(attempts=1), on_headers=hearing)


async def _query_account(
    name: str, settings: SourceSettings, key: Key, connector: Connector, hearing: ClockSkewProbe
) -> list[Finding]:
    """What comes of asking for the account; the address first."""
    try:
        account = await connector.account()
    except SourceError as error:
        return _refused(name, settings, key, error)
    finally:
        await connector.aclose()
    now = hearing.moment or hearing.clock.now()  # a key ends by the server's clock
    return [_reached(name, settings), *_accepted(name, settings, key, account, now)]


def _reached(name: str, settings: SourceSettings) -> Finding:
    return ok(f"{name} address", settings.base_url)


def _refused(name: str, settings: SourceSettings, key: Key, error: SourceError) -> list[Finding]:
    """What an error says of the address, first, and of the key."""
    if isinstance(error, AuthRejected):
        return [
            _rejection_without_code(name, settings, error),
            fail(f"{name} key", f"…{key.tail}: {error_summary(error)}", error.guidance),
        ]
    if isinstance(error, RateLimited | QuotaExhausted | PlanForbids):
        return [
            _reached(name, settings),
            warn(f"{name} key", f"…{key.tail}: {error_summary(error)}", error.guidance),
        ]
    untried = warn(f"{name} key", f"…{key.tail}, which could not be tried", "first see to the address")
    return [_wrong_address(name, settings, error), untried]


def _rejection_without_code(name: str, settings: SourceSettings, error: AuthRejected) -> Finding:
    """The API names a code with every rejection; something that does not may be another server."""
    if error.code:
        return _reached(name, settings)
    seen = f"{settings.base_url} rejects the key, but not with a code of this API"
    return warn(
        f"{name} address", seen, "check base_url and what stands between: it may not be the API that answers"
    )


def _wrong_address(name: str, settings: SourceSettings, error: SourceError) -> Finding:
    if error.status is None:
        seen, advice = error_summary(error), "check base_url, the network and the firewall"
    else:
        seen = f"it answers, but not as the API does: {error_summary(error)}"
        advice = "check base_url, host and path; if it is right, the API is down"
    return fail(f"{name} address", f"{settings.base_url}: {seen}", advice)


def _accepted(
    name: str, settings: SourceSettings, key: Key, account: Account, now: datetime
) -> list[Finding]:
    """The key, its plan, and how long it holds by the server's clock."""
    if account.active:
        first = ok(f"{name} key", f"…{key.tail} from {settings.key}, accepted")
    else:
        first = fail(f"{name} key", f"…{key.tail} from {settings.key} is not active", NEW_KEY)
    return [first, _plan(name, account), _expiry(name, account.expires_at, now)]


def _plan(name: str, account: Account) -> Finding:
    month, used = account.requests_per_month, account.used
    parts = [
        f"tier {account.tier}" if account.tier else "",
        f"{account.requests_per_minute:,} requests a minute" if account.requests_per_minute else "",
        f"{month:,} a month" if month else "no limit told for the month",
        f"{used:,} used" if used is not None else "",
    ]
    seen = ", ".join(part for part in parts if part)
    if month and used is not None and used >= month:
        return fail(f"{name} plan", seen, QuotaExhausted.guidance)
    if month and used is not None and used >= 0.9 * month:
        return warn(f"{name} plan", seen, "ask less often until the month is over, or upgrade the tier")
    return ok(f"{name} plan", seen)


def _expiry(name: str, expires_at: datetime | None, now: datetime) -> Finding:
    if expires_at is None:
        return ok(f"{name} expiry", "no end of the key is told")
    left, until = expires_at - now, f"{expires_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if left <= timedelta():
        return fail(f"{name} expiry", f"the key ended {until}", NEW_KEY)
    seen = f"the key ends {until}, in {format_duration(left)}"
    return warn(f"{name} expiry", seen, NEW_KEY) if left <= EXPIRES_SOON else ok(f"{name} expiry", seen)


def _clock(name: str, skew: timedelta | None) -> list[Finding]:
    """How far this machine's clock is from the server's; nothing where the server did not tell its own."""
    if skew is None:
        return []
    side = "ahead of" if skew > timedelta() else "behind"
    seen = f"{format_duration(skew)} {side} the server's"
    if abs(skew) > SKEW_FAIL:
        return [fail(f"{name} clock", seen, SET_CLOCK)]
    if abs(skew) > SKEW_WARN:
        return [warn(f"{name} clock", seen, SET_CLOCK)]
    return [ok(f"{name} clock", f"within {SKEW_WARN.seconds}s of the server's")]
