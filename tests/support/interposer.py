"""A server between a client and a sandbox, like a proxy: it passes requests on, or answers in raw bytes."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field

from sandbox.options import Options
from sandbox.server import serve

# The bytes of an answer, whole or in parts; after the last part the connection closes.
Answer = bytes | Sequence[bytes]


@dataclass(slots=True)
class _Rule:
    path: str
    answer: Answer
    times: int | None
    after: int


@dataclass(slots=True)
class Interposer:
    """The address of the server, and the paths of the requests that it received and answered itself."""

    url: str = ""
    received: list[str] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    _rules: list[_Rule] = field(default_factory=list)

    def answer(self, path: str, answer: Answer, times: int | None = None, *, after: int = 0) -> None:
        """Answer requests for `path` (empty: any), `times` of them or all, in the place of the sandbox.

        The first `after` of them pass.
        """
        self._rules.append(_Rule(path, answer, times, after))

    @contextlib.contextmanager
    def answering(self, path: str, answer: Answer, times: int | None = None) -> Iterator[None]:
        """Forget the requests so far; answer as `answer` does, and pass every request on at the end."""
        self.answered.clear()
        self.answer(path, answer, times)
        try:
            yield
        finally:
            self.stop_answering()

    def stop_answering(self) -> None:
        """Pass every request on."""
        self._rules.clear()

    def find_answer(self, path: str) -> Answer | None:
        """Return the answer to a request for `path`; None to pass it on."""
        self.received.append(path)
        for rule in self._rules:
            if rule.path not in {"", path}:
                continue
            rule.after -= 1
            if rule.after < 0 and rule.times != 0:
                rule.times = None if rule.times is None else rule.times - 1
                self.answered.append(path)
                return rule.answer
        return None


@contextlib.contextmanager
def sandbox_behind_interposer() -> Iterator[Interposer]:
    """Run a sandbox of 50 items, and a server in front of it."""
    with (
        serve(Options(items=50, refresh=0, limits=False)) as sandbox,
        interposer(int(sandbox.url.rpartition(":")[2])) as between,
    ):
        yield between


@contextlib.contextmanager
def interposer(port: int | None) -> Iterator[Interposer]:
    """Run the server in a thread, in front of the sandbox at `port`; None: what is not answered is closed."""
    server, ready, loop = Interposer(), threading.Event(), asyncio.new_event_loop()

    running_tasks = set[object]()  # the event loop keeps weak references only

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running_tasks.add(task := asyncio.current_task())
        try:
            await _answer_or_pass_on(server, port, reader, writer)
        finally:
            running_tasks.discard(task)
            writer.close()

    async def run() -> None:
        listener = await asyncio.start_server(handle, "127.0.0.1", 0)
        server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        ready.set()
        with contextlib.suppress(asyncio.CancelledError):
            await listener.serve_forever()

    def run_loop() -> None:
        asyncio.set_event_loop(loop)
        running = loop.create_task(run())
        loop.run_until_complete(running)
        for task in asyncio.all_tasks(loop):  # answers without end
            task.cancel()
        loop.run_until_complete(asyncio.gather(*asyncio.all_tasks(loop), return_exceptions=True))
        loop.close()

    thread = threading.Thread(target=run_loop)
    thread.start()
    ready.wait()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(lambda: [task.cancel() for task in asyncio.all_tasks(loop)])
        thread.join()


async def _answer_or_pass_on(
    server: Interposer, port: int | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ", 2)[1].partition(b"?")[0].decode()
        answer = server.find_answer(path)
        if answer is not None:
            await _send(writer, answer)
        elif port is not None:
            body = await reader.readexactly(_content_length(head))
            async for part in _pass_on(head, body, port):
                await _send(writer, part)


async def _send(writer: asyncio.StreamWriter, answer: Answer) -> None:
    for part in [answer] if isinstance(answer, bytes) else answer:
        writer.write(part)
        await writer.drain()


def _content_length(head: bytes) -> int:
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
    return int(fields.get(b"content-length", b"0"))


async def _pass_on(head: bytes, body: bytes, port: int) -> AsyncIterator[bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    line, _, rest = head.partition(b"\r\n")
    writer.write(
        line + b"\r\nConnection: close\r\n" + rest.replace(b"Connection: keep-alive\r\n", b"") + body
    )
    try:
        while part := await reader.read(1 << 16):
            yield part
    finally:
        writer.close()
