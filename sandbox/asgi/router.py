"""The ASGI application of a sandbox: both APIs, which share no path, and the control routes."""

from starlette.datastructures import Headers
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from sandbox.asgi.control import control_app
from sandbox.asgi.cs2cap import Cs2capApp
from sandbox.asgi.skinshark import SkinsharkApp, control_skinshark
from sandbox.core import Sandbox
from sandbox.welcome import describe_sandbox

CONTROL = "/_sandbox/"
SKINSHARK_CONTROL = "/_sandbox/skinshark"
SKINSHARK_FAULTS = "/_sandbox/skinshark/faults"
SKINSHARK_PATHS = ("/merchant", "/market", "/user", "/auth")


LOOPBACK = ("127.0.0.1", "localhost")


class Router:
    """Routes a request to the control routes, to SkinShark, or (any other path) to CS2Cap.

    Web pages are refused, which browsers name in `Origin`, and so are names of other sites that resolve to
    this machine: no page may command a sandbox.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._own_names = TrustedHostMiddleware(self._route, LOOPBACK, www_redirect=False)
        self._control = control_app(sandbox)
        self._cs2cap, self._skinshark = Cs2capApp(sandbox), SkinsharkApp(sandbox)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request."""
        if "origin" in Headers(scope=scope):
            await PlainTextResponse("Invalid origin", status_code=403)(scope, receive, send)
        else:
            await self._own_names(scope, receive, send)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path == "/" and scope["method"] in {"GET", "HEAD"}:
            await PlainTextResponse(describe_sandbox(self._sandbox.url))(scope, receive, send)
        elif path in {SKINSHARK_CONTROL, SKINSHARK_FAULTS}:
            response = await control_skinshark(self._sandbox, Request(scope, receive))
            await response(scope, receive, send)
        elif path.startswith(CONTROL):
            await self._control(scope, receive, send)
        elif path.startswith(SKINSHARK_PATHS):
            await self._skinshark(scope, receive, send)
        else:
            await self._cs2cap(scope, receive, send)
