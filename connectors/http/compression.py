"""The content codings of HTTP: inflate a body chunk by chunk as it arrives, never more than a limit.

gzip (of one or several members), deflate and zstd are read; gzip alone is asked for. No library for brotli is
among the dependencies.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Final, Protocol

from backports import zstd
from isal import isal_zlib

from common.errors import ConnectionLost, TooLarge, UnexpectedResponse
from common.text import sanitize

ACCEPTED: Final = "gzip"
# zlib and gzip expand a slice a thousandfold at the most: a limit is exceeded by four megabytes at the most.
# A larger slice takes more than twice as long, because its output outgrows the CPU caches.
_SLICE_BYTES: Final = 4 * 2**10
_ZSTD_PART_BYTES: Final = 2**20
# Of a decompressor that a response may ask for; a page fits many times (RFC 9659 allows no more).
_ZSTD_OPTIONS: Final[Mapping[int, int]] = {zstd.DecompressionParameter.window_log_max: 23}
# More than one coding is legal, and rare; a bomb inside of a bomb is not.
_MAX_CODINGS: Final = 2
ENDLESS: Final = "a response without end"
_GZIP, _ZLIB, _RAW_DEFLATE = 31, 15, -15
_BROKEN: Final = (isal_zlib.IsalError, zstd.ZstdError)


class _Inflater(Protocol):
    @property
    def at_end(self) -> bool: ...

    def feed(self, raw: bytes) -> Iterator[bytes]: ...


class _GzipInflater:
    """Inflates the members of a gzip file, which may be padded with zeros."""

    def __init__(self) -> None:
        self._member = isal_zlib.decompressobj(wbits=_GZIP)

    @property
    def at_end(self) -> bool:
        return self._member.eof

    def feed(self, raw: bytes) -> Iterator[bytes]:
        for start in range(0, len(raw), _SLICE_BYTES):
            rest = raw[start : start + _SLICE_BYTES]
            while rest := rest.lstrip(b"\0") if self._member.eof else rest:
                if self._member.eof:
                    self._member = isal_zlib.decompressobj(wbits=_GZIP)
                yield self._member.decompress(rest)
                rest = self._member.unused_data


class _DeflateInflater:
    """Inflates zlib's format, or the bare deflate that some servers send under the same name."""

    def __init__(self) -> None:
        self._inflate: isal_zlib.Decompress | None = None
        self._header = b""  # two bytes tell the format

    @property
    def at_end(self) -> bool:
        return self._inflate is not None and self._inflate.eof

    def feed(self, raw: bytes) -> Iterator[bytes]:
        if self._inflate is None:
            self._header = raw = self._header + raw
            if len(raw) < 2:
                return
            is_zlib = raw[0] & 15 == 8 and int.from_bytes(raw[:2], "big") % 31 == 0
            self._inflate = isal_zlib.decompressobj(wbits=_ZLIB if is_zlib else _RAW_DEFLATE)
        for start in range(0, len(raw), _SLICE_BYTES):
            if not self._inflate.eof:
                yield self._inflate.decompress(raw[start : start + _SLICE_BYTES])


class _ZstdInflater:
    """Inflates the frames of zstd, whose parts have no natural limit."""

    def __init__(self) -> None:
        self._frame = zstd.ZstdDecompressor(options=_ZSTD_OPTIONS)

    @property
    def at_end(self) -> bool:
        return self._frame.eof

    def feed(self, raw: bytes) -> Iterator[bytes]:
        rest = raw
        while rest or not (self._frame.needs_input or self._frame.eof):
            if self._frame.eof:
                self._frame = zstd.ZstdDecompressor(options=_ZSTD_OPTIONS)
            yield self._frame.decompress(rest, _ZSTD_PART_BYTES)
            rest = self._frame.unused_data if self._frame.eof else b""


_INFLATERS: Final[dict[str, Callable[[], _Inflater]]] = {
    "gzip": _GzipInflater,
    "x-gzip": _GzipInflater,
    "deflate": _DeflateInflater,
    "zstd": _ZstdInflater,
}


def content_codings(encoding: str) -> list[str]:
    """Return the codings of a `Content-Encoding` in the order of their application; "identity" is none."""
    codings = (coding.strip().lower() for coding in encoding.split(","))
    return [coding for coding in codings if coding not in {"", "identity"}]


class Decompressor:
    """Inflates a body chunk by chunk; `route` names the request in errors.

    Raises UnexpectedResponse for a coding that is not read here.
    """

    def __init__(self, encoding: str, route: str, source: str) -> None:
        self._route = route
        self._source = source
        codings = content_codings(encoding)
        if len(codings) > _MAX_CODINGS or not all(coding in _INFLATERS for coding in codings):
            received = sanitize(encoding, 40)
            raise UnexpectedResponse(f"{route}: a response in {received!r}, which was not requested", source)
        self._inflaters = [_INFLATERS[coding]() for coding in reversed(codings)]

    @property
    def at_end(self) -> bool:
        """Whether the compressed body is complete; True without compression, which marks no end."""
        return all(inflater.at_end for inflater in self._inflaters)

    def feed(self, raw: bytes, limit: int) -> Iterator[bytes]:
        """Yield the content of one more chunk in parts.

        Raises TooLarge where the content is larger than `limit` bytes, and ConnectionLost where the chunk
        cannot be inflated.
        """
        parts: Iterable[bytes] = (raw,)
        for inflater in self._inflaters:
            parts = self._bounded(chain.from_iterable(map(inflater.feed, parts)), limit)
        try:
            yield from self._bounded(parts, limit)
        except _BROKEN:  # type: ignore[misc]  # the stub of isal declares an instance
            broken = ConnectionLost(f"{self._route}: the compressed response is cut or broken", self._source)
            raise broken from None

    def _bounded(self, parts: Iterable[bytes], limit: int) -> Iterator[bytes]:
        size = 0
        for part in parts:
            size += len(part)
            if size > limit:
                raise TooLarge(f"{self._route}: {ENDLESS}", self._source)
            yield part
