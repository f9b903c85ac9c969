"""Files: durable writes, JSON, and the operating system's errors as errors of Floorline."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from datetime import datetime
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

from common.errors import ConfigError
from common.machine_errors import find_refusal, no_space
from common.shortages import NO_SPACE
from common.warehouse_errors import WarehouseUnusable

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from _typeshed import ReadableBuffer

# No permission, something else in the place of a file or folder, a limit of the system, or a failing disk.
UNUSABLE: Final = frozenset(
    (
        errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG,
        errno.EFBIG, errno.ENOLCK, errno.EIO, errno.ESTALE,
    )
)  # fmt: skip

COPIED_AT_ONCE: Final = 1 << 30  # bytes
# Why the kernel does not copy: another or an old file system, or a sandbox.
NOT_IN_KERNEL: Final = frozenset((errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM))
LONGEST_USER_FILE: Final = 64 << 20  # bytes


@contextlib.contextmanager
def translate_os_errors(path: Path) -> Iterator[None]:
    """Raise WarehouseFull or WarehouseUnusable for the system's errors of a disk; a missing file passes."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise no_space(path) from None
        if error.errno in UNUSABLE:
            place = Path(error.filename) if isinstance(error.filename, str) else path
            raise WarehouseUnusable(
                f"cannot write to {place}: {find_refusal(place) or error.strerror}", path
            ) from None
        raise


def require_file(path: Path) -> None:
    """Raise WarehouseUnusable for a path that is there and is no file: who opens a pipe waits for ever."""
    if path.exists() and not path.is_file():
        raise WarehouseUnusable(f"{path} is not a file", path)


def refuse_special_file(path: Path) -> None:
    """Raise OSError for a device or a pipe: a file that takes its place by a rename would remove it."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(errno.EINVAL, "it is a device or a pipe, and no file", str(path))


def expand_home(text: str) -> Path:
    """Return the path in a text; of one that begins with `~`, such as "~/data", in the home folder.

    The text "./~x" is the file or folder `~x`. Raises ConfigError where no home folder is known.
    """
    # A path is no text any more: Path("./~x") is Path("~x").
    try:
        return Path(text).expanduser() if text.startswith("~") else Path(text)
    except RuntimeError:
        raise ConfigError(f"no home folder is known for {text}: set HOME, or write the whole path") from None


def read_user_file(path: Path | Traversable) -> str:
    """Return the text of a file that the user names: UTF-8, with a byte order mark or without.

    Raises OSError, also for a file that never ends, and ValueError for a path or a content that is none.
    """
    with path.open("rb") as file:
        content = file.read(LONGEST_USER_FILE + 1)
    if len(content) > LONGEST_USER_FILE:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return content.decode("utf-8-sig")


def fsync_directory(folder: Path) -> None:
    """Make the names in a folder durable; fsync of a file covers its content only."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def copy_file(source: Path, target: Path) -> None:
    """Copy the content of a file inside the kernel, which shares the blocks where the file system can.

    Raises OSError.
    """
    try:
        with source.open("rb") as read, target.open("wb") as written:
            while os.copy_file_range(read.fileno(), written.fileno(), COPIED_AT_ONCE):
                pass
    except OSError as error:
        if error.errno not in NOT_IN_KERNEL:
            raise OSError(error.errno, error.strerror, str(error.filename or target)) from None
        shutil.copyfile(source, target)


def read_file_version(path: Path) -> str:
    """Return what changes with every write and rename of a file; "" where there is no file."""
    with contextlib.suppress(OSError):
        status = path.stat()
        return f"{status.st_ino} {status.st_ctime_ns} {status.st_size}"
    return ""


def is_locked(path: Path) -> bool:
    """Return whether a process holds the lock file at `path` (a `FileLock`), without writing anything."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would wait for its other end
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def atomic_write(path: Path, content: bytes) -> None:
    """Write a file completely and durably, or not at all. Raises OSError, also for a device or a pipe."""
    refuse_special_file(path)
    # In the same folder, because a rename is atomic only inside of one file system. Of its own name, because
    # two processes may write the same file.
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    fsync_directory(path.parent)


class DamagedFile(Exception):
    """A file is not what was written."""


def write_checked(path: Path, content: bytes) -> None:
    """Write a file as `atomic_write` does, with its checksum in a file beside it."""
    atomic_write(path, content)
    atomic_write(_checksum_path(path), _checksum(content))


def read_checked(path: Path) -> bytes:
    """Read a file of `write_checked`. Raises DamagedFile, also where there is no checksum, and OSError."""
    content = path.read_bytes()
    with contextlib.suppress(FileNotFoundError):
        if _checksum_path(path).read_bytes() == _checksum(content):
            return content
    raise DamagedFile(path)


def _checksum_path(path: Path) -> Path:
    return path.with_name(path.name + ".checksum")


def _checksum(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).hexdigest().encode()


def append_durably(path: Path, content: ReadableBuffer, *, header_size: int = 0) -> None:
    """Append to a file, durable on return; a write that fails leaves the file as it was.

    The first `header_size` bytes of `content` are written only where the file is empty. Raises WarehouseFull
    and WarehouseUnusable.
    """
    with translate_os_errors(path.parent), UnbufferedFile(path, "ab") as file:
        end = file.tell()
        try:
            file.write(memoryview(content)[header_size if end else 0 :])
            os.fdatasync(file.fileno())
        except OSError:
            file.truncate(end)
            raise
        if not end:
            fsync_directory(path.parent)


def to_json(value: object) -> bytes:
    """Return `value` as JSON, with dataclasses and datetimes; lone surrogates become question marks."""

    def encode(item: object) -> object:
        if isinstance(item, datetime):
            return item.isoformat()
        if dataclasses.is_dataclass(item) and not isinstance(item, type):
            return dataclasses.asdict(item)
        raise TypeError(type(item).__name__)

    return json.dumps(value, default=encode, ensure_ascii=False).encode(errors="replace")


class UnbufferedFile(FileIO):
    """An unbuffered file whose `write` writes all bytes or raises; FileIO.write may silently write fewer."""

    def write(self, content: ReadableBuffer, /) -> int:
        """Write all of `content`."""
        rest = memoryview(content).cast("B")
        while rest:
            rest = rest[super().write(rest) :]
        return memoryview(content).nbytes
