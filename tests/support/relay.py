"""A relay in front of a sandbox: it passes requests on, and changes the bodies of answers by their path."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

Edit = Callable[[bytes], bytes]
_DROPPED = frozenset({"content-length", "content-encoding", "transfer-encoding", "connection", "server"})


@dataclass(slots=True)
class Relay:
    """The address of a relay, the `edits` of bodies by path, and the paths of the requests that it got."""

    url: str = ""
    edits: dict[str, Edit] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)

    def replace(self, path: str, body: bytes) -> None:
        """Answer requests of a path with this body."""
        self.edits[path] = lambda _: body

    def count(self, path: str) -> int:
        """Return the number of requests of a path."""
        return self.paths.count(path)


@contextlib.contextmanager
def relay_to(sandbox_url: str) -> Iterator[Relay]:
    """Run a relay to the sandbox at this address."""
    relay, host = Relay(), urlsplit(sandbox_url).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._pass_on(b"")

        def do_POST(self) -> None:
            self._pass_on(self.rfile.read(int(self.headers["Content-Length"] or 0)))

        def _pass_on(self, content: bytes) -> None:
            path = urlsplit(self.path).path
            relay.paths.append(path)
            headers = {k: v for k, v in self.headers.items() if k.lower() not in {"host", "accept-encoding"}}
            connection = HTTPConnection(host)
            with contextlib.closing(connection):
                connection.request(self.command, self.path, content or None, headers)
                response = connection.getresponse()
                body = response.read()
            if response.status == 200 and path in relay.edits:
                body = relay.edits[path](body)
            self.send_response_only(response.status)
            for name, value in response.getheaders():
                if name.lower() not in _DROPPED:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        relay.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield relay
        finally:
            server.shutdown()
            thread.join()
