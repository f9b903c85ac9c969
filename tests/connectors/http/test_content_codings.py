"""Content codings of successful responses: what is read, what is refused, and how much of it."""

import gzip
import zlib
from collections.abc import Callable

import pytest
from backports import zstd

from common.errors import ConnectionLost, SourceError, TooLarge, UnexpectedResponse
from connectors.http.auth import Key
from connectors.http.compression import Decompressor
from connectors.http.encoded_body import MAX_BODY_BYTES, MAX_VALUES, SMALL_BODY_BYTES, EncodedBody

SECRET = "sk_live_0123456789abcdefsecret"
BODY = b'{"items": [' + b'{"item_id": 1, "market_hash_name": "A"}, ' * 500 + b"{}]}"
PACKED = gzip.compress(BODY)
# "old" was read before, too.
READ = [
    ("old: none", "", BODY),
    ("old: identity", "identity", BODY),
    ("old: gzip", "gzip", PACKED),
    ("capitals", "GZip", PACKED),
    ("x-gzip", "x-gzip", PACKED),
    ("identity and gzip", "identity, gzip", PACKED),
    ("gzip twice", "gzip,gzip", gzip.compress(PACKED)),
    ("two members", "gzip", gzip.compress(BODY[:99]) + gzip.compress(BODY[99:])),
    ("many members", "gzip", b"".join(gzip.compress(BODY[n : n + 9]) for n in range(0, len(BODY), 9))),
    ("old: padded with zeros", "gzip", PACKED + b"\0" * 9_000),
    ("deflate", "deflate", zlib.compress(BODY)),
    ("bare deflate", "deflate", zlib.compress(BODY, wbits=-15)),
    ("zstd", "zstd", zstd.compress(BODY)),
    ("zstd frames", "zstd", zstd.compress(BODY[:99]) + zstd.compress(BODY[99:])),
    ("a byte order mark", "", b"\xef\xbb\xbf" + BODY),
    ("a byte order mark in gzip", "gzip", gzip.compress(b"\xef\xbb\xbf" + BODY)),
]  # fmt: skip
REFUSED: list[tuple[str, str, bytes, type[SourceError]]] = [
    ("old: brotli", "br", b"\x1b", UnexpectedResponse),
    ("old: any text", "gz\x1b[31m", PACKED, UnexpectedResponse),
    ("three codings", "gzip, gzip, gzip", PACKED, UnexpectedResponse),
    ("old: gzip that is cut", "gzip", PACKED[:-9], ConnectionLost),
    ("a cut second member", "gzip", PACKED + PACKED[:-9], ConnectionLost),
    ("a cut zstd frame", "zstd", zstd.compress(BODY)[:-9], ConnectionLost),
    ("cut deflate", "deflate", zlib.compress(BODY)[:-9], ConnectionLost),
    ("old: garbage", "gzip", b"garbage", ConnectionLost),
    ("garbage after gzip", "gzip", PACKED + b"garbage", ConnectionLost),
    ("more values than any response", "", b"[" + b"1," * MAX_VALUES + b"1,1]", TooLarge),
    ("more brackets than any response", "", b"{}" * (MAX_VALUES + 1), TooLarge),
    ("a window of 128 MB", "zstd", zstd.compress(BODY * 900, options={
        zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.enable_long_distance_matching: 1,
    }), ConnectionLost),
]  # fmt: skip


def read(encoding: str, raw: bytes, limit: int = MAX_BODY_BYTES) -> bytes:
    return EncodedBody(raw, encoding, "GET /x", "cs2cap", Key(SECRET).mask, limit)()


@pytest.mark.parametrize(("encoding", "raw"), [row[1:] for row in READ], ids=[row[0] for row in READ])
def test_body_is_read(encoding: str, raw: bytes) -> None:
    assert read(encoding, raw) == BODY


@pytest.mark.parametrize(
    ("encoding", "raw", "error"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_body_is_refused(encoding: str, raw: bytes, error: type[SourceError]) -> None:
    with pytest.raises(error) as caught:
        read(encoding, raw)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("encoding", ["", "gzip", "deflate", "zstd", "gzip, gzip"])
def test_no_more_than_the_limit_is_inflated(encoding: str) -> None:
    pack: dict[str, Callable[[bytes], bytes]] = {
        "": bytes,
        "gzip": gzip.compress,
        "deflate": zlib.compress,
        "zstd": zstd.compress,
    }
    raw = b" " * (SMALL_BODY_BYTES + 1)
    for coding in encoding.split(", "):
        raw = pack[coding](raw)
    assert len(read(encoding, raw, SMALL_BODY_BYTES + 1)) == SMALL_BODY_BYTES + 1
    with pytest.raises(TooLarge, match="without end"):
        read(encoding, raw, SMALL_BODY_BYTES)
    parts: list[bytes] = []
    with pytest.raises(TooLarge):
        parts.extend(Decompressor(encoding, "GET /x", "cs2cap").feed(raw, 2**16))
    assert sum(map(len, parts)) <= 2**16


def test_chunks_of_any_size_give_the_same_content() -> None:
    for encoding, raw in (row[1:] for row in READ):
        for size in (1, 7, 4_096, 5_000):
            decompressor = Decompressor(encoding, "GET /x", "cs2cap")
            chunks = (raw[start : start + size] for start in range(0, len(raw), size))
            content = b"".join(part for chunk in chunks for part in decompressor.feed(chunk, 2**20))
            assert content.removeprefix(b"\xef\xbb\xbf") == BODY, (encoding, size)
            assert decompressor.at_end


@pytest.mark.parametrize(
    "spelling",
    [SECRET, SECRET.replace("_", "%5F"), f"Bearer {SECRET}"],
    ids=["plain", "guard: of another", "in a text"],
)
def test_key_in_a_body_is_masked(spelling: str) -> None:
    content = read("gzip", gzip.compress(b'{"name": "' + spelling.encode() + b'"}'))
    assert SECRET.encode() not in content


def test_short_key_masks_nothing() -> None:
    assert Key("1").mask(b'{"price": 1}') == b'{"price": 1}'
