"""From a configured source to a connector that is ready to fetch, its key read at the last moment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

from connectors.auth import Key, read_key
from connectors.base import Connector
from connectors.client import Client
from connectors.clock import Clock
from connectors.cs2cap import CS2Cap
from connectors.errors import KeyMissing
from flows.config import SourceSettings


def connect(name: str, source: SourceSettings, key: Key, clock: Clock) -> Connector:
    """A connector for this source. Raises ConfigError for an address that no key may be sent to."""
    client = Client(
        name,
        source.base_url,
        key,
        clock,
        concurrency=source.concurrency,
        deadline=source.deadline.total_seconds(),
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
        spec = f"file:{base / os.path.expanduser(where)}"  # noqa: ASYNC240, PTH111 - it reads no disk
    return read_key(spec, name, os.environ)


async def _from_block(source: str, block: str) -> str:
    from prefect.blocks.system import Secret

    try:
        loaded = cast("Secret[str]", await Secret.aload(block))
    except ValueError:
        raise KeyMissing(f"there is no Prefect Secret block called {block}", source) from None
    return str(loaded.get())
