"""SkinShark as an ASGI application, and the front that serves both APIs, which share no path."""

import gzip
from email.utils import format_datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from sandbox.asgi.cs2cap import Cs2capApp, close_connection
from sandbox.clock import iso
from sandbox.core import Sandbox
from sandbox.http_types import ApiResponse
from sandbox.skinshark.api import ApiRequest
from sandbox.skinshark.merchant import Merchant

CONTROL = "/_sandbox/skinshark"
PLACES = ("/merchant", "/market", "/user")


class Router:
    """Serves SkinShark's paths, its control route, and CS2Cap everywhere else."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._cs2cap, self._skinshark, self._sandbox = Cs2capApp(sandbox), SkinsharkApp(sandbox), sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path: str = scope["path"]
        if path == CONTROL:
            await (await self._control(Request(scope, receive)))(scope, receive, send)
        elif path.startswith(PLACES):
            await self._skinshark(scope, receive, send)
        else:
            await self._cs2cap(scope, receive, send)

    async def _control(self, request: Request) -> Response:
        """Do to the merchant or its answers what a body says; what is asked wrongly is answered with 400."""
        try:
            body = await request.json()
            shark = self._sandbox.skinshark
            if "fault" in body:
                shark.fault(body.pop("fault"), **body)
            else:
                _apply_control(shark.merchant, body)
            return JSONResponse({"requests": len(shark.requests)})
        except (ValueError, KeyError, TypeError) as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)


def _apply_control(merchant: Merchant, body: dict[str, str]) -> None:
    if "revoke" in body:
        merchant.revoke(body["revoke"])
    if "restore" in body:
        merchant.restore(body["restore"])
    merchant.state = body.get("state", merchant.state)
    merchant.tier = body.get("tier", merchant.tier)


class SkinsharkApp:
    """Answers as SkinShark does, and keeps a log of the requests."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        sandbox, shark = self._sandbox, self._sandbox.skinshark
        call = _call(Request(scope))
        key = call.headers.get("api-key", "")
        query = scope["query_string"].decode()
        log = shark.requests.add(iso(sandbox.clock.us()), call.method, call.path, query, key[-4:] or None)
        striking = shark.matching_faults(call)
        for fault in striking:
            await fault.wait()
        with sandbox.lock:
            sandbox.sync()
            answer = shark.answer(call, striking)
        log.status, log.code = (None, "drop") if answer.drop else (answer.status, answer.code)
        if answer.drop:
            await close_connection(scope, receive)
        else:
            await _response(answer, call, format_datetime(sandbox.clock.now(), usegmt=True))(
                scope, receive, send
            )


def _call(request: Request) -> ApiRequest:
    address = request.client.host if request.client else ""
    return ApiRequest(
        request.method, request.url.path, dict(request.query_params), dict(request.headers), address
    )


def _response(answer: ApiResponse, call: ApiRequest, date: str) -> Response:
    body, headers = answer.body, {**answer.headers, "date": date}
    if "gzip" in call.headers.get("accept-encoding", "") and len(body) > 500:
        body = gzip.compress(body, compresslevel=1, mtime=0)
        headers["content-encoding"] = "gzip"
    return Response(body, answer.status, headers, answer.media)
