"""From a configured source to a connector that is ready to fetch, its key read at the last moment."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import cast

from common.clock import Clock
from common.errors import KeyInvalid, KeyMissing, KeyRevoked
from connectors.base import Account, Connector
from connectors.cs2cap.connector import CS2Cap
from connectors.http.auth import ApiKeyAuth, Key, read_key
from connectors.http.client import Client, HeaderHook
from connectors.http.retry import RetryPolicy
from connectors.ratelimit.ledger import RequestLedger
from connectors.ratelimit.limiter import RateLimiter
from connectors.skinshark import envelope
from connectors.skinshark.connector import SkinShark
from pipelines.alerts.auth_breaker import AuthBreaker
from pipelines.config import AnySource, Cs2capSettings, SkinsharkSettings, SourceSettings


def build_connector(
    name: str,
    source: AnySource,
    key: Key,
    clock: Clock,
    *,
    state: Path | None = None,
    retry: RetryPolicy | None = None,
    listen: HeaderHook = lambda _headers: None,
) -> Connector:
    """A connector for this source, within the budget of its key; see `budget_of` for `state`.

    Raises ConfigError for an address that no key may be sent to, and WarehouseError.
    """
    client = partial(
        Client,
        name,
        source.base_url,
        key,
        clock,
        concurrency=source.concurrency,
        deadline=source.deadline.total_seconds(),
        retry=retry,
        throttle=rate_limiter_for(name, source, key, clock, state),
        listen=listen,
    )
    if isinstance(source, Cs2capSettings):
        return CS2Cap(client(), stream_deadline=source.stream_deadline.total_seconds())
    return SkinShark(
        client(classify=envelope.classify, auth=ApiKeyAuth),
        source.market,
        include_fees=source.include_fees,
        tier=source.tier,
    )


def rate_limiter_for(
    name: str, source: SourceSettings, key: Key, clock: Clock, state: Path | None
) -> RateLimiter:
    """The budget of a key: the one of all processes that share `state` (the path of state.db), if it can be.

    Without a warehouse it is this connector's alone. Raises WarehouseError.
    """
    shared = (
        RequestLedger(state, key.fingerprint, name) if state is not None and state.parent.is_dir() else None
    )
    return RateLimiter(None, clock, shared, source=name, deadline=source.deadline.total_seconds())


async def resolve_key(name: str, spec: str, base: Path) -> Key:
    """The key that `spec` points to: env:NAME, file:PATH, or block:NAME for a Prefect Secret block.

    A relative path starts from `base`. Raises KeyMissing, KeyInvalid and ConfigError.
    """
    kind, _, where = spec.partition(":")
    if kind == "block":
        return Key(await _from_block(name, where), name)
    if kind == "file":
        spec = f"file:{key_path(where, base)}"
    return read_key(spec, name, os.environ)


def key_path(where: str, base: Path) -> Path:
    """The file that "file:WHERE" means; a relative path starts from `base`."""
    return base / Path(where).expanduser()


async def _from_block(source: str, block: str) -> str:
    from prefect.blocks.system import Secret

    try:
        loaded = cast("Secret[str]", await Secret.aload(block))
    except ValueError:
        raise KeyMissing(f"there is no Prefect Secret block called {block}", source) from None
    except Exception as error:  # noqa: BLE001 - whatever Prefect's client fails with, there is no key
        told = f"the Prefect Secret block {block} cannot be read: {type(error).__name__}"
        raise KeyMissing(told, source) from None
    return str(loaded.get())


Authenticate = Callable[[Key], Awaitable[Account]]


async def authenticate_with_failover(
    name: str, source: AnySource, base: Path, alarm: AuthBreaker, attempt: Authenticate
) -> Account:
    """The account that `attempt` finds by the source's key, or by the next one; a relative file is in `base`.

    A first key that was turned down for good is not tried again until it is another one, or its alert is
    cleared. Raises what `attempt` and `find_key` raise.
    """
    first = await resolve_key(name, source.key, base)
    following = await next_key(name, source, base)
    if following is None or following.fingerprint == first.fingerprint:
        account = await attempt(first)
    elif alarm.is_superseded(name, first):
        return await attempt(following)
    else:
        try:
            account = await attempt(first)
        except (KeyRevoked, KeyInvalid) as error:
            await alarm.record_failover(name, first, following, error)
            return await attempt(following)
    alarm.clear_failover(name)
    return account


async def next_key(name: str, source: AnySource, base: Path) -> Key | None:
    """The key that is to take over from the first; None where there is none. Raises as `find_key` does."""
    if not isinstance(source, SkinsharkSettings):
        return None
    try:
        return await resolve_key(name, source.key_next, base)
    except KeyMissing:
        return None
