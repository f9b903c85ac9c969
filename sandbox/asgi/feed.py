"""Send a feed: what it has, as that comes, until it ends or the client is gone."""

import asyncio
from contextlib import suppress

from starlette.types import Receive, Send

from sandbox.core import Sandbox
from sandbox.http_types import Feed

POLL_SECONDS = 0.02


async def send_feed(sandbox: Sandbox, feed: Feed, receive: Receive, *, send: Send) -> None:
    """Send the chunks of a feed after the start of its response; leave the end of the body to the caller."""
    gone = asyncio.create_task(_wait_for_disconnect(receive))
    try:
        # A server that stops cancels what it still sends: to a feed this is an end like any other.
        with suppress(asyncio.CancelledError):
            await _send_chunks(sandbox, feed, gone, send=send)
    finally:
        gone.cancel()


async def _send_chunks(sandbox: Sandbox, feed: Feed, gone: asyncio.Task[None], *, send: Send) -> None:
    # Other threads and the clock change the market, so that no event of asyncio tells what is new.
    while feed.end is None and not gone.done():
        with sandbox.lock:
            sandbox.sync()
            chunks = feed.poll(sandbox.clock.now())
        for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await asyncio.wait({gone}, timeout=POLL_SECONDS)


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
