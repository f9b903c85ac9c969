"""Rotate a source's key: issue a new key once, store the key before anything else, then verify the key."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
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
from common.warehouse_errors import WarehouseError
from connectors.base import Account
from connectors.cs2cap.connector import CS2Cap
from connectors.http.auth import Key
from connectors.http.retry import RetryPolicy
from connectors.ratelimit.ledger import on_hold, read_key_hold
from floorline.keys.store import BackupKeyFile, KeyStore, KeyStoreError, key_store_for, store_and_verify
from floorline.signals import signal_handler
from pipelines.config import AnySource, Cs2capSettings, Settings
from pipelines.sources import build_connector, resolve_key
from warehouse.paths import WarehousePaths

VERIFY_RETRY: Final = RetryPolicy(attempts=3, max_wait=20.0)
BY_HAND: Final = (
    "the API cannot rotate keys: create a second key in the dashboard, store it where `key_next` points,"
    " revoke the first key in the dashboard, and then store the second key in the place of the first"
)
DEFERRED_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # SIGHUP: the terminal was closed
UNKNOWN: Final = "it is unknown whether a new key was issued and the old key was revoked"
TEST: Final = "`floorline key status` shows whether the source still accepts the old key"
REFUSED: Final = "no new key was issued and nothing was revoked: the old key still holds"
WAIT_MESSAGE: Final = "wait: the new key is on its way, and would be lost"


@dataclass(frozen=True, slots=True)
class CurrentKey:
    """A source's accepted root key, which can be reissued.

    `backups` is the folder of backup files; `shared` names other sources that read the same key.
    """

    source: str
    settings: Cs2capSettings
    base: Path
    backups: Path
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
    _refuse_hold(name, key, WarehousePaths(settings.root).state, clock.now())
    account = await _account(name, source, key, clock=clock)
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
        key=key,
        account=account,
        shared=tuple(shared),
    )


async def _fingerprint(name: str, source: AnySource, base: Path) -> str:
    try:
        return (await resolve_key(name, source.key, base)).fingerprint
    except SourceError:
        return ""


def _refuse_hold(name: str, key: Key, state: Path, at: datetime) -> None:
    """Raise OnHold while the source asks to send nothing with the key, as far as `state.db` can be read."""
    held_until = None
    with contextlib.suppress(WarehouseError):
        held_until = read_key_hold(state, key.fingerprint, at)
    if held_until is not None:
        raise on_hold(name, held_until, at)


async def _account(name: str, source: AnySource, key: Key, *, clock: Clock) -> Account:
    async with aclosing(build_connector(name, source, key, clock=clock, retry=VERIFY_RETRY)) as connector:
        return await connector.account()


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
        with signal_handler(lambda *_: report(WAIT_MESSAGE), *DEFERRED_SIGNALS):
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
    # Without the request ledger in state.db: a full disk there must not lose the new key.
    async with aclosing(build_connector(old.source, old.settings, old.key, clock=clock)) as connector:
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
    try:
        account = await _account(old.source, old.settings, key, clock=clock)
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
