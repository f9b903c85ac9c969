"""A process of its own for work that would hold up the event loop: it does one thing after another.

Between the two go pickles, each behind its length. The process ends when its input does: it outlives its
parent by no more than what it has in hand.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import importlib
import os
import pickle
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Callable
from typing import IO, Any, Final, TypeVar

_T = TypeVar("_T")
_LENGTH: Final = 8
# A page of a catalog fits some times over, so that neither side waits for the other in the middle of one.
_PIPE: Final = 2**20


class WorkerDied(Exception):
    """The process is gone with whatever it had in hand, or never came to be: the text says which."""

    def __init__(self, how: str = "was killed, maybe for want of memory") -> None:
        super().__init__(how)


class WorkerProcess:
    """Runs functions of `module` in one process of its own, in the order of the calls, for one event loop."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._started: asyncio.Task[Process] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._asked: deque[asyncio.Future[Any]] = deque()

    @property
    def started(self) -> bool:
        """Whether there is such a process, or will be in a moment."""
        return self._started is not None

    def start(self) -> asyncio.Task[Process]:
        """Start the process, if that was not done yet."""
        if self._started is None:
            self._started = asyncio.create_task(_start_process(self._module))
        return self._started

    async def run(self, work: Callable[..., _T], *args: object) -> _T:
        """What `work(*args)` comes to, or raises; all of it must be such as can be pickled.

        Raises ProcessDied.
        """
        request = pickle.dumps((work, args), pickle.HIGHEST_PROTOCOL)
        process = await self._process()
        assert process.stdin is not None  # noqa: S101 - asked for; this tells the type checker
        if self._reading is None:
            self._reading = asyncio.create_task(self._read(process))
        if self._reading.done():
            raise WorkerDied
        answer: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self._asked.append(answer)
        process.stdin.write(len(request).to_bytes(_LENGTH) + request)
        return await answer

    async def close(self) -> None:
        """Let the process finish what it has in hand, and end."""
        if self._started is None:
            return
        try:
            process = await self._process()
        except WorkerDied:  # whoever had work for it was told
            return
        assert process.stdin is not None  # noqa: S101 - as above
        process.stdin.close()
        if self._reading is not None:
            await self._reading
        await process.wait()

    async def _process(self) -> Process:
        try:
            return await asyncio.shield(self.start())
        except OSError as error:
            raise WorkerDied(f"could not be started: {error.strerror}") from error

    async def _read(self, process: Process) -> None:
        assert process.stdout is not None  # noqa: S101 - as above
        try:
            while True:
                length = int.from_bytes(await process.stdout.readexactly(_LENGTH))
                result, error = pickle.loads(await process.stdout.readexactly(length))  # noqa: S301 - ours
                _resolve(self._asked.popleft(), result, error)
        except asyncio.IncompleteReadError:
            for answer in self._asked:
                _resolve(answer, None, WorkerDied())


def _resolve(answer: asyncio.Future[Any], result: object, error: Exception | None) -> None:
    if answer.cancelled():
        return
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)


async def _start_process(module: str) -> Process:
    # a session of its own: Ctrl-C is the parent's to hear, which still has pages for this process;
    # -P: a folder of our name where the user stands is none of ours
    command = (sys.executable, "-P", "-m", __name__, module)
    return await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, start_new_session=True)


def main() -> None:
    """Do what the parent asks for until it asks no more."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a service manager tells every process; see _spawn
    _enlarge_pipes(0, 1)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the work prints is no answer
    importlib.import_module(sys.argv[1])  # before it is asked for
    while request := _read(sys.stdin.buffer):
        answer = _answer(request)
        answers.write(len(answer).to_bytes(_LENGTH) + answer)
        answers.flush()
    os._exit(0)  # the parent waits, and there is nothing left to put in order


def _enlarge_pipes(*pipes: int) -> None:
    """Have pipes hold more, where the system lets them."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):
            for pipe in pipes:
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE)


def _read(requests: IO[bytes]) -> bytes:
    return requests.read(int.from_bytes(requests.read(_LENGTH)))


def _answer(request: bytes) -> bytes:
    try:
        work, args = pickle.loads(request)  # noqa: S301 - the parent's own
        return pickle.dumps((work(*args), None), pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # noqa: BLE001 - the caller's to handle
        return pickle.dumps((None, error), pickle.HIGHEST_PROTOCOL)


if __name__ == "__main__":
    main()
