"""The path `/metrics` of the server of `floorline up`: the metrics that the supervisor writes to a file."""

from __future__ import annotations

import base64
import hmac
from pathlib import Path
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

PATH: Final = "/metrics"
FILE: Final = "metrics.prom"


class MetricsPage:
    """Serves `file` at PATH to who knows the secret, and passes all other requests on to `app`."""

    def __init__(self, app: ASGIApp, file: Path, secret: str) -> None:
        self._app = app
        self._file = file
        self._expected = b"Basic " + base64.b64encode(secret.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request."""
        if scope["type"] != "http" or scope["path"] != PATH:
            await self._app(scope, receive, send)
            return
        await self._respond(Headers(scope=scope))(scope, receive, send)

    def _respond(self, headers: Headers) -> Response:
        given = headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, self._expected):
            challenge = {"WWW-Authenticate": 'Basic realm="floorline"'}
            return PlainTextResponse("the password is missing or wrong\n", 401, headers=challenge)
        try:
            return Response(self._file.read_bytes(), media_type=CONTENT_TYPE_LATEST)
        except FileNotFoundError:
            return PlainTextResponse("no metrics yet\n", 503)
