"""A worker process for an event loop: calls are sent in order, and their answers arrive in that order.

No thread takes part: to wake one up for each message would cost more than the message.
"""

from __future__ import annotations

import asyncio
import pickle
import signal
import struct
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Self, TypeVar, cast

from common.worker_process import CALL_SECONDS, Worker, WorkerDied, WorkerTimedOut

_T = TypeVar("_T")
_LENGTH: Final = struct.Struct("!i")  # before each message of a multiprocessing.Connection


class WorkerProcess:
    """Runs functions of `module` in one worker process, in the order of the calls. Use it in one event loop.

    A call may take `limit` seconds; then the process is killed.
    """

    def __init__(self, module: str, limit: float = CALL_SECONDS) -> None:
        self._module = module
        self._limit = limit
        self._calls = _CallQueue(limit)
        self._starting: asyncio.Task[None] | None = None

    @property
    def started(self) -> bool:
        """Whether the worker process was started."""
        return self._starting is not None

    def start(self) -> None:
        """Start the worker process on the first call, without waiting for it."""
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())

    async def run(self, work: Callable[..., _T], *args: object) -> _T:
        """Return what `work(*args)` returns, or raise what it raises; all of these must be picklable.

        Raises WorkerDied.
        """
        self.start()
        answer = self._calls.add(pickle.dumps((work, args), pickle.HIGHEST_PROTOCOL))
        result: _T = await asyncio.shield(answer)  # the answer arrives, also where nobody waits any more
        return result

    async def close(self) -> None:
        """Wait until the worker process has finished its calls and ended."""
        if self._starting is not None:
            await self._starting
            await self._calls.close()

    async def _start(self) -> None:
        """Start the process in a thread; where that fails, every call raises the reason."""
        try:
            worker = await asyncio.to_thread(Worker, self._module, limit=self._limit)
        except WorkerDied as error:
            self._calls.fail(error)
            return
        loop = asyncio.get_running_loop()
        await loop.create_unix_connection(lambda: self._calls.of(worker), sock=worker.detach_socket())


class _CallQueue(asyncio.Protocol):
    """The calls that wait for an answer, at the parent's end of the socket."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._worker: Worker | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._unsent: list[bytes] = []
        self._unanswered: deque[asyncio.Future[Any]] = deque()
        self._received = bytearray()
        self._timer: asyncio.TimerHandle | None = None
        self._death: WorkerDied | None = None

    def of(self, worker: Worker) -> Self:
        """Let `worker`, whose socket this protocol takes over, answer the calls."""
        self._worker = worker
        return self

    def add(self, request: bytes) -> asyncio.Future[Any]:
        """Send a pickled call, once there is a process; return the future of its answer."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._death is not None:
            answer.set_exception(self._death)
            return answer
        message = _LENGTH.pack(len(request)) + request
        self._unanswered.append(answer)
        if self._transport is None:
            self._unsent.append(message)
        else:
            self._transport.write(message)
            if len(self._unanswered) == 1:
                self._restart_timer()
        return answer

    async def close(self) -> None:
        """Wait for the last answer, and then for the end of the process."""
        while self._unanswered:
            await asyncio.wait([self._unanswered[-1]])
        self.fail(WorkerDied("was ended"))
        if self._transport is not None:
            self._transport.close()
        if self._worker is not None:
            await asyncio.to_thread(self._worker.stop)

    def fail(self, death: WorkerDied) -> None:
        """Let every call that has no answer, and every later one, raise the first `death`."""
        if self._death is not None:
            return
        self._death = death
        for answer in self._unanswered:
            if not answer.done():
                answer.set_exception(death)
        self._unanswered.clear()
        self._restart_timer()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the calls that came before the process had started."""
        self._transport = cast("asyncio.WriteTransport", transport)
        self._transport.writelines(self._unsent)
        self._unsent.clear()
        self._restart_timer()

    def connection_lost(self, _error: Exception | None) -> None:
        """Tell every call how the process ended."""
        if self._death is None and self._worker is not None:
            self.fail(self._worker.find_end())

    def data_received(self, data: bytes) -> None:
        """Hand the answers that are complete to their calls."""
        self._received += data
        while len(self._received) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._received)[0]
            if len(self._received) < end:
                return
            answer = bytes(self._received[_LENGTH.size : end])
            del self._received[:end]
            self._hand_over(answer)

    def _hand_over(self, message: bytes) -> None:
        try:
            result, error = pickle.loads(message)  # noqa: S301 - from our own worker
        except Exception as unreadable:  # noqa: BLE001 - the caller gets it
            result, error = None, unreadable
        answer = self._unanswered[0]
        if error is None:
            answer.set_result(result)
        else:
            answer.set_exception(error)
        self._unanswered.popleft()
        self._restart_timer()

    def _restart_timer(self) -> None:
        """Give the oldest call its time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._unanswered:
            self._timer = asyncio.get_running_loop().call_later(self._limit, self._end_process)

    def _end_process(self) -> None:
        if self._worker is not None and self._transport is not None:
            self._worker.kill()
            reason = f"gave no answer in {self._limit:g} seconds, and was ended"
            self.fail(WorkerTimedOut(reason, -signal.SIGKILL))
            self._transport.abort()
