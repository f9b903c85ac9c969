"""Query the status of every source's key: accepted or not, plan, usage and expiry. No request costs quota."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from common.clock import Clock
from common.concurrency import gather_fail_fast
from common.errors import SourceError, TransientError
from connectors.http.retry import RetryPolicy
from pipelines.config import Settings, SkinsharkSettings
from pipelines.source_session import SourceSession
from pipelines.sources import next_key


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """The status of one key: `key` is its place in the configuration, `problem` why it is not accepted.

    `expires_at` is UTC; `days_left` are the days until then by this machine's clock, negative after expiry.
    """

    source: str
    key: str
    key_tail: str = ""
    accepted: bool = False
    problem: str | None = None
    tier: str | None = None
    sub_key: bool = False
    requests_per_minute: int | None = None
    requests_per_month: int | None = None
    used: int | None = None
    expires_at: datetime | None = None
    days_left: float | None = None


async def key_statuses(settings: Settings, clock: Clock) -> list[KeyStatus]:
    """Return the status of every key in the order of the configuration, with at most one request per key.

    A source's next key follows its first key.
    """
    keys = [pair for name in settings.sources for pair in await _key_specs(settings, name)]
    return await gather_fail_fast(*(_status(settings, name, key, clock=clock) for name, key in keys))


async def _key_specs(settings: Settings, name: str) -> list[tuple[str, str]]:
    """Return where the source's key is, and where its next key is if there is one."""
    source = settings.sources[name]
    if not isinstance(source, SkinsharkSettings):
        return [(name, source.key)]
    try:
        has_next = await next_key(name, source, settings.base) is not None
    except SourceError:
        has_next = True  # the attempt with the next key reports what is wrong with it
    return [(name, source.key), (name, source.key_next)] if has_next else [(name, source.key)]


async def _status(settings: Settings, name: str, key: str, *, clock: Clock) -> KeyStatus:
    once = RetryPolicy(attempts=1)
    async with SourceSession(settings, name, clock, key_spec=key, retry=once, must_share=False) as session:
        try:
            account = await (await session.connect()).account()
        except TransientError as error:
            problem = f"{name}: the key could not be tested: {error.detail}"
            return KeyStatus(name, key, session.key_tail, problem=problem)
        except SourceError as error:
            return KeyStatus(name, key, session.key_tail, problem=str(error))
    left = account.expires_at - clock.now() if account.expires_at else None
    return KeyStatus(
        name,
        key,
        session.key_tail,
        accepted=account.active,
        problem=None if account.active else f"{name}: the source says that the key is not active",
        tier=account.tier,
        sub_key=not account.root,
        requests_per_minute=account.requests_per_minute,
        requests_per_month=account.requests_per_month,
        used=account.used,
        expires_at=account.expires_at,
        days_left=round(left.total_seconds() / 86_400, 1) if left is not None else None,
    )
