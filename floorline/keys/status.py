"""What each source says of its key: accepted or why not, plan, use and end. It costs no quota."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from common.clock import Clock
from common.concurrency import gather_fail_fast
from common.errors import SourceError, TransientError
from connectors.http.retry import RetryPolicy
from pipelines.config import AnySource, Settings, SkinsharkSettings
from pipelines.sources import build_connector, next_key, resolve_key
from warehouse.paths import WarehousePaths


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """One source's key. `key` says where it comes from; `problem` why it is not accepted.

    `expires_at` is UTC; `days_left` until then by this machine's clock, negative behind it.
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
    """The status of every source's key, in the order of the configuration; one request each, at most.

    A key that is to take over stands behind the one that it follows.
    """
    asked = [
        pair for name, source in settings.sources.items() for pair in await _keys(settings, name, source)
    ]
    return await gather_fail_fast(*(_status(settings, name, source, clock) for name, source in asked))


async def _keys(settings: Settings, name: str, source: AnySource) -> list[tuple[str, AnySource]]:
    """The source, and the same with the next key where there is one."""
    try:
        there = await next_key(name, source, settings.base) is not None
    except SourceError:
        there = True  # what is wrong with it is told where it is tried
    if not there or not isinstance(source, SkinsharkSettings):
        return [(name, source)]
    return [(name, source), (name, source.model_copy(update={"key": source.key_next}))]


async def _status(settings: Settings, name: str, source: AnySource, clock: Clock) -> KeyStatus:
    tail = ""
    try:
        key = await resolve_key(name, source.key, settings.base)
        tail = key.tail
        connector = build_connector(
            name, source, key, clock, state=WarehousePaths(settings.root).state, retry=RetryPolicy(attempts=1)
        )
        try:
            account = await connector.account()
        finally:
            await connector.aclose()
    except TransientError as error:
        return KeyStatus(
            name, source.key, tail, problem=f"{name}: the key could not be tried: {error.detail}"
        )
    except SourceError as error:
        return KeyStatus(name, source.key, tail, problem=str(error))
    left = account.expires_at - clock.now() if account.expires_at else None
    return KeyStatus(
        name,
        source.key,
        tail,
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
