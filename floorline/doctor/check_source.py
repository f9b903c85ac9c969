"""Check a source: its key, address, plan and clock, with one request that costs no quota."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from common.clock import Clock
from common.errors import (
    AuthRejected,
    ConfigError,
    KeyInvalid,
    KeyMissing,
    KeyRevoked,
    OnHold,
    PlanForbids,
    QuotaExhausted,
    RateLimited,
    RouteForbidden,
    SourceError,
)
from common.state_database import StateDatabase
from common.text import format_duration
from common.warehouse_errors import WarehouseError
from connectors.base import Account, Connector
from connectors.http.auth import Key
from connectors.http.headers import parse_http_date
from connectors.http.retry import RetryPolicy
from connectors.ratelimit.ledger import read_key_hold
from connectors.tiers import AUTO, reported_limits
from floorline.doctor.findings import Finding, error_summary, fail, ok, warn
from flows.prefect_api import prefect_configured
from pipelines.config import AnySource, SkinsharkSettings
from pipelines.prefect_settings import import_prefect
from pipelines.sources import build_connector, resolve_key

HOLD_DEADLINE: Final = 0.3  # seconds
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


async def check_source(
    name: str, settings: AnySource, base: Path, *, state: StateDatabase, clock: Clock
) -> list[Finding]:
    """Check a source with its key, and with its next key if there is one: one request per key, no retries.

    `base` is the folder of a relative key file, `state` the state database.
    """
    first = KeyCheck(name, settings, base, state=state, clock=clock)
    findings, next_key = await asyncio.gather(
        first.run(), _check_next_key(name, settings, base, state=state, clock=clock)
    )
    if next_key is None:
        return findings
    if next_key.verdict == "ok":
        findings = [_downgrade(finding) for finding in findings]
    return [*findings, next_key]


async def _check_next_key(
    name: str, settings: AnySource, base: Path, *, state: StateDatabase, clock: Clock
) -> Finding | None:
    """Check the key that takes over when the first key is revoked; None if there is no such key."""
    if not isinstance(settings, SkinsharkSettings):
        return None
    settings = settings.model_copy(update={"key": settings.key_next})
    check = KeyCheck(f"{name} next", settings, base, state=state, clock=clock)
    try:
        await check.resolve_key()
    except KeyMissing:
        return None
    except SourceError as error:
        return fail(f"{name} next key", error_summary(error), error.guidance)
    return next((finding for finding in await check.run() if finding.name == f"{name} next key"), None)


def _downgrade(finding: Finding) -> Finding:
    """Turn the failure of a revoked or invalid key into a warning, because the next key is accepted."""
    if finding.verdict != "fail" or finding.advice not in {KeyRevoked.guidance, KeyInvalid.guidance}:
        return finding
    return warn(finding.name, f"{finding.seen}; the next key takes over", finding.advice)


class KeyCheck:
    """Checks one key of a source, and the source's address, plan and clock.

    While the source asks to send nothing with the key, which is kept in `state`, no request is sent.
    """

    def __init__(
        self, name: str, settings: AnySource, base: Path, *, state: StateDatabase, clock: Clock
    ) -> None:
        self._state = state
        self._name = name
        self._settings = settings
        self._base = base
        self._probe = ClockSkewProbe(clock)

    async def run(self) -> list[Finding]:
        """Return the findings about the address, the key, the plan, the expiry and the clock."""
        try:
            key = await self.resolve_key()
        except SourceError as error:
            return [fail(f"{self._name} key", error_summary(error), error.guidance)]
        if held_until := await self._held_until(key):
            return self._held(key, held_until)
        try:
            connector = self._connect(key)
        except ConfigError as error:
            advice = "correct base_url in the configuration"
            return [fail(f"{self._name} address", error.detail, advice)]
        try:
            findings = self._check_account(key, await connector.account())
        except SourceError as error:
            findings = self._from_error(key, error)
        finally:
            await connector.aclose()
        if findings[0].verdict == "fail":  # the address does not work
            return findings
        return [*findings, *self._check_clock()]

    async def resolve_key(self) -> Key:
        """Return the key. Raises SourceError."""
        if self._settings.key.startswith("block:"):
            if not prefect_configured():  # Prefect would start a temporary server to read the block
                detail = "the key is in a Prefect Secret block, and no Prefect API is configured"
                raise KeyMissing(detail, self._name)
            await asyncio.to_thread(import_prefect, "prefect.blocks.system")  # takes two seconds
        return await resolve_key(self._name, self._settings.key, self._base)

    async def _held_until(self, key: Key) -> datetime | None:
        """Return the end of a hold; None, too, where it cannot be read in time, which other checks report."""
        read = partial(read_key_hold, self._state, key.fingerprint, self._probe.clock.now())
        with contextlib.suppress(WarehouseError, TimeoutError):
            return await asyncio.wait_for(asyncio.to_thread(read), HOLD_DEADLINE)
        return None

    def _held(self, key: Key, until: datetime) -> list[Finding]:
        seen = f"not tested: the source asked to send nothing until {until:%Y-%m-%d %H:%M} UTC"
        return [
            warn(f"{self._name} address", f"{self._settings.base_url}: {seen}", OnHold.guidance),
            warn(f"{self._name} key", f"…{key.tail}: {seen}", OnHold.guidance),
        ]

    def _connect(self, key: Key) -> Connector:
        impatient = self._settings.model_copy(update={"concurrency": 1, "deadline": REQUEST_DEADLINE})
        retry = RetryPolicy(attempts=1)
        return build_connector(
            self._name, impatient, key, clock=self._probe.clock, retry=retry, on_headers=self._probe
        )

    def _check_account(self, key: Key, account: Account) -> list[Finding]:
        seen = f"…{key.tail} from {self._settings.key}"
        if account.active:
            accepted = ok(f"{self._name} key", f"{seen}, accepted")
        else:
            accepted = fail(f"{self._name} key", f"{seen} is not active", NEW_KEY)
        return [self._reached(), accepted, self._check_plan(account), self._check_expiry(account)]

    def _from_error(self, key: Key, error: SourceError) -> list[Finding]:
        """Return what a failed query of the account says about the address and the key."""
        name, seen = f"{self._name} key", f"…{key.tail}: {error_summary(error)}"
        if isinstance(error, AuthRejected):
            return [self._rejecting_address(error), fail(name, seen, error.guidance)]
        if isinstance(error, RateLimited | QuotaExhausted | PlanForbids | RouteForbidden):
            return [self._reached(), warn(name, seen, error.guidance)]
        untested = warn(name, f"…{key.tail}, which could not be tested", "fix the address first")
        return [self._failing_address(error), untested]

    def _reached(self) -> Finding:
        return ok(f"{self._name} address", self._settings.base_url)

    def _rejecting_address(self, error: AuthRejected) -> Finding:
        """Return a warning for a rejection without a code: the API itself always sends a code."""
        if error.code:
            return self._reached()
        seen = f"{self._settings.base_url} rejects the key, but without a code of this API"
        advice = "check base_url and any proxy: the answer may not come from the API"
        return warn(f"{self._name} address", seen, advice)

    def _failing_address(self, error: SourceError) -> Finding:
        if error.status is None:
            seen, advice = error_summary(error), "check base_url, the network and the firewall"
        else:
            seen = f"the server answers, but not as the API does: {error_summary(error)}"
            advice = "check base_url, host and path; if they are right, the API is down"
        if self._settings.base_url not in seen:
            seen = f"{self._settings.base_url}: {seen}"
        return fail(f"{self._name} address", seen, advice)

    def _check_plan(self, account: Account) -> Finding:
        name, month, used = f"{self._name} plan", account.requests_per_month, account.used
        parts = [
            f"tier {account.tier}" if account.tier else "",
            f"{account.requests_per_minute:,} requests per minute" if account.requests_per_minute else "",
            f"{month:,} per month" if month else "no known limit per month",
            f"{used:,} used" if used is not None else "",
        ]
        seen = ", ".join(filter(None, parts))
        if reported_limits(account, self._settings.kind) is None:
            return self._check_configured_tier(name, seen)
        if month and used is not None and used >= month:
            return fail(name, seen, QuotaExhausted.guidance)
        if month and used is not None and used >= NEARLY_USED_UP * month:
            return warn(name, seen, "run snapshots less often until the month ends, or upgrade the tier")
        return ok(name, seen)

    def _check_configured_tier(self, name: str, seen: str) -> Finding:
        """Check that the configuration has the tier of a key of which the API reports no tier and limits."""
        unknown = f"the API reports neither the tier nor the limits of this key: {seen}"
        if self._settings.tier == AUTO:
            return warn(name, unknown, "set `tier` of this source to the tier of your account")
        return ok(name, f"tier {self._settings.tier} by the configuration; {unknown}")

    def _check_expiry(self, account: Account) -> Finding:
        """Check the expiry of the key by the server's clock, which decides."""
        name = f"{self._name} expiry"
        if account.expires_at is None:
            return ok(name, "the source gives no expiry of the key")
        left = account.expires_at - (self._probe.server_time or self._probe.clock.now())
        at = f"{account.expires_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        if left <= timedelta():
            return fail(name, f"the key expired on {at}", NEW_KEY)
        seen = f"the key expires on {at}, in {format_duration(left)}"
        return warn(name, seen, NEW_KEY) if left <= EXPIRES_SOON else ok(name, seen)

    def _check_clock(self) -> list[Finding]:
        """Check the skew of this machine's clock; no finding if the server sent no time."""
        name, skew = f"{self._name} clock", self._probe.skew
        if skew is None:
            return []
        side = "ahead of" if skew > timedelta() else "behind"
        seen = f"{format_duration(skew)} {side} the server's"
        if abs(skew) > SKEW_FAIL:
            return [fail(name, seen, SET_CLOCK)]
        if abs(skew) > SKEW_WARN:
            return [warn(name, seen, SET_CLOCK)]
        return [ok(name, f"within {SKEW_WARN.seconds}s of the server's")]
