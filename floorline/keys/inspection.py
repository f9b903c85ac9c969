"""Inspect a source's key before its rotation: whether the key is accepted, and can be reissued."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from common.clock import Clock
from common.errors import ConfigError, SourceError
from common.warehouse_errors import WarehouseError
from connectors.base import Account, Connector
from connectors.http.auth import Key
from connectors.http.retry import RetryPolicy
from connectors.ratelimit.ledger import on_hold, read_key_hold
from pipelines.config import AnySource, Cs2capSettings, Settings
from pipelines.sources import build_connector, resolve_key, shared_ledger
from warehouse.paths import WarehousePaths
from warehouse.state.database import open_state

ACCOUNT_RETRY: Final = RetryPolicy(attempts=3, max_wait=20.0)
BY_HAND: Final = (
    "the API cannot rotate keys: create a second key in the dashboard, store it where `key_next` points,"
    " revoke the first key in the dashboard, and then store the second key in the place of the first"
)


@dataclass(frozen=True, slots=True)
class CurrentKey:
    """A source's accepted root key, which can be reissued.

    `backups` is the folder of backup files, `paths` the warehouse; `shared` names other sources that
    read the same key.
    """

    source: str
    settings: Cs2capSettings
    base: Path
    backups: Path
    paths: WarehousePaths
    key: Key
    account: Account
    shared: tuple[str, ...]

    @property
    def variable(self) -> str:
        """The environment variable that holds the key; empty for a key that is stored elsewhere."""
        kind, _, name = self.settings.key.partition(":")
        return name if kind == "env" else ""

    @property
    def warning(self) -> str:
        """What the rotation does to the old key, and where the new key will be."""
        tail = f" …{self.key.tail}" if self.key.tail else ""
        destination = f"The new key goes to {self.settings.key}."
        if self.variable:
            destination = (
                f"The new key cannot be put into the environment variable {self.variable} from here: it goes"
                f" to a file of mode 0600 in {self.backups}, and you put it where the variable is set."
            )
        return (
            f"The key{tail} of {self.source} and all its sub-keys are revoked at once; active runs end as"
            f" AuthFailed. {destination}"
        )


async def inspect_key(settings: Settings, name: str, clock: Clock) -> CurrentKey:
    """Check that a source's key is accepted and can be reissued.

    Raises ConfigError for a key that cannot be reissued, OnHold while the source asks to send nothing, and
    the SourceErrors of the request.
    """
    if name not in settings.sources:
        known = ", ".join(settings.sources) or "no source"
        raise ConfigError(f"there is no source {name}; the configuration has {known}")
    source = settings.sources[name]
    if not isinstance(source, Cs2capSettings):
        raise ConfigError(BY_HAND, name)
    key = await resolve_key(name, source.key, settings.base)
    paths = settings.paths
    _refuse_hold(name, key, paths, clock.now())
    async with connect_alone(name, source, key, paths=paths, clock=clock, retry=ACCOUNT_RETRY) as connector:
        account = await connector.account()
    if not account.root:
        raise ConfigError(
            "the key is a sub-key, and only a root key can be reissued: issue a new sub-key in the dashboard",
            name,
        )
    shared = [
        f"{other}: {its.key}"
        for other, its in settings.sources.items()
        if its.key != source.key and await _fingerprint(other, its, settings.base) == key.fingerprint
    ]
    return CurrentKey(
        source=name,
        settings=source,
        base=settings.base,
        backups=settings.root / "keys",
        paths=paths,
        key=key,
        account=account,
        shared=tuple(shared),
    )


async def _fingerprint(name: str, source: AnySource, base: Path) -> str:
    try:
        return (await resolve_key(name, source.key, base)).fingerprint
    except SourceError:
        return ""


def _refuse_hold(name: str, key: Key, paths: WarehousePaths, at: datetime) -> None:
    """Raise OnHold while the source asks to send nothing with the key, as far as the state can be read."""
    held_until = None
    with contextlib.suppress(WarehouseError):
        held_until = read_key_hold(open_state(paths), key.fingerprint, at)
    if held_until is not None:
        raise on_hold(name, held_until, at)


@asynccontextmanager
async def connect_alone(
    name: str,
    source: AnySource,
    key: Key,
    *,
    paths: WarehousePaths,
    clock: Clock,
    retry: RetryPolicy | None = None,
) -> AsyncIterator[Connector]:
    """Connect without the request ledger of the warehouse: a full disk there must not lose a new key.

    A hold that a response asks for is kept there afterwards, if that can be written.
    """
    async with aclosing(build_connector(name, source, key, clock=clock, retry=retry)) as connector:
        try:
            yield connector
        finally:
            held_until = connector.rate_limiter.held_until
            if held_until is not None:
                _keep_hold(name, key, paths, until=held_until, at=clock.now())


def _keep_hold(name: str, key: Key, paths: WarehousePaths, *, until: datetime, at: datetime) -> None:
    with contextlib.suppress(WarehouseError):
        ledger = shared_ledger(paths, key, name, required=False)
        if ledger is not None:
            with contextlib.closing(ledger):
                ledger.hold(until, at=at)
