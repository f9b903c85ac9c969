"""moto's S3 server with an outage: after POST /outage/SECONDS, it answers 503 for so long.

python -m tests.support.object_store_server HOST PORT
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

OUTAGE: Final = "/outage/"
UNAVAILABLE: Final = b"<Error><Code>ServiceUnavailable</Code><Message>Please try again.</Message></Error>"
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class WithOutage:
    """Passes requests on to an application, except during an outage."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._over_at = 0.0  # monotonic seconds

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        path = environ["PATH_INFO"]
        if path.startswith(OUTAGE):
            self._over_at = time.monotonic() + float(path.removeprefix(OUTAGE))
            start_response("200 OK", [("Content-Length", "0")])
            return []
        if time.monotonic() >= self._over_at:
            return self._application(environ, start_response)
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        headers = [("Content-Type", "application/xml"), ("Content-Length", str(len(UNAVAILABLE)))]
        start_response("503 Service Unavailable", headers)
        return [UNAVAILABLE]


if __name__ == "__main__":
    host, port = sys.argv[1:]
    server = WithOutage(DomainDispatcherApplication(create_backend_app))
    run_simple(host, int(port), server, threaded=True)
