"""The part of an ASGI application that both APIs share: log, delay, compute and send a response."""

import asyncio
import gzip
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from email.utils import format_datetime
from typing import Generic, TypeVar, cast
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from sandbox.asgi.feed import send_feed
from sandbox.clock import iso
from sandbox.core import Sandbox
from sandbox.faults import FaultRegistry, ScheduledFault
from sandbox.http_types import ApiRequest, ApiResponse
from sandbox.request_log import RequestLog

CHUNK_BYTES = 1 << 18
MIN_GZIP_BYTES = 500  # smaller bodies are sent as they are
REMOVAL_POLL_SECONDS = 0.02
TRANSPORT = "sandbox.transport"  # the extension of the scope that has the connection

F = TypeVar("F", bound=ScheduledFault)


class ApiApp(ABC, Generic[F]):
    """One API of a sandbox as an ASGI application."""

    def __init__(self, sandbox: Sandbox, requests: RequestLog, faults: FaultRegistry[F]) -> None:
        self._sandbox, self._requests, self._faults = sandbox, requests, faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request."""
        request, sandbox = await _read_request(scope, receive), self._sandbox
        entry = self._requests.add(
            iso(sandbox.clock.us()),
            request.method,
            request.path,
            query=scope["query_string"].decode(),
            key=self._key_name(request),
        )
        with sandbox.lock:
            faults = self._faults.matching(request)
        await self._delay(faults)
        with sandbox.lock:
            response = self._respond(request, faults)
        entry.record(response)
        try:
            _encode(response, accepts_gzip="gzip" in request.headers.get("accept-encoding", ""))
            response.headers["Date"] = self._date(faults)
            await self._send(response, scope, receive, send=send)
        finally:
            response.on_sent()

    async def _send(self, response: ApiResponse, scope: Scope, receive: Receive, *, send: Send) -> None:
        if response.drop or not await self._send_body(response, receive, send):
            await _close_connection(scope, receive)

    async def _send_body(self, response: ApiResponse, receive: Receive, send: Send) -> bool:
        """Send a response; return whether it is complete. If not, its connection has to be closed."""
        await _send_start(response, send)
        unfinished = response.cut is not None or response.feed is not None
        async for chunk, last in _chunks(response):
            await send({"type": "http.response.body", "body": chunk, "more_body": not last or unfinished})
        if response.cut is not None or response.feed is None:
            return response.cut is None
        await send_feed(self._sandbox, response.feed, receive, send=send)
        if response.feed.end == "drop":
            return False
        await send({"type": "http.response.body"})
        return True

    async def _delay(self, faults: Sequence[F]) -> None:
        """Wait for the latency of faults; a fault that is removed delays no longer."""
        end = time.monotonic() + sum(fault.latency for fault in faults)
        # Another thread removes a fault, so that no event of asyncio tells it.
        while (left := end - time.monotonic()) > 0 and self._has_any(faults):  # noqa: ASYNC110
            await asyncio.sleep(min(left, REMOVAL_POLL_SECONDS))

    def _has_any(self, faults: Sequence[F]) -> bool:
        return any(active is fault for active in list(self._faults.active) for fault in faults)

    @abstractmethod
    def _key_name(self, request: ApiRequest) -> str | None:
        """Return the name of a request's key for the log."""

    @abstractmethod
    def _respond(self, request: ApiRequest, faults: Sequence[F]) -> ApiResponse:
        """Return the response of the API with these faults."""

    def _date(self, _faults: Sequence[F]) -> str:
        return format_datetime(self._sandbox.clock.now(), usegmt=True)


async def _read_request(scope: Scope, receive: Receive) -> ApiRequest:
    body, more = b"", scope["method"] != "GET"
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return ApiRequest(
        method=scope["method"],
        path=scope["path"],
        query=tuple(parse_qsl(scope["query_string"].decode(), keep_blank_values=True)),
        headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
        body=body,
        address=scope["client"][0] if scope.get("client") else "",
    )


def _encode(response: ApiResponse, *, accepts_gzip: bool) -> None:
    """Compress the body where the client accepts gzip, decompress it where not."""
    if "Content-Encoding" in response.headers or response.feed is not None:
        return
    if response.gzipped and not accepts_gzip:
        response.body = gzip.decompress(response.body)
    elif accepts_gzip and not response.gzipped and len(response.body) > MIN_GZIP_BYTES:
        response.body, response.gzipped = gzip.compress(response.body, compresslevel=1, mtime=0), True
    if response.gzipped and accepts_gzip:
        response.headers["Content-Encoding"] = "gzip"


async def _send_start(response: ApiResponse, send: Send) -> None:
    length = {} if response.stream else {"Content-Length": str(len(response.body))}
    headers = {"Content-Type": response.media, **length, **response.headers}
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": raw})


async def _chunks(response: ApiResponse) -> AsyncIterator[tuple[bytes, bool]]:
    """Yield the body in chunks, each with whether it is the last one."""
    end = int(len(response.body) * (1 if response.cut is None else response.cut))
    size = (end + 1) // 2 if response.stall else CHUNK_BYTES
    for start in range(0, max(end, 1), max(size, 1)):
        if start and response.stall:
            await asyncio.sleep(response.stall)
        yield response.body[start : min(start + size, end)], start + size >= end


async def _close_connection(scope: Scope, receive: Receive) -> None:
    """Close the connection and wait until the server has noticed."""
    cast("asyncio.Transport", scope["extensions"][TRANSPORT]).close()
    while (await receive())["type"] != "http.disconnect":
        pass
