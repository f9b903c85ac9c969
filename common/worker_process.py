"""A worker process for work that may take long or die. It runs one call after another.

Both processes exchange pickles through a socket. The worker ends when the socket closes, in the middle of a
call, too: it does not outlive its parent.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pickle
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any, Final, TypeVar

_T = TypeVar("_T")
MEMORY = ", perhaps for lack of memory"
# Far longer than any page takes, and than an idle process takes to end.
CALL_SECONDS: Final = 600.0
STOP_SECONDS: Final = 30.0


class WorkerDied(Exception):
    """The worker process could not be started, or it died during a call. The text says which.

    `exit_code` is that of a process that was started; the number of a signal that killed it is negative.
    """

    def __init__(self, reason: str, exit_code: int | None = None) -> None:
        super().__init__(reason, exit_code)
        self.exit_code = exit_code

    def __str__(self) -> str:
        return str(self.args[0])


class WorkerTimedOut(WorkerDied):
    """The worker process gave no answer in time, and was ended."""


class Worker:
    """The parent's end of the worker process. Its methods block, a call for `limit` seconds at most.

    Raises WorkerDied where the process cannot be started. The process prints on stderr; nowhere if `quiet`.
    """

    def __init__(self, module: str, *, quiet: bool = False, limit: float = CALL_SECONDS) -> None:
        self._limit = limit
        self._socket, theirs = Pipe()
        # In its own session, Ctrl-C does not reach the worker: the parent still has pages for it.
        # -P keeps the working directory off sys.path, where a folder may have the name of a package of ours.
        command = (sys.executable, "-P", "-m", __name__, module, str(theirs.fileno()))
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL if quiet else 2,  # stdout is for the result of the command
                stderr=subprocess.DEVNULL if quiet else None,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        except OSError as error:
            self._socket.close()
            raise WorkerDied(f"could not be started: {error.strerror}") from error
        finally:
            theirs.close()
        import_error = self._receive()
        if import_error is not None:
            self.stop()
            raise WorkerDied(f"could not be started: {import_error}")

    def call(self, work: Callable[..., _T], *args: object, limit: float | None = None) -> _T:
        """Return what `work(*args)` returns, or raise what it raises, or WorkerDied.

        The call may take `limit` seconds, by default as long as any call of this worker; then it raises
        WorkerTimedOut.
        """
        self.send(pickle.dumps((work, args), pickle.HIGHEST_PROTOCOL))
        result: _T = self.receive_result(limit)
        return result

    def kill(self) -> None:
        """End the process in the middle of a call."""
        self._process.kill()

    def detach_socket(self) -> socket.socket:
        """Return the socket of the calls. No method here sends or receives any more."""
        with self._socket as connection:
            return socket.socket(fileno=os.dup(connection.fileno()))

    def find_end(self) -> WorkerDied:
        """Wait until a process whose socket is closed has ended; return how it ended."""
        code = self._process.wait()
        return WorkerDied(_describe_end(code), code)

    def send(self, request: bytes) -> None:
        """Send a pickled call."""
        with contextlib.suppress(OSError):  # the worker has died: receive_result raises WorkerDied
            self._socket.send_bytes(request)

    def receive_result(self, limit: float | None = None) -> Any:  # noqa: ANN401 - what the work returns
        """Return or raise the outcome of the next call. Raises WorkerDied."""
        result, error = self._receive(limit)
        if error is not None:
            raise error
        return result

    def stop(self) -> None:
        """Let the process end, and wait for it."""
        self._socket.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:  # stopped, or in a call to a disk that does not answer
            self._end()

    def _end(self) -> int:
        """Kill the process; return its exit code. A process whose disk does not answer ends later."""
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(STOP_SECONDS)
        return -signal.SIGKILL

    def _receive(self, limit: float | None = None) -> Any:  # noqa: ANN401
        seconds = self._limit if limit is None else limit
        try:
            if not self._socket.poll(seconds):
                raise WorkerTimedOut(f"gave no answer in {seconds:g} seconds, and was ended", self._end())
            response = self._socket.recv_bytes()
        except (EOFError, OSError):
            raise self.find_end() from None
        return pickle.loads(response)  # noqa: S301 - from our own worker


def _describe_end(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    return f"was killed by {signal.Signals(-code).name}{MEMORY if code == -signal.SIGKILL else ''}"


def main() -> None:
    """Serve the calls of the parent until it closes the socket."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a service manager signals every process of a service
    parent = Connection(int(sys.argv[2]))
    Thread(target=_end_with_parent, args=(parent.fileno(),), daemon=True).start()
    try:
        importlib.import_module(sys.argv[1])  # now: the parent waits for its success
    except Exception as error:  # noqa: BLE001 - the parent reports it
        parent.send(f"{type(error).__name__}: {error}")
        return
    parent.send(None)
    with contextlib.suppress(EOFError, OSError):
        while True:
            parent.send_bytes(_run(parent.recv_bytes()))
    os._exit(0)  # the parent waits, and there is nothing to clean up


def _end_with_parent(parent: int) -> None:
    """End this process when the parent closes the socket; for a killed parent, the system closes it."""
    hangup = select.poll()
    hangup.register(parent, 0)  # no event but a hangup or an error
    hangup.poll()
    os._exit(0)


def _run(request: bytes) -> bytes:
    try:
        work, args = pickle.loads(request)  # noqa: S301 - from our own parent
        return pickle.dumps((work(*args), None), pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # noqa: BLE001 - `call` raises it in the parent
        return pickle.dumps((None, error), pickle.HIGHEST_PROTOCOL)


if __name__ == "__main__":
    main()
