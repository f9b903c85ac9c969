"""Check a source: its key, address, plan and clock, with one request that costs no quota."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

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

REQUEST_DEADLINE: Final = timedelta(seconds=2)  # less than the deadline of a check, to report the reason
EXPIRES_SOON: Final = timedelta(days=7)
SKEW_WARN, SKEW_FAIL = timedelta(seconds=30), timedelta(minutes=5)
NEARLY_USED_UP: Final = 0.9  # of the month's requests
NEW_KEY: Final = "issue a new key in the source's dashboard and store it where the configuration points"
SET_CLOCK: Final = "set this machine's clock, preferably by NTP: ages, expiry and TLS depend on the clock"


@dataclasses.dataclass(slots=True)
class ClockSkewProbe:
    """Records the server's time from the `Date` header, and the skew of this machine's clock."""

    clock: Clock
    server_time: datetime | None = None
    skew: timedelta | None = None

    def __call__(self, headers: Mapping[str, str]) -> None:
        """Read the headers of a response."""
        self.server_time = parse_http_date(headers.get("date"))
        if self.server_time is not None:
            # `Date` has whole seconds: on average the time is half a second later
            self.skew = self.clock.now() - self.server_time - timedelta(seconds=0.5)


async def check_source(name: str, settings: AnySource, base: Path, *, clock: Clock) -> list[Finding]:
    """Check a source with its key, and with its next key if there is one: one request per key, no retries.

    `base` is the folder of a relative key file.
    """
    findings, next_key = await asyncio.gather(
        _check_key(name, settings, base, clock=clock), _check_next_key(name, settings, base, clock=clock)
    )
    if next_key is None:
        return findings
    if next_key.verdict == "ok":
        findings = [_downgrade(finding) for finding in findings]
    return [*findings, next_key]


async def _check_next_key(name: str, settings: AnySource, base: Path, *, clock: Clock) -> Finding | None:
    """Check the key that takes over when the first key is revoked; None if there is no such key."""
    if not isinstance(settings, SkinsharkSettings):
        return None
    settings = settings.model_copy(update={"key": settings.key_next})
    try:
        await _resolve_key(name, settings, base)
    except KeyMissing:
        return None
    except SourceError as error:
        return fail(f"{name} next key", error_summary(error), error.guidance)
    findings = await _check_key(f"{name} next", settings, base, clock=clock)
    return next((finding for finding in findings if finding.name == f"{name} next key"), None)


def _downgrade(finding: Finding) -> Finding:
    """Turn the failure of a revoked or invalid key into a warning, because the next key is accepted."""
    if finding.verdict != "fail" or finding.advice not in {KeyRevoked.guidance, KeyInvalid.guidance}:
        return finding
    return warn(finding.name, f"{finding.seen}; the next key takes over", finding.advice)


async def _check_key(name: str, settings: AnySource, base: Path, *, clock: Clock) -> list[Finding]:
    """Check one key of a source, and the source's address, plan and clock."""
    try:
        key = await _resolve_key(name, settings, base)
    except SourceError as error:
        return [fail(f"{name} key", error_summary(error), error.guidance)]
    probe = ClockSkewProbe(clock)
    impatient = settings.model_copy(update={"concurrency": 1, "deadline": REQUEST_DEADLINE})
    try:
        connector = build_connector(
            name, impatient, key, clock=clock, retry=RetryPolicy(attempts=1), on_headers=probe
        )
    except ConfigError as error:
        return [fail(f"{name} address", error.detail, "correct base_url in the configuration")]
    findings = await _check_account(name, settings, key, connector=connector, probe=probe)
    reached = findings[0].verdict != "fail"
    return [*findings, *_check_clock(name, probe.skew)] if reached else findings


async def _resolve_key(name: str, settings: SourceSettings, base: Path) -> Key:
    if settings.key.startswith("block:"):
        if not prefect_configured():  # Prefect would start a temporary server to read the block
            raise KeyMissing("the key is in a Prefect Secret block, and no Prefect API is configured", name)
        await asyncio.to_thread(importlib.import_module, "prefect.blocks.system")  # takes two seconds
    return await resolve_key(name, settings.key, base)


