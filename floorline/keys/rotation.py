"""Rotate a source's key: issue a new key once, store the key before anything else, then verify the key."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from filelock import FileLock
from filelock import Timeout as LockTimeout

from common.clock import Clock
from common.errors import (
    AccountUnverified,
    AuthRejected,
    ConfigError,
    KeyInvalid,
    KeyMissing,
    KeyRevoked,
    OnHold,
    OutcomeUnknown,
    PlanForbids,
    QuotaExhausted,
    RateLimited,
    SourceError,
    TransientError,
)
from common.text import format_duration
from connectors.cs2cap.connector import CS2Cap
from connectors.http.auth import Key
from floorline.keys.inspection import ACCOUNT_RETRY, BY_HAND, CurrentKey, connect_alone
from floorline.keys.store import BackupKeyFile, KeyStore, KeyStoreError, key_store_for, store_and_verify
from floorline.signals import signal_handler
from pipelines.sources import resolve_key

DEFERRED_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # SIGHUP: the terminal was closed
UNKNOWN: Final = "it is unknown whether a new key was issued and the old key was revoked"
TEST: Final = "`floorline key status` shows whether the source still accepts the old key"
REFUSED: Final = "no new key was issued and nothing was revoked: the old key still holds"
WAIT_MESSAGE: Final = "wait: the new key is on its way, and would be lost"


@dataclass(frozen=True, slots=True)
class Rotation:
    """The result of a rotation.

    `stored_in` is the place of the new key, as in the configuration or as a path; `problem` says what went
    wrong, and `to_do` what the user must do.
    """

    source: str
    stored_in: str
    key_tail: str
    accepted: bool
    problem: str | None
    to_do: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 if the new key is stored in its place and accepted, else the code of a rejected key."""
        return 0 if self.accepted and self.problem is None else 4


async def rotate_key(old: CurrentKey, clock: Clock, report: Callable[[str], None]) -> Rotation:
    """Issue, store and verify a new key; `report` receives progress messages.

    Raises ConfigError if a key cannot be stored (the old key then stays valid), OutcomeUnknown if the old key
    may be revoked and the new key is lost, and any other SourceError if nothing was changed, which
    `explain_refusal` explains.
    """
    store = key_store_for(old.settings.key, old.base)
    with BackupKeyFile(old.backups, old.source, clock.now()) as backup, _exclusive(old):
        if store is not None:
            await _check_writable(store, old)
        # Before the new key is stored, only the memory of this process has the key: ignore signals.
        # A handler that prints fails where it interrupts a line that is being printed: the event loop prints.
        loop = asyncio.get_running_loop()
        with signal_handler(lambda *_: loop.call_soon_threadsafe(report, WAIT_MESSAGE), *DEFERRED_SIGNALS):
            key = await _reissue(old, clock)
            store_problem = await _store(key, old, store=store, backup=backup)
            place = str(backup.path) if backup.keep else old.settings.key
            # Before the verification, which the user may interrupt.
            report(f"the new key is in {place}; verifying the key")
    rejection = await _verify(old, key, clock)
    return Rotation(
        source=old.source,
        stored_in=place,
        key_tail=key.tail,
        accepted=rejection is None,
        problem="; ".join(filter(None, (store_problem, rejection))) or None,
        to_do=tuple(_next_steps(old, backup.path if backup.keep else None)),
    )


@contextmanager
def _exclusive(old: CurrentKey) -> Iterator[None]:
    """Hold the lock of rotations in this warehouse. Raises ConfigError if another process holds the lock."""
    lock = FileLock(old.backups / ".lock", timeout=0)
    try:
        lock.acquire()
    except LockTimeout:
        raise ConfigError("another process is rotating a key; nothing was done", old.source) from None
    try:
        yield
    finally:
        lock.release()


async def _check_writable(store: KeyStore, old: CurrentKey) -> None:
    """Store the old key again, to check that the new key can be stored. Raises ConfigError.

    The stored key must still be the inspected one: the user may have taken long to confirm.
    """
    stored = await resolve_key(old.source, old.settings.key, old.base)
    if stored.fingerprint != old.key.fingerprint:
        raise ConfigError("the key has changed since it was checked; nothing was done", old.source)
    try:
        await store_and_verify(store, old.key, source=old.source, base=old.base)
    except KeyStoreError as error:
        raise ConfigError(f"no key can be stored: {error}; nothing was changed", old.source) from None


