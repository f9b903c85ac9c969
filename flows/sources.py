"""From a configured source to a connector that is ready to fetch, its key read at the last moment."""

from __future__ import annotations

import os

from connectors.auth import Key, read_key
from connectors.base import Connector
from connectors.client import Client
from connectors.clock import Clock
from connectors.cs2cap import CS2Cap
from connectors.errors import KeyMissing
from flows.config import SourceSettings


def connect(name: str, source: SourceSettings, clock: Clock) -> Connector:
    """A connector for this source. Raises KeyMissing, KeyInvalid and ConfigError."""
    client = Client(
        name,
        source.base_url,
        find_key(name, source.key),
        clock,
        concurrency=source.concurrency,
        deadline=source.deadline.total_seconds(),
    )
    return CS2Cap(client)


def find_key(name: str, spec: str) -> Key:
    """The key that `spec` points to: env:NAME, file:PATH, or block:NAME for a Prefect Secret block."""
    if spec.startswith("block:"):
        return Key(_from_block(name, spec.removeprefix("block:")), name)
    return read_key(spec, name, os.environ)


def _from_block(source: str, block: str) -> str:
    from prefect.blocks.system import Secret

    try:
        loaded = Secret.load(block)
    except ValueError:
        raise KeyMissing(f"there is no Prefect Secret block called {block}", source) from None
    return str(loaded.get())  # type: ignore[union-attr]
