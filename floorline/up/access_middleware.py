"""What stands before the Prefect server: it refuses host names and web pages that are not its own."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.addresses import LOOPBACK

ANY: Final = "*"


def restrict_access(app: ASGIApp, origins: Collection[str], *, any_host: bool = False) -> ASGIApp:
    """Return `app`, protected from other host names and origins.

    `origins` are the origins of the web pages that may send requests, such as "http://127.0.0.1:4200"; "*" is
    any. A request must name loopback or the host of an origin as its host: the name of another site that
    resolves to this machine is how a web page would reach it (DNS rebinding). With `any_host`, for a server
    on all addresses, whose names nobody knows, a page may also send requests to the host that it came from.
    """
    hosts = {urlsplit(origin).hostname or "" for origin in origins if origin != ANY}
    allowed = [ANY] if any_host else sorted((LOOPBACK | hosts) - {""})
    return TrustedHostMiddleware(
        OriginMiddleware(app, origins, own_host=any_host), allowed, www_redirect=False
    )


class OriginMiddleware:
    """Refuses the requests and WebSockets of web pages of other origins, and frames around its own pages.

    Browsers send `Origin` with each of them; without it they send only what no page can read, and what
    changes nothing. Other programs send none.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str], *, own_host: bool = False) -> None:
        self._app = app
        self._origins = frozenset(origins)
        self._own_host = own_host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request or WebSocket."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        own = self._own_host and origin is not None and urlsplit(origin).netloc == headers.get("host")
        if own or origin is None or origin in self._origins or ANY in self._origins:
            await self._app(scope, receive, _forbid_frames(send))
        else:
            await PlainTextResponse("Invalid origin", status_code=403)(scope, receive, send)


def _forbid_frames(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Frame-Options"] = "DENY"
            headers["Content-Security-Policy"] = "frame-ancestors 'none'"
        await send(message)

    return send_with_headers
