"""A loopback server that answers with given bytes: for what no decent API would send."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Respond = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Canned:
    """Where it listens, and the heads of the requests it got."""

    url: str = ""
    heads: list[bytes] = field(default_factory=list)


@asynccontextmanager
async def canned(respond: Respond | bytes) -> AsyncIterator[Canned]:
    """Serve `respond`, one request a connection: bytes to send, or a coroutine that writes them."""
    server = Canned()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            server.heads.append(head)
            if isinstance(respond, bytes):
                writer.write(respond)
            else:
                await respond(head, writer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(handle, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()


def answer(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """Put a whole response together; underscores in header names become hyphens."""
    given = {"content_type": "application/json", "content_length": str(len(body)), **headers}
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in given.items())]
    return "\r\n".join([*lines, "connection: close", "", ""]).encode() + body


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
