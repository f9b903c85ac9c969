"""The Server-Sent Events of a response, one by one: httpx-sse decodes them, whatever the chunks."""

from __future__ import annotations

import codecs
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from httpx_sse import EventSource

from common.clock import Clock
from common.errors import ConnectionLost, TooLarge
from connectors.http.errors import EVENT_STREAM
from connectors.http.transport import StreamingResponse

if TYPE_CHECKING:
    from datetime import datetime

    from httpx_sse import ServerSentEvent

# A hundred thousand items are about 20 MB.
MAX_EVENT_BYTES: Final = 128 << 20
# An event and a comment end with an empty line.
ENDS: Final = (b"\n\n", b"\r\n\r\n", b"\r\r")


class EventStream:
    """The events of `response` as they arrive. `heard_at` (UTC) is when nothing of an event was missing last.

    Iteration raises ConnectionLost at the end of the response, which a source sends when it stops, TooLarge,
    and what reading the response raises. An event that is cut off is not yielded.
    """

    def __init__(self, response: StreamingResponse, clock: Clock) -> None:
        self.headers: Mapping[str, str] = {"content-type": EVENT_STREAM}  # the client has checked them
        self.heard_at: datetime = clock.now()
        self._response = response
        self._clock = clock
        self._unread = 0
        self._tail = b""

    async def events(self) -> AsyncIterator[ServerSentEvent]:
        """Yield the events in their order."""
        # All that httpx-sse asks of a response are its headers and its text.
        events = EventSource(cast("Any", self)).aiter_sse()
        try:
            async for event in events:
                self._unread = 0
                yield event
        finally:
            await events.aclose()
        raise ConnectionLost(f"{self._response.request}: the source ended the feed", self._response.source)

    async def aiter_text(self) -> AsyncIterator[str]:
        """Yield the text of the response as it arrives; a character that is cut by a chunk is whole."""
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        while chunk := await self._response.read_chunk():
            self._tail = (self._tail + chunk)[-4:]
            if self._tail.endswith(ENDS):
                self.heard_at = self._clock.now()
            self._unread += len(chunk)
            if self._unread > MAX_EVENT_BYTES:
                detail = f"{self._response.request}: an event is larger than {MAX_EVENT_BYTES >> 20} MB"
                raise TooLarge(detail, self._response.source)
            if text := decoder.decode(chunk):
                yield text
