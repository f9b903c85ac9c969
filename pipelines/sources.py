"""Build a connector for a configured source, and resolve the key that the configuration points to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

from common.clock import Clock
from common.errors import KeyMissing
from connectors.base import Connector
from connectors.cs2cap.client import Cs2capClient
from connectors.cs2cap.connector import CS2Cap
from connectors.http.auth import Key, read_key
from connectors.http.client import Client, HeaderHook
from connectors.http.retry import RetryPolicy
from connectors.ratelimit.ledger import RequestLedger
from connectors.ratelimit.limiter import RateLimiter
from connectors.skinshark.client import SkinsharkClient
from connectors.skinshark.connector import SkinShark
from connectors.skinshark.markets import catalog_folder
from pipelines.config import AnySource, Cs2capSettings, SkinsharkSettings, SourceSettings


def build_connector(
    name: str,
    source: AnySource,
    key: Key,
    clock: Clock,
    *,
    state: Path | None = None,
    retry: RetryPolicy | None = None,
    on_headers: HeaderHook = lambda _headers: None,
) -> Connector:
    """Return a connector for this source and key; see `rate_limiter_for` for `state`.

    Raises ConfigError for an address that no key may be sent to, and WarehouseError.
    """
    client_class: type[Client] = Cs2capClient if isinstance(source, Cs2capSettings) else SkinsharkClient
    client = client_class(
        name,
        source.base_url,
        key,
        clock,
        concurrency=source.concurrency,
        deadline=source.deadline.total_seconds(),
        retry=retry,
        rate_limiter=rate_limiter_for(name, source, key, clock, state),
        on_headers=on_headers,
    )
    if isinstance(source, Cs2capSettings):
        stream_deadline = source.stream_deadline.total_seconds()
        return CS2Cap(client, stream_deadline=stream_deadline, tier=source.tier)
    return SkinShark(client, source.market, include_fees=source.include_fees, tier=source.tier)


def catalog_folder_of(name: str, source: AnySource) -> str:
    """Return where the catalogs of a source are cached; see `Connector`."""
    return catalog_folder(name, source.market) if isinstance(source, SkinsharkSettings) else name


def rate_limiter_for(
    name: str, source: SourceSettings, key: Key, clock: Clock, state: Path | None
) -> RateLimiter:
    """Return the rate limiter of a key, shared by all processes that use `state` (the path of state.db).

    Without a warehouse the rate limiter serves this connector alone. Raises WarehouseError.
    """
    shared = (
        RequestLedger(state, key.fingerprint, name) if state is not None and state.parent.is_dir() else None
    )
    return RateLimiter(None, clock, shared, source=name, deadline=source.deadline.total_seconds())


async def resolve_key(name: str, spec: str, base: Path) -> Key:
    """Return the key that `spec` points to: env:NAME, file:PATH, or block:NAME for a Prefect Secret block.

    A relative path starts at `base`. Raises KeyMissing, KeyInvalid and ConfigError.
    """
    kind, _, where = spec.partition(":")
    if kind == "block":
        return Key(await _from_block(name, where), name)
    if kind == "file":
        spec = f"file:{key_path(where, base)}"
    return read_key(spec, name, os.environ)


def key_path(where: str, base: Path) -> Path:
    """Return the path of the file in "file:WHERE"; a relative path starts at `base`."""
    return base / Path(where).expanduser()


async def _from_block(source: str, block: str) -> str:
    from prefect.blocks.system import Secret

    try:
        loaded = cast("Secret[str]", await Secret.aload(block))
    except ValueError:
        raise KeyMissing(f"there is no Prefect Secret block called {block}", source) from None
    except Exception as error:  # noqa: BLE001 - whatever error Prefect's client raises, there is no key
        message = f"the Prefect Secret block {block} cannot be read: {type(error).__name__}"
        raise KeyMissing(message, source) from None
    return str(loaded.get())


async def next_key(name: str, source: AnySource, base: Path) -> Key | None:
    """Return the key that takes over if the first is revoked; None if there is none.

    Raises KeyInvalid and ConfigError.
    """
    if not isinstance(source, SkinsharkSettings):
        return None
    try:
        return await resolve_key(name, source.key_next, base)
    except KeyMissing:
        return None
