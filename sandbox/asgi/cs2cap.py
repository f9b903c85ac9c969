"""The ASGI application: the API with its faults in front of it, and the control routes beside it."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from email.utils import format_datetime
from typing import cast
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.asgi.control import control_app
from sandbox.clock import iso
from sandbox.core import Sandbox
from sandbox.cs2cap import faults
from sandbox.cs2cap.fault_effects import apply_faults
from sandbox.cs2cap.faults import Fault
from sandbox.http_types import ApiRequest, ApiResponse

CHUNK_BYTES = 1 << 18  # bytes
TRANSPORT = "sandbox.transport"  # the scope's extension that holds the connection


class Cs2capApp:
    """Routes `/_sandbox` to the control and everything else to the API."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._control: ASGIApp = control_app(sandbox)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["path"].startswith("/_sandbox/"):
            await self._control(scope, receive, send)
        else:
            await self._api(scope, receive, send)

    async def _api(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        request = _request(scope, headers)._replace(body=await _body(scope, receive))
        sandbox = self._sandbox
        log = sandbox.requests.add(
            iso(sandbox.clock.us()),
            request.method,
            request.path,
            scope["query_string"].decode(),
            sandbox.keys.name(request.authorization),
        )
        with sandbox.lock:
            striking = sandbox.faults.matching(request)
        await asyncio.sleep(sum(fault.number("seconds", 1) for fault in striking if fault.kind == "latency"))
        answer = self._answer(request, striking)
        log.status, log.code = (None, "drop") if answer.drop else (answer.status, answer.code)
        try:
            _encode(answer, b"gzip" in headers.get(b"accept-encoding", b""))
            answer.headers["Date"] = self._date(striking)
            await _send(answer, scope, receive, send)
        finally:
            answer.over()

    def _answer(self, request: ApiRequest, striking: Sequence[Fault]) -> ApiResponse:
        sandbox = self._sandbox
        with sandbox.lock:
            for fault in striking:
                apply_market_fault(sandbox, fault, request)
            sandbox.sync()
            right = faults.replacement_response(striking) or sandbox.api.answer(
                faults.strip_offset(request, striking)
            )
        return apply_faults(right, striking, request)

    def _date(self, striking: Sequence[Fault]) -> str:
        skew = sum(fault.number("seconds", 0) for fault in striking if fault.kind == "skewed_date")
        return format_datetime(self._sandbox.clock.now() + timedelta(seconds=skew), usegmt=True)


def apply_market_fault(sandbox: Sandbox, fault: Fault, request: ApiRequest) -> None:
    """Do to the market or the key what a fault does; it shows at once.

    Rows come and go at the fault's `provider` and `item_ids`; without one, at the only provider asked for.
    """
    asked = request.all("providers")
    provider = fault.text("provider") or (asked[0] if len(asked) == 1 else None)
    if fault.kind in {"rows_appear", "rows_vanish"}:
        verb = sandbox.appear if fault.kind == "rows_appear" else sandbox.vanish
        verb(int(fault.number("n", 1)), provider=provider, item_ids=fault.numbers("item_ids"))
        sandbox.refresh()
    elif fault.kind == "dark":
        sandbox.set_provider_dark(fault.text("provider"))
    elif fault.kind == "revoke_key":
        sandbox.keys.revoke_bearer(request.authorization)


def _request(scope: Scope, headers: dict[bytes, bytes]) -> ApiRequest:
    query = tuple(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
    bearer = headers.get(b"authorization")
    return ApiRequest(
        scope["method"], scope["path"], query, None if bearer is None else bearer.decode("latin-1")
    )


async def _body(scope: Scope, receive: Receive) -> bytes:
    """Read what a request carries; a GET carries nothing."""
    body, more = b"", scope["method"] != "GET"
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def _encode(answer: ApiResponse, accepted: bool) -> None:
    """Compress the body where the client takes it, unpack it where not."""
    if "Content-Encoding" in answer.headers:
        return
    if answer.gzipped and not accepted:
        answer.body = gzip.decompress(answer.body)
    elif accepted and not answer.gzipped and len(answer.body) > 500:
        answer.body, answer.gzipped = gzip.compress(answer.body, compresslevel=1, mtime=0), True
    if answer.gzipped and accepted:
        answer.headers["Content-Encoding"] = "gzip"


async def _send(answer: ApiResponse, scope: Scope, receive: Receive, send: Send) -> None:
    if answer.drop:
        await close_connection(scope, receive)
        return
    length = {} if answer.stream else {"Content-Length": str(len(answer.body))}
    headers = {"Content-Type": answer.media, **length, **answer.headers}
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    async for piece, last in _pieces(answer):
        more = not last or answer.cut is not None
        await send({"type": "http.response.body", "body": piece, "more_body": more})
    if answer.cut is not None:
        await close_connection(scope, receive)


async def _pieces(answer: ApiResponse) -> AsyncIterator[tuple[bytes, bool]]:
    """Yield the body in pieces that the connection can take one by one, each with whether it is the last."""
    end = int(len(answer.body) * (1 if answer.cut is None else answer.cut))
    size = (end + 1) // 2 if answer.stall else CHUNK_BYTES
    for start in range(0, max(end, 1), max(size, 1)):
        if start and answer.stall:
            await asyncio.sleep(answer.stall)
        yield answer.body[start : min(start + size, end)], start + size >= end


async def close_connection(scope: Scope, receive: Receive) -> None:
    """Close the connection and wait until the server has noticed."""
    cast("asyncio.Transport", scope["extensions"][TRANSPORT]).close()
    while (await receive())["type"] != "http.disconnect":
        pass
