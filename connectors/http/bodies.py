"""Read the bodies of responses, which are bounded by themselves and all together."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Final, TypeVar

from common.errors import SourceError, TooLarge
from connectors.http.auth import KeyMask
from connectors.http.compression import ENDLESS, Decompressor
from connectors.http.encoded_body import (
    BYTE_ORDER_MARK,
    MAX_BODY_BYTES,
    SMALL_BODY_BYTES,
    Decompress,
    EncodedBody,
)
from connectors.http.errors import ErrorBody
from connectors.http.transport import StreamingResponse

_T = TypeVar("_T")
_MAX_ERROR_BYTES: Final = 2**16
# The status says what happened; the body of an error says it in words, and is not worth a long wait.
_ERROR_BODY_SECONDS: Final = 5.0


class BodyBudget:
    """The memory that the bodies of one client share: small ones pass, and of large ones one at a time."""

    def __init__(self) -> None:
        self._large = asyncio.Lock()

    async def read(self, response: StreamingResponse, until_done: AsyncExitStack) -> bytes:
        """Return the body of a success, not inflated.

        A large body waits for the one before it, and keeps the next one waiting until `until_done` closes.
        Raises TooLarge, RequestTimeout and ConnectionLost.
        """
        raw, is_large = bytearray(), False
        while chunk := await response.read_chunk():
            raw += chunk
            if max(len(raw), response.content_length) > MAX_BODY_BYTES:
                raw.clear()  # the error keeps this frame
                raise TooLarge(f"{response.request}: {ENDLESS}", response.source)
            if len(raw) > SMALL_BODY_BYTES and not is_large:
                is_large = True
                await until_done.enter_async_context(self._large)
        return bytes(raw)

    async def process(
        self, body: EncodedBody, until_done: AsyncExitStack, work: Callable[[Decompress], Awaitable[_T]]
    ) -> _T:
        """Return the result of `work`, which inflates the body before it does anything else.

        Where the content is large, `work` runs a second time, in the turn of this body.
        """
        is_large = len(body.raw) > SMALL_BODY_BYTES
        if not is_large:
            try:
                return await work(body)
            except TooLarge:
                await until_done.enter_async_context(self._large)
        return await work(replace(body, limit=MAX_BODY_BYTES))


async def read_error_body(response: StreamingResponse, mask: KeyMask) -> ErrorBody:
    """Return the beginning of the body of a failed request, as far as it arrives and can be inflated.

    The status is the verdict: no failure to read its explanation replaces it.
    """
    raw, content, complete = bytearray(), bytearray(), True
    try:
        async with asyncio.timeout(_ERROR_BODY_SECONDS):
            while len(raw) < _MAX_ERROR_BYTES and (chunk := await response.read_chunk()):
                raw += chunk
        decompressor = Decompressor(response.headers.get("content-encoding", ""), "", "")
        for part in decompressor.feed(bytes(raw), MAX_BODY_BYTES):
            content += part[:_MAX_ERROR_BYTES]
            if len(content) >= _MAX_ERROR_BYTES:
                break
        complete = len(content) < _MAX_ERROR_BYTES and (decompressor.at_end or not raw)
    except (TimeoutError, SourceError):
        complete = False
    return ErrorBody(mask(bytes(content).removeprefix(BYTE_ORDER_MARK)), complete)
