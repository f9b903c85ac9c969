"""Serve the dashboard of a published database on one address, until the process is told to end."""

from __future__ import annotations

import contextlib
import errno
import re
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from signal import SIGINT, SIGTERM
from typing import Final

import uvicorn

from common.addresses import is_loopback_host
from common.errors import ConfigError
from common.text import quote
from dashboard.app import Dashboard
from dashboard.generations import GenerationFollower
from dashboard.prepared import PreparedMarket
from warehouse.paths import WarehousePaths

ROOT_PATH: Final = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")


def serve(
    paths: WarehousePaths,
    *,
    host: str,
    port: int,
    root_path: str = "",
    hosts: Sequence[str] = (),
    on_ready: Callable[[str], None],
) -> None:
    """Serve what a warehouse has published until Ctrl-C or SIGTERM.

    `hosts` are further names by which browsers may call the server, beside those of this machine. `on_ready`
    gets the address when the pages can be read. Raises ConfigError where the address cannot be used, or is
    open to the network without such names; and what `Generation` raises.
    """
    if not is_loopback_host(host) and not hosts:
        raise ConfigError(
            f"{host} is open to the network, and the pages have no password: name the hosts that may be"
            " called with --allow-host, or put a reverse proxy with a password before the dashboard"
        )
    if not ROOT_PATH.fullmatch(root_path):
        raise ConfigError(f"{quote(root_path)} is no path before other addresses: write it like /market")
    listener = _bind(host, port)
    url = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}/"
    serve_socket(listener, paths, root_path=root_path, hosts=hosts, on_ready=lambda: on_ready(url))


def serve_socket(
    listener: socket.socket,
    paths: WarehousePaths,
    *,
    root_path: str = "",
    hosts: Sequence[str] = (),
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve as `serve` does, on a socket that listens already; close it at the end."""
    send_at_once(listener)
    with (
        listener,
        GenerationFollower(
            paths.published_database, partial(PreparedMarket, paths), PreparedMarket.complete
        ) as follower,
    ):
        names = ["127.0.0.1", "localhost", "[::1]", *hosts]
        config = uvicorn.Config(
            Dashboard(follower, names, root_path).app,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=5,
        )
        on_ready()
        _Server(config).run(sockets=[listener])


class _Server(uvicorn.Server):
    """A server that ends well when it is told to: uvicorn itself would raise the signal again."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self.handle_exit) for number in (SIGINT, SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def send_at_once(listener: socket.socket) -> None:
    """Let the connections of a socket that listens send what they have, and not wait for a receipt.

    Without this, the body of an answer waits 40 ms for the receipt of its headers.
    """
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # connections inherit it


def _bind(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises ConfigError."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        reason = "another program uses it" if error.errno == errno.EADDRINUSE else error.strerror
        raise ConfigError(
            f"the dashboard cannot use {host} and port {port}: {reason}; choose another --port"
        ) from None
    listener.setblocking(False)
    return listener
