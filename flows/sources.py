"""From a configured source to a connector that is ready to fetch, its key read at the last moment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

from connectors.auth import Key, read_key
from connectors.client import Client
from connectors.clock import Clock
from connectors.cs2cap import CS2Cap
from connectors.errors import KeyMissing
from connectors.retry import RetryPolicy
from flows.config import SourceSettings


def connect(
    name: str, source: SourceSettings, key: Key, clock: Clock, *, retry: RetryPolicy | None = None
) -> CS2Cap:
    """A connector for this source. Raises ConfigError for an address that no key may be sent to."""
    client = Client(
        name,
        source.base_url,
        key,
        clock,
        concurrency=source.concurrency,
        deadline=source.deadline.total_seconds(),
        retry=retry,
    )
    return CS2Cap(client)


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
