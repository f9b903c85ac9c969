"""Server-Sent Events are the same whatever the chunks in which they arrive."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ConnectionLost, TooLarge
from connectors.http import event_stream
from connectors.http.event_stream import EventStream
from connectors.http.transport import StreamingResponse
from tests.support.clocks import VirtualClock

NAMES = ["AK-47 | Redline", "★ Karambit", "龍王", ": ping", "data: 1", "a\r\nb\u2028c\x85d"]


class ChunkedResponse:
    """A response that arrives in these chunks."""

    request, source = "GET /v1/feed/prices", "cs2cap"

    def __init__(self, chunks: Sequence[bytes], clock: VirtualClock | None = None) -> None:
        self._chunks = iter(chunks)
        self._clock = clock or VirtualClock()

    async def read_chunk(self) -> bytes:
        """Return the next chunk, a second later; empty at the end."""
        await self._clock.sleep(1)
        return next(self._chunks, b"")


def read(chunks: Sequence[bytes]) -> list[tuple[str, Any]]:
    """Return the names and the data of the events up to the end of the response."""

    async def main() -> list[tuple[str, Any]]:
        stream = EventStream(cast("StreamingResponse", ChunkedResponse(chunks)), VirtualClock())
        events = []
        with contextlib.suppress(ConnectionLost):
            async for event in stream.events():
                events.append((event.event, json.loads(event.data)))  # noqa: PERF401 - those before the end
        return events

    return asyncio.run(main())


@given(st.data(), st.lists(st.sampled_from(NAMES), max_size=4), st.sampled_from([b"\n", b"\r\n"]))
def test_chunks_do_not_matter(data: st.DataObject, names: list[str], line_end: bytes) -> None:
    lines = b"".join(
        b": ping\n\nevent: prices.changed\ndata: %s\n\n" % json.dumps(name, ensure_ascii=False).encode()
        for name in names
    )
    text = (lines + b"event: prices.changed\ndata: 1\n").replace(b"\n", line_end)  # the last one is cut off
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    parts = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert read([part for part in parts if part]) == [("prices.changed", name) for name in names]


@pytest.mark.parametrize(
    ("chunks", "heard"),
    [
        ([b": ping\n", b"\n"], 2),
        ([b": ping\r", b"\n\r", b"\n"], 3),
        ([b"data: 1\n\n", b"data: 2\n"], 1),  # the second one is cut off
        ([b"data: 1\n\nda", b"ta: 2"], 0),  # so that some of it may have been under way at the first one
    ],
)
def test_stream_is_heard_up_to_the_end_of_an_event(chunks: list[bytes], heard: int) -> None:
    async def main() -> float:
        clock = VirtualClock()
        stream = EventStream(cast("StreamingResponse", ChunkedResponse(chunks, clock)), clock)
        began = stream.heard_at
        with contextlib.suppress(ConnectionLost):
            _ = [event async for event in stream.events()]
        return (stream.heard_at - began).total_seconds()

    assert asyncio.run(main()) == heard


def test_event_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "MAX_EVENT_BYTES", 1000)
    event = b"data: 1\n\n" * 10
    with pytest.raises(TooLarge):
        read([event] * 5 + [b"x" * 100] * 11)
