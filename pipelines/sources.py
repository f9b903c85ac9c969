"""Build a connector for a configured source, and resolve the key that the configuration points to."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from shutil import disk_usage
from typing import Final

from common.clock import Clock
from common.errors import KeyMissing
from common.files import expand_home
from common.warehouse_errors import WarehouseError
from connectors.base import Connector
from connectors.http.auth import Key, read_key
from connectors.http.client import Client, HeaderHook
from connectors.http.retry import RetryPolicy
from connectors.ratelimit.ledger import RequestLedger
from connectors.ratelimit.limiter import RateLimiter
from connectors.skinshark.markets import catalog_folder
from pipelines.config import AnySource, Cs2capSettings, SkinsharkSettings
from pipelines.secret_blocks import read_secret_block
from warehouse.paths import WarehousePaths
from warehouse.state.database import open_state

# A process that need not share its limits leaves so little space to those that must.
LEAST_FREE: Final = 1 << 20


def build_connector(
    name: str,
    source: AnySource,
    key: Key,
    clock: Clock,
    *,
    ledger: RequestLedger | None = None,
    retry: RetryPolicy | None = None,
    on_headers: HeaderHook = lambda _headers: None,
) -> Connector:
    """Return a connector for this source and key; without a `ledger`, its rate limiter serves it alone.

    Raises ConfigError for an address that no key may be sent to.
    """
    client_class, connect = _connector_of(source)
    deadline = source.deadline.total_seconds()
    client = client_class(
        name,
        source.base_url,
        key,
        clock,
        concurrency=source.concurrency,
        deadline=deadline,
        retry=retry,
        rate_limiter=RateLimiter(None, clock, ledger, source=name, deadline=deadline),
        on_headers=on_headers,
    )
    return connect(client)


def _connector_of(source: AnySource) -> tuple[type[Client], Callable[[Client], Connector]]:
    """Return the class of a source's client, and what makes its connector; import those of its API only."""
    if isinstance(source, Cs2capSettings):
        from connectors.cs2cap.client import Cs2capClient
        from connectors.cs2cap.connector import CS2Cap

        stream_deadline = source.stream_deadline.total_seconds()
        return Cs2capClient, partial(CS2Cap, stream_deadline=stream_deadline, tier=source.tier)
    from connectors.skinshark.client import SkinsharkClient
    from connectors.skinshark.connector import SkinShark

    return SkinsharkClient, partial(
        SkinShark,
        market=source.market,
        include_fees=source.include_fees,
        tier=source.tier,
        on_behalf_of=source.on_behalf_of,
    )


def catalog_folder_of(name: str, source: AnySource) -> str:
    """Return where the catalogs of a source are cached; see `Connector`."""
    return catalog_folder(name, source.market) if isinstance(source, SkinsharkSettings) else name


def shared_ledger(
    paths: WarehousePaths, key: Key, source: str, *, required: bool = True
) -> RequestLedger | None:
    """Return the ledger of a key in a warehouse, which all processes share.

    None where there is no warehouse, and unless it is `required` where it cannot be written. Raises
    WarehouseError.
    """
    if paths.shared is None and not _has_room(paths.root, required=required):
        return None
    with contextlib.nullcontext() if required else contextlib.suppress(WarehouseError):
        return RequestLedger(open_state(paths), key.fingerprint, source)
    return None


def _has_room(root: Path, *, required: bool) -> bool:
    return root.is_dir() and (required or disk_usage(root).free >= LEAST_FREE)


async def resolve_key(name: str, spec: str, base: Path) -> Key:
    """Return the key that `spec` points to: env:NAME, file:PATH, or block:NAME for a Prefect Secret block.

    A relative path starts at `base`. Raises KeyMissing, KeyInvalid and ConfigError.
    """
    kind, _, where = spec.partition(":")
    if kind == "block":
        return Key(await read_secret_block(where, name), name)
    if kind == "file":
        spec = f"file:{key_path(where, base)}"
    return read_key(spec, name, os.environ)


def key_path(where: str, base: Path) -> Path:
    """Return the path of the file in "file:WHERE"; a relative path starts at `base`."""
    return base / expand_home(where)


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
