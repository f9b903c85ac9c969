"""Loopback servers: a stub that sends given bytes, such as no real API sends, and a webhook receiver."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

WEBHOOK_PASSWORD = "planted-hunter22"
Respond = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class StubServer:
    """The address of a stub server, and the heads (request line and headers) of the requests it received."""

    url: str = ""
    heads: list[bytes] = field(default_factory=list)


@contextlib.asynccontextmanager
async def stub_server(respond: Respond | bytes, host: str = "127.0.0.1") -> AsyncIterator[StubServer]:
    """Serve `respond`, one request per connection: bytes to send, or a coroutine that writes them."""
    server, handlers = StubServer(), set[asyncio.Task[None]]()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.add(cast("asyncio.Task[None]", asyncio.current_task()))
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
        except asyncio.CancelledError:
            writer.transport.abort()  # the client no longer reads what is left
            raise
        finally:
            writer.close()

    listener = await asyncio.start_server(handle, host, 0)
    server.url = f"http://{host}:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
        for handler in handlers:
            handler.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)


def http_response(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """Return the bytes of a response; underscores in header names become hyphens."""
    fields = {"content_type": "application/json", "content_length": str(len(body)), **headers}
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "connection: close", "", ""]).encode() + body


@dataclass(slots=True)
class WebhookReceiver:
    """The port of a webhook receiver, its `received` messages as (Unix time, JSON), and its HTTP status."""

    port: int = 0
    status: int = 200
    received: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The URL for Apprise, with a password that no output may show."""
        return f"json://user:{WEBHOOK_PASSWORD}@127.0.0.1:{self.port}/alerts"

    @property
    def titles(self) -> list[str]:
        """The titles of the received messages, in order."""
        return [message["title"] for _, message in self.received]


@contextlib.contextmanager
def webhook_receiver() -> Iterator[WebhookReceiver]:
    """Run a webhook receiver; it keeps the messages that it answers with a success."""
    receiver = WebhookReceiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            if receiver.status < 300:
                receiver.received.append((time.time(), json.loads(content)))
            self.send_response(receiver.status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
