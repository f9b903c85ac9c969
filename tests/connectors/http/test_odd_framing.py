"""Responses whose framing is odd, as servers and proxies send them: read, or an error that says what failed.

Cases are guards unless their id says new.
"""

from __future__ import annotations

import asyncio

import pytest

from common.errors import ConnectionLost, Intercepted, InterceptedPage, SourceError
from connectors.cs2cap.client import Cs2capClient
from connectors.http.auth import Key
from connectors.http.client import ApiResponse
from connectors.http.retry import RetryPolicy
from tests.support.clocks import VirtualClock
from tests.support.http_servers import http_response, stub_server

GOOD = b'{"good": true}'
SECRET = "sk_live_0123456789abcdefsecret"
JSON = b"content-type: application/json\r\nconnection: close\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\n" + JSON + b"transfer-encoding: chunked\r\n\r\ne\r\n" + GOOD + b"\r\n"


def response(status_line: bytes, headers: bytes, body: bytes = b"") -> bytes:
    return status_line + b"\r\n" + headers + b"\r\n" + body


READ = {
    "new: the content type twice": http_response(
        GOOD, content_type="application/json\r\ncontent-type: application/json"
    ),
    "early hints": b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" + http_response(GOOD),
    "a hundred times to go on": b"HTTP/1.1 100 Continue\r\n\r\n" * 100 + http_response(GOOD),
    "HTTP/1.0 without a length": response(b"HTTP/1.0 200 OK", JSON, GOOD),
    "no reason": response(b"HTTP/1.1 200", JSON + b"content-length: 14\r\n", GOOD),
    "trailers": CHUNKED + b"0\r\nx-ratelimit-remaining: 0\r\n\r\n",
    "a folded header": response(b"HTTP/1.1 200 OK", JSON + b"x-a: b\r\n c\r\n", GOOD),
    "a header in Latin-1": response(b"HTTP/1.1 200 OK", JSON + b"x-request-id: \xe9\xff\r\n", GOOD),
    "a thousand headers": response(b"HTTP/1.1 200 OK", JSON + b"x-a: b\r\n" * 1_000, GOOD),
    "more after the end": http_response(GOOD) + b"HTTP/1.1 401 Unauthorized\r\n\r\n",
}
FAILED: dict[str, tuple[bytes, type[Exception]]] = {
    "no content": (response(b"HTTP/1.1 204 No Content", b"connection: close\r\n"), InterceptedPage),
    "another protocol": (response(b"HTTP/1.1 101 Switching Protocols", b"upgrade: h2c\r\n"), SourceError),
    "not modified": (response(b"HTTP/1.1 304 Not Modified", b"connection: close\r\n"), Intercepted),
    "HTTP/0.9": (GOOD, ConnectionLost),
    "TLS": (b"\x16\x03\x01\x02\x00\x01", ConnectionLost),
    "nothing": (b"", ConnectionLost),
    "a broken header": (response(b"HTTP/1.1 200 OK", JSON + b"no header\r\n", GOOD), ConnectionLost),
    "a header of 200 KB": (
        response(b"HTTP/1.1 200 OK", JSON + b"x: " + b"y" * 200_000 + b"\r\n", GOOD), ConnectionLost,
    ),
    "a status of two digits": (response(b"HTTP/1.1 20 OK", JSON, GOOD), ConnectionLost),
    "two lengths": (
        response(b"HTTP/1.1 200 OK", JSON + b"content-length: 14\r\ncontent-length: 13\r\n", GOOD),
        ConnectionLost,
    ),
    "a negative length": (
        response(b"HTTP/1.1 200 OK", JSON + b"content-length: -1\r\n", GOOD), ConnectionLost,
    ),
    "too long a length": (http_response(GOOD, content_length="15"), ConnectionLost),
    "no last chunk": (CHUNKED, ConnectionLost),
    "no number of a chunk": (CHUNKED + b"zz\r\n", ConnectionLost),
    "a chunk beyond all numbers": (CHUNKED + b"f" * 30 + b"\r\n", ConnectionLost),
}  # fmt: skip


def ask(answer: bytes) -> tuple[object, int]:
    """Return the response or the error of one attempt, and the number of requests."""

    async def main() -> tuple[object, int]:
        async with stub_server(answer) as server:
            retry = RetryPolicy(attempts=1)
            client = Cs2capClient("odd", server.url, Key(SECRET), VirtualClock(), retry=retry, deadline=5.0)
            (outcome,) = await asyncio.gather(client.get("/v1/prices"), return_exceptions=True)
            await client.aclose()
            return outcome, len(server.heads)

    return asyncio.run(main())


@pytest.mark.parametrize("answer", READ.values(), ids=list(READ))
def test_response_is_read(answer: bytes) -> None:
    outcome, requests = ask(answer)
    assert isinstance(outcome, ApiResponse), outcome
    assert (outcome.body, requests) == (GOOD, 1)


@pytest.mark.parametrize(("answer", "kind"), FAILED.values(), ids=list(FAILED))
def test_response_is_an_error(answer: bytes, kind: type[Exception]) -> None:
    outcome, requests = ask(answer)
    assert isinstance(outcome, kind), outcome
    assert (SECRET in repr(outcome) + str(outcome), requests) == (False, 1)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
def test_key_follows_no_redirect(status: str) -> None:
    async def main() -> tuple[object, list[bytes], list[bytes]]:
        async with stub_server(http_response(GOOD)) as other:
            moved = http_response(b"", status, location=f"{other.url}/v1/prices")
            async with stub_server(moved) as server:
                client = Cs2capClient("odd", server.url, Key(SECRET), VirtualClock())
                outcome = await asyncio.gather(client.get("/v1/prices"), return_exceptions=True)
                await client.aclose()
                return outcome[0], server.heads, other.heads

    outcome, asked, followed = asyncio.run(main())
    assert isinstance(outcome, Intercepted), outcome
    assert (len(asked), followed) == (1, [])
