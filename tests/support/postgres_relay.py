"""A relay before PostgreSQL which, like a connection pooler, names a process that is not the server's."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

PROCESS_KEY = b"K\0\0\0\x0c"  # the message with the process and its key


@contextlib.contextmanager
def pooler_before(port: int) -> Iterator[int]:
    """Run the relay in front of a server on this port of the loopback; yield the relay's port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, port), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(60)


def _serve(listener: socket.socket, port: int) -> None:
    with contextlib.suppress(OSError):  # the listener was closed
        while True:
            client, _ = listener.accept()
            server = socket.create_connection(("127.0.0.1", port))
            threads = [
                threading.Thread(target=_copy, args=pair, daemon=True)
                for pair in ((client, server), (server, client))
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with source, target, contextlib.suppress(OSError):  # the other direction has ended
        while data := source.recv(1 << 16):
            place = data.find(PROCESS_KEY)
            if place >= 0:
                process = place + len(PROCESS_KEY)
                data = data[:process] + b"\0\0\0\x01" + data[process + 4 :]
            target.sendall(data)
        target.shutdown(socket.SHUT_RDWR)
