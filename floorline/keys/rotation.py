"""A new key in the place of the old one: asked for once, stored before anything else, and then tried."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from filelock import FileLock
from filelock import Timeout as LockTimeout

from common.clock import Clock
from common.errors import ConfigError, OutcomeUnknown, SourceError
from connectors.base import Account
from connectors.cs2cap.connector import CS2Cap
from connectors.http.auth import Key
from connectors.http.retry import RetryPolicy
from floorline.keys.store import BackupKeyFile, KeyStore, KeyStoreError, key_store_for, store_and_verify
from pipelines.config import AnySource, Cs2capSettings, Settings
from pipelines.sources import build_connector, resolve_key

VERIFY_RETRY: Final = RetryPolicy(attempts=3, max_wait=20.0)
BY_HAND: Final = (
    "the API does not change keys: create a second one in the dashboard, put it where `key_next` points,"
    " revoke the first one there, and then put the second in its place"
)
WAIT_MESSAGE: Final = "wait: the new key is on its way, and would be lost"


@dataclass(frozen=True, slots=True)
class CurrentKey:
    """A source's key as it is, accepted and of the kind that can be issued anew.

    `shared` are the other sources that read the same key from elsewhere.
    """

    source: str
    settings: Cs2capSettings
    base: Path
    folder: Path
    key: Key
    account: Account
    shared: tuple[str, ...]

    @property
    def variable(self) -> str:
        """The environment variable that holds the key, if one does."""
        kind, _, name = self.settings.key.partition(":")
        return name if kind == "env" else ""

    @property
    def warning(self) -> str:
        """What a new key does to the old one, and where it will be."""
        tail = f" …{self.key.tail}" if self.key.tail else ""
        goes = f"The new key goes to {self.settings.key}."
        if self.variable:
            goes = (
                f"The new key cannot be put into the environment variable {self.variable} from here: it goes"
                f" to a file of mode 0600 in {self.folder}, and you put it where the variable is set."
            )
        return (
            f"The key{tail} of {self.source} and all its sub-keys are revoked at once; runs under way end as"
            f" AuthFailed. {goes}"
        )


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a change of keys came to.

    `stored_in` says where the new key is, as in the configuration or as a path; `problem` what is not as it
    should be, and `to_do` what is left to the user.
    """

    source: str
    stored_in: str
    key_tail: str
    accepted: bool
    problem: str | None
    to_do: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 if the new key is where it should be and is accepted, else that of a rejected key."""
        return 0 if self.accepted and self.problem is None else 4


async def inspect_key(settings: Settings, name: str, clock: Clock) -> CurrentKey:
    """The key of a source, tried. Raises ConfigError for what cannot be issued anew, and FloorlineErrors."""
    if name not in settings.sources:
        known = ", ".join(settings.sources) or "none"
        raise ConfigError(f"no source is called {name}; the configuration has {known}")
    source = settings.sources[name]
    if not isinstance(source, Cs2capSettings):
        raise ConfigError(BY_HAND, name)
    key = await resolve_key(name, source.key, settings.base)
    account = await _account(name, source, key, clock)
    if not account.root:
        raise ConfigError(
            "the key is a sub-key, and only the root key can be issued anew this way: issue another"
            " sub-key in the dashboard",
            name,
        )
    shared = [
        f"{other}: {its.key}"
        for other, its in settings.sources.items()
        if its.key != source.key and await _print(other, its, settings.base) == key.fingerprint
    ]
    return CurrentKey(name, source, settings.base, settings.root / "keys", key, account, tuple(shared))


async def _print(name: str, source: AnySource, base: Path) -> str:
    try:
        return (await resolve_key(name, source.key, base)).fingerprint
    except SourceError:
        return ""


async def _account(name: str, source: AnySource, key: Key, clock: Clock) -> Account:
    async with aclosing(build_connector(name, source, key, clock, retry=VERIFY_RETRY)) as connector:
        return await connector.account()


async def rotate_key(old: CurrentKey, clock: Clock, say: Callable[[str], None]) -> Rotation:
    """Have a new key issued, store it and try it; `say` tells a person how far it is.

    Raises ConfigError where it could not be stored: then nothing was changed. OutcomeUnknown: the old key may
    be gone and the new one is not here. Any other SourceError: nothing was changed.
    """
    store = key_store_for(old.settings.key, old.base)
    with BackupKeyFile(old.folder, old.source, clock.now()) as spare, _exclusive(old):
        if store is not None:
            await _check_writable(store, old)
        with defer_signals(say):
            key = await _reissue(old, clock)
            problem = await _store(key, old, store, spare)
            place = str(spare.path) if spare.wanted else old.settings.key
            say(f"the new key is in {place}; trying it")  # now: who interrupts the trial must know
    refused = await _refusal(old, key, clock)
    told = "; ".join(part for part in (problem, refused) if part) or None
    to_do = tuple(_to_do(old, spare.path if spare.wanted else None))
    return Rotation(old.source, place, key.tail, refused is None, told, to_do)


@contextmanager
def _exclusive(old: CurrentKey) -> Iterator[None]:
    """Be the only one in this warehouse that changes keys. Raises ConfigError."""
    lock = FileLock(old.folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except LockTimeout:
        raise ConfigError("a key is being changed by another process; nothing was done", old.source) from None
    try:
        yield
    finally:
        lock.release()


async def _check_writable(store: KeyStore, old: CurrentKey) -> None:
    """Write the key that is there anew, which is all that will be done with the new one.

    It must be the key that was tried: the user may have thought about it for long.
    """
    found = await resolve_key(old.source, old.settings.key, old.base)
    if found.fingerprint != old.key.fingerprint:
        raise ConfigError("the key has changed since it was tried; nothing was done", old.source)
    try:
        await store_and_verify(store, old.key, old.source, old.base)
    except KeyStoreError as error:
        raise ConfigError(f"no key can be stored: {error}; nothing was changed", old.source) from None


@contextmanager
def defer_signals(say: Callable[[str], None]) -> Iterator[None]:
    """Put off Ctrl-C and SIGTERM: between the source's answer and the store, the key is only in memory."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda *_: say(WAIT_MESSAGE)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def _reissue(old: CurrentKey, clock: Clock) -> Key:
    async with aclosing(build_connector(old.source, old.settings, old.key, clock)) as connector:
        if not isinstance(connector, CS2Cap):
            raise ConfigError(BY_HAND, old.source)
        return await connector.reissue()


