"""A loopback server that answers with given bytes: for what no decent API would send."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

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
