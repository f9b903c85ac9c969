"""Checksums of a landing's files: zstd frames verify pages, a last field verifies JSON.

Every read here raises DamagedFile instead of returning what was not landed. Files of versions without
checksums are read, too; only their form is verified.
"""

from __future__ import annotations

import errno
import re
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
from backports import zstd

from common.files import atomic_write, to_json

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_FRAME_START: Final = b"\x28\xb5\x2f\xfd"  # the magic number of zstd
_FRAME_END: Final = b"\x50\x2a\x4d\x18" + bytes(4)  # a frame of zstd that readers skip, without content
_CHECKSUM: Final = re.compile(rb', "crc32": "([0-9a-f]{8})"}\Z')
_NO_FILE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})  # also at the end of a link
_T = TypeVar("_T")


class DamagedFile(ValueError):
    """A file of a landing is missing, or is not what was landed. The text starts with the file's name."""


def file_size(path: Path) -> int:
    """Return the size of a regular file. Raises DamagedFile and OSError."""
    try:
        status = path.stat()
    except OSError as error:
        if error.errno not in _NO_FILE:
            raise
        raise DamagedFile(f"{path.name} is missing") from None
    if not stat.S_ISREG(status.st_mode):  # to read a pipe would wait for ever
        raise DamagedFile(f"{path.name} is not a regular file")
    return status.st_size


def read_file(path: Path) -> bytes:
    """Return the content of a regular file. Raises DamagedFile and OSError."""
    file_size(path)
    return path.read_bytes()


def compress_frame(*parts: ReadableBuffer, level: int) -> bytes:
    """Return the parts as one zstd frame with a checksum, and the mark of its end."""
    parameters = zstd.CompressionParameter
    frame = zstd.ZstdCompressor(options={parameters.compression_level: level, parameters.checksum_flag: True})
    return b"".join([*map(frame.compress, parts), frame.flush(), _FRAME_END])


def read_frames(path: Path, *, may_be_torn: bool) -> Iterator[bytes]:
    """Yield the content of each frame of a file, verified.

    With `may_be_torn`, an incomplete last frame is left out: its writer was killed. Raises DamagedFile and
    OSError.
    """
    rest = memoryview(read_file(path))
    while rest:
        if bytes(rest[: len(_FRAME_END)]) == _FRAME_END:
            rest = rest[len(_FRAME_END) :]
            continue
        size = _find_frame_size(rest)
        if size is None and may_be_torn and _is_torn(bytes(rest)):
            return
        yield _decompress(path, rest[: size or 0])
        rest = rest[size or 0 :]


def write_json(path: Path, value: object) -> None:
    """Write an object as `encode_json` returns it, completely and durably or not at all."""
    atomic_write(path, encode_json(value))


def encode_json(value: object) -> bytes:
    """Return an object as JSON, with a checksum as its last field."""
    text = to_json(value).removesuffix(b"}")
    return b'%s, "crc32": "%08x"}' % (text, zlib.crc32(text))


def read_json(path: Path, kind: type[_T]) -> _T:
    """Return the JSON of a file as a `kind`, verified where it has a checksum.

    Raises DamagedFile and OSError.
    """
    content = read_file(path)
    checksum = _CHECKSUM.search(content)
    if checksum:
        verified = content[: checksum.start()]
        if int(checksum[1], 16) != zlib.crc32(verified):
            raise DamagedFile(f"{path.name} does not match its checksum")
        content = verified + b"}"
    try:
        return msgspec.json.decode(content, type=kind)
    except (ValueError, RecursionError) as error:
        raise DamagedFile(f"{path.name}: {error}") from None


def has_checksum(path: Path) -> bool:
    """Return whether a JSON file has a checksum; without one, an older version wrote it."""
    return _CHECKSUM.search(read_file(path)) is not None


def _find_frame_size(content: memoryview) -> int | None:
    """Return the size of the first frame; None where it is not complete, or something else."""
    if bytes(content[: len(_FRAME_START)]) != _FRAME_START:
        return None
    try:
        return zstd.get_frame_size(content)
    except zstd.ZstdError:
        return None


def _decompress(path: Path, frame: memoryview) -> bytes:
    try:
        if frame:
            return zstd.decompress(frame)
    except (zstd.ZstdError, MemoryError):  # a damaged header may ask for any amount of memory
        pass
    raise DamagedFile(f"{path.name} does not match its checksums")


def _is_torn(rest: bytes) -> bool:
    """Return whether a rest is the start of a frame or of its mark, or zeros that a power failure left.

    The rest of a damaged frame goes on to the next frame, or to the mark of its own end.
    """
    starts = rest.startswith(_FRAME_START) or any(
        mark.startswith(rest) for mark in (_FRAME_START, _FRAME_END)
    )
    goes_on = _FRAME_START in rest[1:] or rest.endswith(_FRAME_END)
    return not any(rest) or (starts and not goes_on)
