"""A response's body as it came, made readable wherever there is time for it: this is what can be pickled."""

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from isal import isal_zlib

from connectors.errors import ContractBroken, Disconnected, plain

Inflate = Callable[[], bytes]

# The whole catalog of items is about 40 MB; what is ten times that is no answer but an attack.
LARGEST: Final = 400 * 2**20


def inflated(raw: bytes, encoding: str, what: str, source: str) -> bytes:
    """Undo gzip and see its end: httpx, like most, takes a stream that was cut for a whole one.

    `what` names the request in ContractBroken and Disconnected, which this raises.
    """
    if encoding in {"", "identity"} or not raw:
        return raw
    if encoding != "gzip":
        told = plain(encoding, 40)
        raise ContractBroken(f"{what}: an answer in {told!r}, which was not asked for", source)
    gunzip = isal_zlib.decompressobj(wbits=31)
    with suppress(isal_zlib.IsalError):  # type: ignore[arg-type]  # the stub calls the class an instance
        body = gunzip.decompress(raw, LARGEST)
        if gunzip.eof:
            return body
        if gunzip.unconsumed_tail:
            raise ContractBroken(f"{what}: an answer without end", source)
    raise Disconnected(f"{what}: the compressed answer was cut", source)
