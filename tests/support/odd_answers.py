"""Answers of servers, proxies and attackers: any status, headers, codings, cuts and bodies.

`python -m tests.support.odd_answers EXAMPLES` sends so many answers to a client and to the connectors, and
prints the peak of its memory in MB.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.errors import AuthRejected, SourceError
from common.shards import Item, SeriesShard
from connectors.cs2cap.client import Cs2capClient
from connectors.cs2cap.connector import CS2Cap
from connectors.http.auth import Key
from connectors.http.client import ApiResponse, Client
from connectors.http.retry import RetryPolicy
from connectors.pages import PageBuilder
from connectors.pagination import PageInfo
from connectors.series import SeriesPage
from connectors.shards import Shard
from connectors.skinshark.client import SkinsharkClient
from connectors.skinshark.connector import SkinShark
from tests.support.clocks import NOON, VirtualClock
from tests.support.http_servers import http_response, stub_server
from tests.support.memory import peak_memory_mb

SECRET: Final = "sk_live_0123456789abcdefsecret"
GOOD: Final = b'{"good": true}'
# The bodies of both APIs' errors, with verdicts about the key among them.
_WBITS: Final = {"gzip": 31, "deflate": 15}
CODES: Final = (
    "AUTH_INVALID_API_KEY", "AUTH_API_KEY_REVOKED", "FORBIDDEN", "RATE_LIMIT_EXCEEDED",
    "RATE_LIMIT_MONTHLY_QUOTA_EXCEEDED", "PRICES_INDEX_UNAVAILABLE", "INVALID_API_KEY", "API_KEY_IP_DENIED",
    "MAINTENANCE_MODE", "SOMETHING_NEW",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class OddAnswer:
    """One answer in raw bytes; `content` is what a success says, None where it need not be read."""

    status: int
    raw: bytes
    content: bytes | None


def _error(code: str) -> bytes:
    envelope = {"requestId": "req-1", "success": False, "error": {"code": 1, "key": code, "message": "No"}}
    return json.dumps({"code": code, "detail": "No", **envelope}).encode()


@lru_cache
def _bomb(coding: str, megabytes: int, content: bytes) -> bytes:
    compressor = zstd.ZstdCompressor() if coding == "zstd" else zlib.compressobj(wbits=_WBITS[coding])
    part = content * (2**20 // len(content))
    return b"".join([*(compressor.compress(part) for _ in range(megabytes)), compressor.flush()])


_deep = st.integers(1, 17).map(lambda power: b"[" * 2**power + b"]" * 2**power)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
_PAGE_FIELDS: Final[Mapping[str, object]] = {
    "meta": {"currency": "USD", "interval": "1h", "item_id": 1, "market_hash_name": "A"},
    "pagination": {"limit": 100, "offset": 0, "total": 1, "has_next": False},
    "items": [{"item_id": 1, "market_hash_name": "A", "provider": "steam", "lowest_ask": 5, "quantity": 1}],
    "items_not_found": [],
    "success": True,
    "requestId": "req-1",
    "data": {"items": [], "total": 0, "page": 1, "limit": -1, "totalPages": 0},
    "key": {"is_active": True, "effective_rate_requests_per_minute": 40},
    "rates": {"USD": 1, "EUR": 0.9},
}
_pages = st.dictionaries(st.sampled_from(sorted(_PAGE_FIELDS)), _values, max_size=2).map(
    lambda odd: json.dumps({**_PAGE_FIELDS, **odd}).encode()
)
_contents = st.one_of(
    st.just(GOOD),
    st.sampled_from(CODES).map(_error),
    _pages,
    _pages,
    _values.map(lambda value: json.dumps(value).encode()),
    _deep,
    _deep.map(lambda deep: b'{"items": [' + deep + b'], "detail": ' + deep + b"}"),
    st.integers(1, 6_000).map(
        lambda digits: b'{"code": ' + b"9" * digits + b', "total": 1e' + b"9" * 20 + b"}"
    ),
    st.sampled_from([b"", b"<html>Just a moment...</html>", b'{"message": "Forbidden"}', b"\xff\xfe{}"]),
    st.binary(max_size=300),
    st.just(b"\xef\xbb\xbf" + GOOD),
    st.just(b'{"detail": "' + SECRET.encode() + b'"}'),
)
_CODINGS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "": lambda body: body,
    "identity": lambda body: body,
    "gzip": gzip.compress,
    "GZip": gzip.compress,
    "x-gzip": lambda body: gzip.compress(body[:7]) + gzip.compress(body[7:]) + b"\0\0",
    "identity, gzip": gzip.compress,
    "gzip, gzip": lambda body: gzip.compress(gzip.compress(body)),
    "deflate": zlib.compress,
    "Deflate": lambda body: zlib.compress(body)[2:-4],
    "zstd": lambda body: zstd.compress(body[:5]) + zstd.compress(body[5:]),
}
_statuses = st.sampled_from([200] * 6 + [401, 403, 429, 503, 204, 302, 402, 407, 511]) | st.integers(200, 999)
_odd_texts = st.sampled_from(
    (
        *("", "0", "-5", "9999999999", "1e400", "nan", "²", "9" * 5_000, "\x1b[31m", "x" * 500, SECRET),
        *(
            "Fri, 31 Dec 9999 23:59:59 GMT",
            "Mon, 01 Jan 0001 00:00:00 +1400",
            "Mon, 01 Jun 2026 12:00:00 GMT",
        ),
    )
)
_odd_headers = st.dictionaries(
    st.sampled_from(
        (
            *("date", "retry-after", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"),
            *("location", "x-request-id", "x-ratelimit-tier", "x-snapshot-total", "x-snapshot-timestamp"),
            *("set-cookie", "content-disposition"),
        )
    ),
    _odd_texts,
    max_size=4,
)


@st.composite
def odd_answers(draw: st.DrawFn) -> OddAnswer:
    """Draw an answer; one in a hundred is a bomb of hundreds of megabytes."""
    status, content, coding = draw(_statuses), draw(_contents), draw(st.sampled_from(sorted(_CODINGS)))
    media = draw(st.sampled_from(["application/json"] * 5 + ["text/html", "", "application/x-ndjson"]))
    body = _CODINGS[coding](content)
    bomb = draw(st.integers(0, 99)) == 0
    if bomb:
        coding = draw(st.sampled_from(["gzip", "deflate", "zstd"]))
        unit = draw(st.sampled_from([b" ", b"[", b"1,", b'{"a":1},']))
        body = _bomb(coding, draw(st.sampled_from([8, 47, 300])), unit)
    lie = draw(st.sampled_from([None] * 8 + ["br", "gzip", "compress", "zstd, zstd, zstd"]))
    cut = draw(st.sampled_from([None] * 5 + [0.0, 0.5, 0.99]))
    sent = body if cut is None else body[: int(len(body) * cut)]
    fields = {"content_type": media, **{k.replace("-", "_"): v for k, v in draw(_odd_headers).items()}}
    fields |= {"content_encoding": coding if lie is None else lie}
    if draw(st.booleans()):
        fields |= {"content_length": str(len(body))}
        raw = http_response(sent, f"{status} Odd", **fields)
    else:  # the end of the connection is the end of the body
        raw = http_response(sent, f"{status} Odd", **fields).replace(b"content-length", b"x-length", 1)
    readable = status == 200 and media.startswith("application/") and lie is None and cut is None and not bomb
    return OddAnswer(status, raw, content.removeprefix(b"\xef\xbb\xbf") if readable else None)


async def _get(client: Client) -> ApiResponse[bytes]:
    return await client.get("/v1/prices")


async def _sink(build: PageBuilder) -> PageInfo:
    return (await asyncio.to_thread(build))[1]


async def _series_sink(_page: SeriesPage) -> None: ...


_ITEM: Final = Item("1", "A", None)
_SERIES: Final = SeriesShard("USD", NOON, NOON, item=_ITEM, interval="1h")


def _shard(route: Any, items: tuple[Item, ...] | None = None, provider: str = "steam") -> Shard:
    return Shard(0, "cs2cap", "USD", (provider,), items, route=route)


def _series(series: Any) -> Callable[[CS2Cap], Awaitable[object]]:
    return lambda source: source.extract_series(series, _SERIES, _series_sink, providers={"steam": "steam"})


# What reads an answer: every route of both connectors.
_CS2CAP: Final[Mapping[str, Callable[[CS2Cap], Awaitable[object]]]] = {
    "account": lambda source: source.account(),
    "items": lambda source: source.items(),
    "providers": lambda source: source.providers(),
    "fx": lambda source: source.fx(),
    "item": lambda source: source.extract(_shard("item", (_ITEM,)), _sink),
    "catalog": lambda source: source.extract(_shard("catalog"), _sink),
    "batch": lambda source: source.extract(_shard("batch", (_ITEM,)), _sink),
    "stream": lambda source: source.extract(_shard("stream"), _sink),
    "points": _series("points"),
    "candles": _series("candles"),
    "sales": _series("sales"),
}
_SKINSHARK: Final[Mapping[str, Callable[[SkinShark], Awaitable[object]]]] = {
    "merchant": lambda source: source.account(),
    "items": lambda source: source.items(),
    "listing": lambda source: source.extract(_shard("listing", provider="skinshark"), _sink),
}
ROUTES: Final = (*(f"cs2cap {name}" for name in _CS2CAP), *(f"skinshark {name}" for name in _SKINSHARK))


def _build_client(kind: type[Client], url: str) -> Client:
    retry = RetryPolicy(attempts=3, max_wait=60.0)
    return kind("odd", url, Key(SECRET), VirtualClock(), retry=retry, deadline=5.0)


async def _read_by(route: str, url: str) -> tuple[Client, Callable[[], Awaitable[object]]]:
    api, _, name = route.partition(" ")
    if api == "cs2cap":
        client = _build_client(Cs2capClient, url)
        return client, lambda: _CS2CAP[name](CS2Cap(client))
    client = _build_client(SkinsharkClient, url)
    return client, lambda: _SKINSHARK[name](SkinShark(client))


async def check_client(answer: OddAnswer) -> None:
    """Send an answer to a client, and a good one after it: what came is read, a rejected key is sent once."""
    answers = [answer.raw]

    async def respond(_head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answers.pop() if answers else http_response(GOOD))

    async with stub_server(respond) as server:
        client = _build_client(Cs2capClient, server.url)
        outcome = (await asyncio.gather(_get(client), return_exceptions=True))[0]
        rejected = isinstance(outcome, AuthRejected)
        again = (await asyncio.gather(_get(client), return_exceptions=True))[0]
        await client.aclose()
    assert isinstance(outcome, ApiResponse | SourceError), outcome
    assert isinstance(again, ApiResponse | SourceError), again
    if isinstance(outcome, SourceError):  # a success is too large to print
        assert SECRET not in repr(outcome) + str(outcome)
    if answer.content is not None:
        expected = answer.content.replace(SECRET.encode(), repr(Key(SECRET)).encode())
        assert isinstance(outcome, ApiResponse), outcome
        assert outcome.body == expected
    if rejected:
        assert (len(server.heads), type(again)) == (1, type(outcome))


async def check_route(route: str, answer: OddAnswer) -> None:
    """Let a route of a connector read an answer: it returns, or raises a SourceError."""
    async with stub_server(answer.raw) as server:
        client, read = await _read_by(route, server.url)
        outcome = (await asyncio.gather(read(), return_exceptions=True))[0]
        await client.aclose()
    if isinstance(outcome, BaseException) and not isinstance(outcome, SourceError):
        raise outcome
    assert SECRET not in repr(outcome) + str(outcome)
    if isinstance(outcome, AuthRejected):
        assert len(server.heads) == 1


@given(answer=odd_answers(), route=st.sampled_from(ROUTES))
def check(answer: OddAnswer, route: str) -> None:
    """Check one answer, by the client alone and by one route."""

    async def both() -> None:
        async with asyncio.timeout(60):
            await check_client(answer)
            await check_route(route, answer)

    asyncio.run(both())


def check_examples(count: int) -> None:
    """Check `count` examples of two answers each."""
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large]
    settings(max_examples=count, deadline=None, database=None, suppress_health_check=quiet)(check)()


if __name__ == "__main__":
    check_examples(int(sys.argv[1]))
    print(peak_memory_mb())  # noqa: T201