async def _reissue(old: CurrentKey, clock: Clock) -> Key:
    async with connect_alone(old.source, old.settings, old.key, paths=old.paths, clock=clock) as connector:
        if not isinstance(connector, CS2Cap):
            raise ConfigError(BY_HAND, old.source)
        try:
            return await connector.reissue()
        except OutcomeUnknown as error:
            raise replace(error, detail=f"{UNKNOWN}: {error.detail}. {TEST}") from None


def explain_refusal(error: SourceError) -> str:
    """Return one line for an error of a reissue that revoked nothing: what happened, and what to do."""
    if isinstance(error, KeyInvalid | KeyMissing | KeyRevoked):
        return str(error)  # the key was revoked since it was inspected: it does not hold any more
    line = str(SourceError(error.detail, error.source, error.code, error.status, error.request_id))
    return f"{line}; {REFUSED}. {_advise(error)}"


def _advise(error: SourceError) -> str:
    match error:
        case AccountUnverified():
            return f"{error.guidance.rstrip('.')}, then run the command again."
        case OnHold():
            return f"{error.guidance.rstrip('.')}; run the command again then."
        case RateLimited():
            wait = timedelta(seconds=error.retry_after) if error.retry_after else None
            return f"Wait {format_duration(wait) if wait else 'a minute'}, then run the command again."
        case TransientError():
            return "Run the command again later."
        case AuthRejected() | PlanForbids() | QuotaExhausted():
            return error.guidance
        case _:
            return "Issue the key in the source's dashboard, or contact the source's support."


async def _store(key: Key, old: CurrentKey, *, store: KeyStore | None, backup: BackupKeyFile) -> str | None:
    """Store the new key in the backup file, then in its place; return what went wrong, else None.

    Raises OutcomeUnknown if the key could be stored in neither place.
    """
    failures = []
    try:  # the backup first: its space is reserved, and its file is local
        backup.write(key)
        backup.keep = True
    except KeyStoreError as error:
        failures.append(str(error))
    if store is not None:
        try:
            await store_and_verify(store, key, source=old.source, base=old.base)
        except KeyStoreError as error:
            failures.append(str(error))
        else:
            backup.keep = False
            return None
    if backup.keep:
        return f"the new key could not be stored in its place: {failures[0]}" if failures else None
    problem = f"a new key was issued and could not be stored anywhere: {'; '.join(failures)}"
    raise OutcomeUnknown(f"{problem}. Issue another key in the dashboard", old.source)


async def _verify(old: CurrentKey, key: Key, clock: Clock) -> str | None:
    """Return why the source does not accept the new key; None if the source accepts the key."""
    connection = connect_alone(
        old.source, old.settings, key, paths=old.paths, clock=clock, retry=ACCOUNT_RETRY
    )
    try:
        async with connection as connector:
            account = await connector.account()
    except SourceError as error:
        return f"the new key could not be verified: {error}"
    return None if account.active else "the source says that the new key is not active"


def _next_steps(old: CurrentKey, backup: Path | None) -> Iterator[str]:
    """Yield what the user must do, where `backup` is the file that has the new key, if there is one."""
    if old.variable and backup is not None:
        yield f"put the key in {backup} where {old.variable} is set (shell, service, workers), then delete it"
        yield f"restart what was started with the old {old.variable}: workers, `floorline up`, your own shell"
    elif backup is not None:
        yield f"put the key in {backup} into {old.settings.key} yourself, then delete the file"
    else:
        yield f"no part of Floorline needs a restart: every run reads {old.settings.key} again"
        yield "give the new key to everything that has a copy of the old key: other machines, other programs"
    for other in old.shared:
        yield f"the source {other} had the same key: store the new key there, too"
    if old.account.tier in {None, "quant"}:
        yield "create new sub-keys if there were any: they were revoked with the old key"
