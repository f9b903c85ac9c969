"""Where a new key is stored: the file or Secret block of the old key, and a backup file."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from common.errors import ConfigError, SourceError
from common.files import fsync_directory
from connectors.http.auth import Key
from pipelines.prefect_settings import import_prefect
from pipelines.sources import key_path, resolve_key

SAVE_TIMEOUT: Final = 60.0  # seconds; a temporary server of Prefect takes a while to start
RESERVED_BYTES: Final = 4096  # in the backup file, more than a key has


class KeyStoreError(Exception):
    """A key could not be stored; the message says where and why, and never shows the key."""


class KeyStore(Protocol):
    """A place that a key can be read from and written to."""

    @property
    def spec(self) -> str:
        """The place as the configuration names it."""
        ...

    async def write(self, key: Key) -> None:
        """Store a key. Raises KeyStoreError."""
        ...


def key_store_for(spec: str, base: Path) -> KeyStore | None:
    """Return the store that `spec` of the configuration points to; None for an environment variable."""
    kind, _, where = spec.partition(":")
    if kind == "file":
        return KeyFile(spec, key_path(where, base))
    return KeyBlock(spec, where) if kind == "block" else None


async def store_and_verify(store: KeyStore, key: Key, *, source: str, base: Path) -> None:
    """Store a key, then read the key back in the way that a run does. Raises KeyStoreError."""
    await store.write(key)
    try:
        stored = await resolve_key(source, store.spec, base)
    except SourceError as error:
        raise KeyStoreError(f"{store.spec} cannot be read back: {error.detail}") from None
    if stored.fingerprint != key.fingerprint:
        raise KeyStoreError(f"{store.spec} returns another key than the one that was stored")


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A file of mode 0600. A new key replaces the file atomically; owner and symbolic link stay."""

    spec: str
    path: Path

    async def write(self, key: Key) -> None:
        """Store a key. Raises KeyStoreError."""
        try:
            _replace(self.path.resolve(), key)
        except OSError as error:
            raise KeyStoreError(f"{self.path}: {error.strerror}") from None


def _replace(path: Path, key: Key) -> None:
    """Replace an existing file durably: at any time either the old or the new file is complete."""
    owner = path.stat()
    # mkstemp creates the file with mode 0600, in the same folder: a rename across disks is not atomic.
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123 - the file is open already
            # Only root may change the owner of a file: never try where nothing changes.
            if (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
            file.write(f"{key.reveal()}\n")
            file.flush()
            os.fsync(descriptor)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    fsync_directory(path.parent)


@dataclass(frozen=True, slots=True)
class KeyBlock:
    """A Prefect Secret block."""

    spec: str
    name: str

    async def write(self, key: Key) -> None:
        """Store a key. Raises KeyStoreError."""
        from pydantic import SecretStr

        try:
            import_prefect("prefect.blocks.system")
            from prefect.blocks.system import Secret

            async with asyncio.timeout(SAVE_TIMEOUT):
                await Secret(value=SecretStr(key.reveal())).asave(self.name, overwrite=True)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the backup file still has the key
            failure = f"the Prefect Secret block {self.name}: {type(error).__name__}"
        else:
            return
        raise KeyStoreError(failure)  # not in the except block: some tracebacks show local variables


class BackupKeyFile:
    """A file of mode 0600, created with reserved space before a key is issued; deleted unless `keep` is set.

    The file is in a folder of its own, which git ignores. Raises ConfigError where no file can be created.
    """

    def __init__(self, folder: Path, source: str, now: datetime) -> None:
        self.keep = False
        self.path = folder / f"{source}-{now.astimezone(UTC):%Y%m%dT%H%M%S%fZ}.key"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (folder / ".gitignore").write_text("*\n")
            self._descriptor = _create_with_space(self.path)
        except OSError as error:
            reason = f"no file for the new key can be created in {folder}: {error.strerror}"
            raise ConfigError(f"{reason}; nothing was changed", source) from None

    def write(self, key: Key) -> None:
        """Store a key. Raises KeyStoreError."""
        try:
            # Overwrites the reserved bytes: on most file systems this works on a full disk.
            os.ftruncate(self._descriptor, os.pwrite(self._descriptor, f"{key.reveal()}\n".encode(), 0))
            os.fsync(self._descriptor)
        except OSError as error:
            raise KeyStoreError(f"{self.path}: {error.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)
        if not self.keep:
            with contextlib.suppress(OSError):
                self.path.unlink()


def _create_with_space(path: Path) -> int:
    """Create a file with RESERVED_BYTES on disk and return its descriptor: a full disk must show early."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, b"\n" * RESERVED_BYTES)
        os.fsync(descriptor)
        fsync_directory(path.parent)
    except OSError:
        os.close(descriptor)
        path.unlink()
        raise
    return descriptor
