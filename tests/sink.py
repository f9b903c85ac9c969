"""A loopback server that keeps what is posted to it, and when."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclasses.dataclass(slots=True)
class Sink:
    """Where it listens, what it got as (moment, JSON), and with what status it answers."""

    port: int = 0
    status: int = 200
    got: list[tuple[float, dict[str, Any]]] = dataclasses.field(default_factory=list)

    @property
    def url(self) -> str:
        """As Apprise wants it, with a password that is nobody's business."""
        return f"json://user:hunter22@127.0.0.1:{self.port}/alerts"

    @property
    def titles(self) -> list[str]:
        """What was told, in order."""
        return [told["title"] for _, told in self.got]


@contextlib.contextmanager
def sink() -> Iterator[Sink]:
    """Serve a sink."""
    kept = Sink()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            if kept.status < 300:
                kept.got.append((time.time(), json.loads(content)))
            self.send_response(kept.status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        kept.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield kept
        finally:
            server.shutdown()
            thread.join()
