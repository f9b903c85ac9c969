"""Several responses that grow far beyond memory, at once; prints the peak of this process's memory in MB."""

from __future__ import annotations

import asyncio
import itertools
import zlib

from backports import zstd

from common.clock import SystemClock
from common.errors import TooLarge
from connectors.cs2cap.client import Cs2capClient
from connectors.http.auth import Key
from connectors.http.retry import RetryPolicy
from tests.support.http_servers import http_response, stub_server
from tests.support.memory import peak_memory_mb

COUNT = 8
MEGABYTES = 300


def _pack(part: bytes, coding: str) -> bytes:
    compressor = zstd.ZstdCompressor() if coding == "zstd" else zlib.compressobj(wbits=31)
    return b"".join([*(compressor.compress(part) for _ in range(MEGABYTES)), compressor.flush()])


async def explode() -> None:
    """Request `COUNT` bombs of each kind at once; every request ends with TooLarge."""
    compressed = [
        http_response(_pack(unit * (2**20 // len(unit)), coding), content_encoding=coding)
        for unit in (b" ", b"1,")
        for coding in ("gzip", "zstd")
    ]
    turns = itertools.cycle([None, *compressed])

    async def respond(_head: bytes, writer: asyncio.StreamWriter) -> None:
        answer = next(turns)
        if answer is not None:
            writer.write(answer)
            return
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" " * 2**16)
            await writer.drain()

    async with stub_server(respond) as server:
        client = Cs2capClient(
            "cs2cap", server.url, Key("k" * 20), SystemClock(), retry=RetryPolicy(attempts=1), deadline=120.0
        )
        requests = (client.get("/v1/prices") for _ in range(5 * COUNT))
        outcomes = await asyncio.gather(*requests, return_exceptions=True)
        await client.aclose()
    assert [type(outcome) for outcome in outcomes] == [TooLarge] * 5 * COUNT, outcomes


if __name__ == "__main__":
    asyncio.run(explode())
    print(peak_memory_mb())  # noqa: T201
