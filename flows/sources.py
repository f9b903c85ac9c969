"""From a configured source to a connector that is ready to fetch, its key read at the last moment."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import cast

from connectors import skinshark_errors
from connectors.auth import ApiKeyAuth, Key, read_key
from connectors.base import Connector
from connectors.client import Client, Listen
from connectors.clock import Clock
from connectors.cs2cap import CS2Cap
from connectors.errors import KeyMissing
from connectors.retry import RetryPolicy
from connectors.skinshark import SkinShark
from connectors.throttle import Throttle
from flows.config import AnySource, Cs2capSettings, SourceSettings
from warehouse.budget import Ledger


def connect(
    name: str,
    source: AnySource,
    key: Key,
    clock: Clock,
    *,
    state: Path | None = None,
    retry: RetryPolicy | None = None,
    listen: Listen = lambda _headers: None,
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
        throttle=budget_of(name, source, key, clock, state),
        listen=listen,
    )
    if isinstance(source, Cs2capSettings):
        return CS2Cap(client(), stream_deadline=source.stream_deadline.total_seconds())
    return SkinShark(
        client(classify=skinshark_errors.classify, auth=ApiKeyAuth),
        source.market,
        include_fees=source.include_fees,
        tier=source.tier,
    )


def budget_of(name: str, source: SourceSettings, key: Key, clock: Clock, state: Path | None) -> Throttle:
    """The budget of a key: the one of all processes that share `state` (the path of state.db), if it can be.

    Without a warehouse it is this connector's alone. Raises WarehouseError.
    """
    shared = Ledger(state, key.fingerprint, name) if state is not None and state.parent.is_dir() else None
    return Throttle(None, clock, shared, source=name, deadline=source.deadline.total_seconds())


async def find_key(name: str, spec: str, base: Path) -> Key:
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
