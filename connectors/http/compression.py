"""Decompress response bodies: at once, or chunk by chunk as they arrive."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from isal import isal_zlib

from common.errors import ConnectionLost, UnexpectedResponse
from common.text import sanitize

# Decompresses one body when called; can be pickled for another process.
Decompress = Callable[[], bytes]
# The whole catalog of items is about 40 MB; a body of ten times that is an attack.
MAX_BODY_BYTES: Final = 400 * 2**20
# The most that a chunk of a stream may hold: about fifteen times its usual content.
_MAX_CHUNK_BYTES: Final = 128 * 2**20
# A larger slice takes the decompressor more than twice as long, because its output outgrows the CPU caches.
_SLICE_BYTES: Final = 16 * 2**10


def decompress(raw: bytes, encoding: str, route: str, source: str) -> bytes:
    """Return a decompressed body; check that it is complete, which httpx does not do.

    Raises UnexpectedResponse and ConnectionLost, which name the `route`.
    """
    if not _is_gzip(encoding, route, source) or not raw:
        return raw
    gunzip = isal_zlib.decompressobj(wbits=31)
    with suppress(isal_zlib.IsalError):  # type: ignore[arg-type]  # the stub declares an instance
        body = gunzip.decompress(raw, MAX_BODY_BYTES)
        if gunzip.eof:
            return body
        if gunzip.unconsumed_tail:
            raise UnexpectedResponse(f"{route}: a response without end", source)
    raise ConnectionLost(f"{route}: the compressed response was cut", source)


def _is_gzip(encoding: str, route: str, source: str) -> bool:
    """Return whether a body is compressed. Raises UnexpectedResponse for an encoding not requested."""
    if encoding not in {"", "identity", "gzip"}:
        received = sanitize(encoding, 40)
        raise UnexpectedResponse(f"{route}: a response in {received!r}, which was not requested", source)
    return encoding == "gzip"


class Decompressor:
    """Decompresses a stream chunk by chunk; `route` names the request in errors, as in `decompress`."""

    def __init__(self, encoding: str, route: str, source: str) -> None:
        self._gunzip = isal_zlib.decompressobj(wbits=31) if _is_gzip(encoding, route, source) else None
        self._route = route
        self._source = source

    @property
    def at_end(self) -> bool:
        """Whether the compressed stream is complete; True without compression, which marks no end."""
        return self._gunzip is None or self._gunzip.eof

    def feed(self, raw: bytes) -> Iterator[bytes]:
        """Yield the content of one more chunk, in parts."""
        if self._gunzip is None:
            yield raw
            return
        size = 0
        for start in range(0, len(raw), _SLICE_BYTES):
            part = b""
            rest = raw[start : start + _SLICE_BYTES]
            while rest:
                if self._gunzip.eof:  # a gzip file may consist of several members
                    self._gunzip = isal_zlib.decompressobj(wbits=31)
                try:
                    part += self._gunzip.decompress(rest)
                except isal_zlib.IsalError:  # type: ignore[misc]  # as above
                    detail = f"{self._route}: the compressed response is broken"
                    raise ConnectionLost(detail, self._source) from None
                rest = self._gunzip.unused_data
            size += len(part)
            if size > _MAX_CHUNK_BYTES:
                raise UnexpectedResponse(f"{self._route}: a response without end", self._source)
            yield part
