"""Where a new key is put: the file or Secret block that the old one was read from, and a file in reserve."""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from common.errors import ConfigError, SourceError
from connectors.http.auth import Key
from pipelines.sources import key_path, resolve_key

RESERVED_BYTES: Final = 4096  # bytes set aside for a key, more than one has


class KeyStoreError(Exception):
    """A key could not be put where it should go; the text says where and why, never what."""


class KeyStore(Protocol):
    """A place that a key can be read from and written to."""

    @property
    def spec(self) -> str:
        """How the configuration names it."""
        ...

    async def write(self, key: Key) -> None:
        """Write a key. Raises NotStored."""
        ...


def key_store_for(spec: str, base: Path) -> KeyStore | None:
    """The store that `spec` (as in the configuration) points to; None for the environment."""
    kind, _, where = spec.partition(":")
    if kind == "file":
        return KeyFile(spec, key_path(where, base))
    return KeyBlock(spec, where) if kind == "block" else None


async def store_and_verify(store: KeyStore, key: Key, source: str, base: Path) -> None:
    """Put a key into a store and read it back as a run reads it. Raises NotStored."""
    await store.write(key)
    try:
        found = (await resolve_key(source, store.spec, base)).fingerprint
    except SourceError as error:
        raise KeyStoreError(f"{store.spec} cannot be read back: {error.detail}") from None
    if found != key.fingerprint:
        raise KeyStoreError(f"{store.spec} does not give back what was put there")


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A file of mode 0600. It is replaced whole, and keeps its owner; where it is a link, so is it then."""

    spec: str
    path: Path

    async def write(self, key: Key) -> None:
        """Write a key. Raises NotStored."""
        try:
            _replace(self.path.resolve(), key)
        except OSError as error:
            failure = f"{self.path}: {error.strerror}"
        else:
            return
        raise KeyStoreError(failure)


def _replace(path: Path, key: Key) -> None:
    """Put a key into the place of a file that exists; at every moment one of the two is there, whole."""
    owner = path.stat()
    number, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(number, "w", encoding="ascii") as file:  # noqa: PTH123 - a file that is open already
            if (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(number, owner.st_uid, owner.st_gid)
            file.write(f"{key.reveal()}\n")
            file.flush()
            os.fsync(number)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _fsync_directory(path.parent)


def _fsync_directory(folder: Path) -> None:
    """Have a folder's entries on disk."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@dataclass(frozen=True, slots=True)
class KeyBlock:
    """A Prefect Secret block."""

    spec: str
    name: str

    async def write(self, key: Key) -> None:
        """Write a key. Raises NotStored."""
        from prefect.blocks.system import Secret
        from pydantic import SecretStr

        try:
            await Secret(value=SecretStr(key.reveal())).asave(self.name, overwrite=True)
        except Exception as error:  # noqa: BLE001 - whatever went wrong there, the key must not be lost here
            failure = f"the Prefect Secret block {self.name}: {type(error).__name__}"
        else:
            return
        raise KeyStoreError(failure)


def _create_with_space(path: Path) -> int:
    """Make a file of mode 0600 with `ROOM` bytes on disk; its descriptor."""
    number = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        os.write(number, b"\n" * RESERVED_BYTES)
        os.fsync(number)
        _fsync_directory(path.parent)
    except OSError:
        os.close(number)
        path.unlink()
        raise
    return number


class BackupKeyFile:
    """A file of mode 0600 that is made, with room in it, before a key is issued; gone unless it is wanted.

    It lies in a folder of its own that git is told to ignore. Raises ConfigError where it cannot be made.
    """

    def __init__(self, folder: Path, source: str, now: datetime) -> None:
        self.wanted = False
        self.path = folder / f"{source}-{now.astimezone(UTC):%Y%m%dT%H%M%S%fZ}.key"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (folder / ".gitignore").write_text("*\n")
            self._number = _create_with_space(self.path)
        except OSError as error:
            reason = f"no file for the new key can be made in {folder}: {error.strerror}"
            raise ConfigError(f"{reason}; nothing was changed", source) from None

    def write(self, key: Key) -> None:
        """Write a key into it. Raises NotStored."""
        try:
            os.ftruncate(self._number, os.pwrite(self._number, f"{key.reveal()}\n".encode(), 0))
            os.fsync(self._number)
        except OSError as error:
            failure = f"{self.path}: {error.strerror}"
        else:
            return
        raise KeyStoreError(failure)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._number)
        if not self.wanted:
            with contextlib.suppress(OSError):
                self.path.unlink()
