"""The ASGI application of a sandbox: both APIs, which share no path, and the control routes."""

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from sandbox.asgi.control import control_app
from sandbox.asgi.cs2cap import Cs2capApp
from sandbox.asgi.skinshark import SkinsharkApp, control_skinshark
from sandbox.core import Sandbox

CONTROL = "/_sandbox/"
SKINSHARK_CONTROL = "/_sandbox/skinshark"
SKINSHARK_FAULTS = "/_sandbox/skinshark/faults"
SKINSHARK_PATHS = ("/merchant", "/market", "/user", "/auth")


class Router:
    """Routes a request to the control routes, to SkinShark, or (any other path) to CS2Cap."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._control = control_app(sandbox)
        self._cs2cap, self._skinshark = Cs2capApp(sandbox), SkinsharkApp(sandbox)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request."""
        path: str = scope["path"]
        if path in {SKINSHARK_CONTROL, SKINSHARK_FAULTS}:
            response = await control_skinshark(self._sandbox, Request(scope, receive))
            await response(scope, receive, send)
        elif path.startswith(CONTROL):
            await self._control(scope, receive, send)
        elif path.startswith(SKINSHARK_PATHS):
            await self._skinshark(scope, receive, send)
        else:
            await self._cs2cap(scope, receive, send)