async def _check_account(
    name: str, settings: SourceSettings, key: Key, *, connector: Connector, probe: ClockSkewProbe
) -> list[Finding]:
    """Query the account; the first finding is about the address."""
    try:
        account = await connector.account()
    except SourceError as error:
        return _from_source_error(name, settings, key, error=error)
    finally:
        await connector.aclose()
    now = probe.server_time or probe.clock.now()  # a key expires by the server's clock
    if account.active:
        accepted = ok(f"{name} key", f"…{key.tail} from {settings.key}, accepted")
    else:
        accepted = fail(f"{name} key", f"…{key.tail} from {settings.key} is not active", NEW_KEY)
    expiry = _check_expiry(name, account.expires_at, now)
    return [ok(f"{name} address", settings.base_url), accepted, _check_plan(name, account), expiry]


def _from_source_error(name: str, settings: SourceSettings, key: Key, *, error: SourceError) -> list[Finding]:
    """Return what a failed query of the account says about the address and the key."""
    seen = f"…{key.tail}: {error_summary(error)}"
    if isinstance(error, AuthRejected):
        return [_rejecting_address(name, settings, error), fail(f"{name} key", seen, error.guidance)]
    if isinstance(error, RateLimited | QuotaExhausted | PlanForbids):
        return [ok(f"{name} address", settings.base_url), warn(f"{name} key", seen, error.guidance)]
    untested = warn(f"{name} key", f"…{key.tail}, which could not be tested", "fix the address first")
    return [_failing_address(name, settings, error), untested]


def _rejecting_address(name: str, settings: SourceSettings, error: AuthRejected) -> Finding:
    """Return a warning for a rejection without a code: the API itself always sends a code."""
    if error.code:
        return ok(f"{name} address", settings.base_url)
    seen = f"{settings.base_url} rejects the key, but without a code of this API"
    return warn(f"{name} address", seen, "check base_url and any proxy: the answer may not come from the API")


def _failing_address(name: str, settings: SourceSettings, error: SourceError) -> Finding:
    if error.status is None:
        seen, advice = error_summary(error), "check base_url, the network and the firewall"
    else:
        seen = f"the server answers, but not as the API does: {error_summary(error)}"
        advice = "check base_url, host and path; if they are right, the API is down"
    return fail(f"{name} address", f"{settings.base_url}: {seen}", advice)


def _check_plan(name: str, account: Account) -> Finding:
    month, used = account.requests_per_month, account.used
    parts = [
        f"tier {account.tier}" if account.tier else "",
        f"{account.requests_per_minute:,} requests per minute" if account.requests_per_minute else "",
        f"{month:,} per month" if month else "no known limit per month",
        f"{used:,} used" if used is not None else "",
    ]
    seen = ", ".join(filter(None, parts))
    if month and used is not None and used >= month:
        return fail(f"{name} plan", seen, QuotaExhausted.guidance)
    if month and used is not None and used >= NEARLY_USED_UP * month:
        advice = "run snapshots less often until the month ends, or upgrade the tier"
        return warn(f"{name} plan", seen, advice)
    return ok(f"{name} plan", seen)


def _check_expiry(name: str, expires_at: datetime | None, now: datetime) -> Finding:
    if expires_at is None:
        return ok(f"{name} expiry", "the source gives no expiry of the key")
    left, at = expires_at - now, f"{expires_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if left <= timedelta():
        return fail(f"{name} expiry", f"the key expired on {at}", NEW_KEY)
    seen = f"the key expires on {at}, in {format_duration(left)}"
    return warn(f"{name} expiry", seen, NEW_KEY) if left <= EXPIRES_SOON else ok(f"{name} expiry", seen)


def _check_clock(name: str, skew: timedelta | None) -> list[Finding]:
    """Check the skew of this machine's clock; no finding if the server sent no time."""
    if skew is None:
        return []
    side = "ahead of" if skew > timedelta() else "behind"
    seen = f"{format_duration(skew)} {side} the server's"
    if abs(skew) > SKEW_FAIL:
        return [fail(f"{name} clock", seen, SET_CLOCK)]
    if abs(skew) > SKEW_WARN:
        return [warn(f"{name} clock", seen, SET_CLOCK)]
    return [ok(f"{name} clock", f"within {SKEW_WARN.seconds}s of the server's")]
