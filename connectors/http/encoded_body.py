"""A body as it arrived: inflated where it is parsed, also in another process, and never beyond its bounds."""

from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Final

from common.errors import ConnectionLost, TooLarge
from connectors.http.auth import KeyMask
from connectors.http.compression import Decompressor

# Inflates one body when called; can be pickled for another process.
Decompress = Callable[[], bytes]
# Inflated. A page has less than a megabyte; the catalog of all items may have forty.
SMALL_BODY_BYTES: Final = 4 * 2**20
MAX_BODY_BYTES: Final = 48 * 2**20
# A parser makes an object of each value, many times as large as the text of a small one.
MAX_VALUES: Final = 1_500_000
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class EncodedBody:
    """A complete body as it arrived, of which at most `limit` bytes are inflated; `mask` hides the key."""

    raw: bytes = field(repr=False)
    encoding: str
    route: str
    source: str
    mask: KeyMask
    limit: int = SMALL_BODY_BYTES

    def __call__(self) -> bytes:
        """Return the content, without a byte order mark and with the key masked.

        Raises UnexpectedResponse for a coding that is not read, TooLarge, and ConnectionLost for a body that
        is cut.
        """
        decompressor = Decompressor(self.encoding, self.route, self.source)
        # Grows in place, gives its content away without a copy, and is freed where an error keeps this frame.
        with BytesIO() as buffer:
            if self.raw:
                buffer.writelines(decompressor.feed(self.raw, self.limit))
            content = buffer.getvalue()
        if self.raw and not decompressor.at_end:
            raise ConnectionLost(f"{self.route}: the compressed response was cut", self.source)
        if _may_have_too_many_values(content):
            content = b""  # the error keeps this frame
            raise TooLarge(f"{self.route}: more values than any response of the API has", self.source)
        return self.mask(content.removeprefix(BYTE_ORDER_MARK))


def _may_have_too_many_values(content: bytes) -> bool:
    if len(content) <= MAX_VALUES:  # a value has a character of its own; to count takes as long as to inflate
        return False
    return max(content.count(b","), content.count(b"{"), content.count(b"[")) > MAX_VALUES