async def _store(key: Key, old: CurrentKey, store: KeyStore | None, spare: BackupKeyFile) -> str | None:
    """Store a new key: at once in the file that was set aside, then in its place. What went wrong, if it did.

    Raises OutcomeUnknown where it could be stored nowhere.
    """
    failures = []
    try:
        spare.write(key)
        spare.wanted = True
    except KeyStoreError as error:
        failures.append(str(error))
    if store is not None:
        try:
            await store_and_verify(store, key, old.source, old.base)
        except KeyStoreError as error:
            failures.append(str(error))
        else:
            spare.wanted = False
            return None
    if spare.wanted:
        return f"the new key could not be stored in its place: {failures[0]}" if failures else None
    told = f"a new key was issued and could not be stored anywhere: {'; '.join(failures)}"
    raise OutcomeUnknown(f"{told}. Issue another one in the dashboard", old.source)


async def _refusal(old: CurrentKey, key: Key, clock: Clock) -> str | None:
    """Why the new key is not accepted, if it is not."""
    try:
        account = await _account(old.source, old.settings, key, clock)
    except SourceError as error:
        return f"the new key could not be proved: {error}"
    return None if account.active else "the source says that the new key is not active"


def _to_do(old: CurrentKey, file: Path | None) -> Iterator[str]:
    if old.variable and file is not None:
        yield f"put the key in {file} where {old.variable} is set (shell, service, workers), then delete it"
        yield f"restart what was started with the old {old.variable}: workers, `floorline up`, your own shell"
    elif file is not None:
        yield f"put the key in {file} into {old.settings.key} yourself, then delete the file"
    else:
        yield f"nothing of Floorline is to be restarted: every run reads {old.settings.key} anew"
        yield "give the new key to whoever has a copy of the old one: other machines, other programs"
    for other in old.shared:
        yield f"the source {other} had the same key: put the new one there, too"
    if old.account.tier in {None, "quant"}:
        yield "create the sub-keys anew, if there were any: they were revoked with the old key"
