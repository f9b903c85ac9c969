"""A response's body as it came, made readable wherever there is time for it."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from isal import isal_zlib

from common.errors import ConnectionLost, UnexpectedResponse
from common.text import sanitize

Decompress = Callable[[], bytes]
# The whole catalog of items is about 40 MB; what is ten times that is no answer but an attack.
MAX_BODY_BYTES: Final = 400 * 2**20
# What a piece of a stream may hold: some fifteen times what it does hold.
_LARGEST_PIECE: Final = 128 * 2**20
# More at once takes the decompressor more than twice as long: its output outgrows the caches.
_SLICE: Final = 16 * 2**10


def decompress(raw: bytes, encoding: str, what: str, source: str) -> bytes:
    """Undo gzip and see its end: httpx, like most, takes a stream that was cut for a whole one.

    `what` names the request in ContractBroken and Disconnected, which this raises.
    """
    if not is_gzip(encoding, what, source) or not raw:
        return raw
    gunzip = isal_zlib.decompressobj(wbits=31)
    with suppress(isal_zlib.IsalError):  # type: ignore[arg-type]  # the stub calls the class an instance
        body = gunzip.decompress(raw, MAX_BODY_BYTES)
        if gunzip.eof:
            return body
        if gunzip.unconsumed_tail:
            raise UnexpectedResponse(f"{what}: an answer without end", source)
    raise ConnectionLost(f"{what}: the compressed answer was cut", source)


def is_gzip(encoding: str, what: str, source: str) -> bool:
    """Tell gzip from plain text; raises ContractBroken for what was not asked for."""
    if encoding not in {"", "identity", "gzip"}:
        told = sanitize(encoding, 40)
        raise UnexpectedResponse(f"{what}: an answer in {told!r}, which was not asked for", source)
    return encoding == "gzip"


class Decompressor:
    """Undoes gzip, or nothing, piece by piece. `what` names the request in errors, as for `inflated`."""

    def __init__(self, encoding: str, what: str, source: str) -> None:
        self._gunzip = isal_zlib.decompressobj(wbits=31) if is_gzip(encoding, what, source) else None
        self._what = what
        self._source = source

    @property
    def at_end(self) -> bool:
        """Whether nothing more is to come; without gzip, the body itself does not tell."""
        return self._gunzip is None or self._gunzip.eof

    def feed(self, raw: bytes) -> Iterator[bytes]:
        """Return what one more piece holds, some at a time."""
        if self._gunzip is None:
            yield raw
            return
        size = 0
        for at in range(0, len(raw), _SLICE):
            part = self._inflated(raw[at : at + _SLICE])
            size += len(part)
            if size > _LARGEST_PIECE:
                raise UnexpectedResponse(f"{self._what}: an answer without end", self._source)
            yield part

    def _inflated(self, raw: bytes) -> bytes:
        assert self._gunzip is not None  # noqa: S101 - seen to by `feed`; this tells the type checker
        text = b""
        while raw:
            if self._gunzip.eof:  # gzip may be one after another
                self._gunzip = isal_zlib.decompressobj(wbits=31)
            try:
                text += self._gunzip.decompress(raw)
            except isal_zlib.IsalError:  # type: ignore[misc]  # as above
                raise ConnectionLost(f"{self._what}: the compressed answer is broken", self._source) from None
            raw = self._gunzip.unused_data
        return text
