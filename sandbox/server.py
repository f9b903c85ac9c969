"""Run a sandbox in the foreground, in a thread of this process, or in another process."""

import asyncio
import gc
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from typing import cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sandbox.asgi.app import TRANSPORT
from sandbox.asgi.router import Router
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import TIERS, VALID_KEY
from sandbox.options import Options
from sandbox.skinshark.merchant import FIRST_KEY
from sandbox.welcome import describe_sandbox

HOST = "127.0.0.1"


def run(options: Options) -> None:
    """Serve in the foreground until interrupted; print the URL and the keys first, then how to use them."""
    sandbox, listener = Sandbox(options), _bind(options.port)
    _prepare(sandbox, listener)
    gc.freeze()  # the market is never garbage: scanning it would delay responses
    sys.stdout.write(f"sandbox on {sandbox.url} key={VALID_KEY} skinshark={FIRST_KEY}\n\n")
    sys.stdout.write(describe_sandbox(sandbox.url))
    sys.stdout.flush()
    with suppress(KeyboardInterrupt):
        _build_server(sandbox).run(sockets=[listener])


@contextmanager
def serve(options: Options) -> Iterator[Sandbox]:
    """Run a sandbox at its `url` in a thread of this process until the block ends."""
    sandbox, listener = Sandbox(options), _bind(options.port)
    _prepare(sandbox, listener)
    server = _build_server(sandbox)
    thread = Thread(target=server.run, kwargs={"sockets": [listener]}, name="sandbox", daemon=True)
    thread.start()
    try:
        yield sandbox
    finally:
        server.should_exit = server.force_exit = True
        thread.join(10)
        listener.close()


@contextmanager
def spawn(options: Options) -> Iterator[str]:
    """Run a sandbox in another process until the block ends; yield its URL. Raises RuntimeError."""
    command = [sys.executable, "-P", "-m", "sandbox", *options.argv()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own module
        try:
            yield _read_url(process)
        finally:
            process.terminate()


def _read_url(process: subprocess.Popen[str]) -> str:
    line = process.stdout.readline() if process.stdout else ""
    if not line.startswith("sandbox on "):
        raise RuntimeError(f"the sandbox did not start (exit status {process.wait()})")
    return line.split()[2]


def _bind(port: int) -> socket.socket:
    """Return a listening socket: connections wait in its backlog until the server runs."""
    # Only with an explicit protocol does asyncio set TCP_NODELAY, which saves 45 ms per page.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError:
        listener.close()
        raise
    listener.listen(2048)
    listener.setblocking(False)
    return listener


def _prepare(sandbox: Sandbox, listener: socket.socket) -> None:
    sandbox.url = f"http://{HOST}:{listener.getsockname()[1]}"
    if sandbox.options.render_ahead:
        tier = TIERS[sandbox.options.tier]
        sandbox.api.pages.prerender(tier.page, sandbox.sync(), url=tier.url)


class _Protocol(HttpToolsProtocol):
    """HTTP that lets the application close the connection during a response, as real networks do."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = cast("dict[str, dict[object, object]]", {TRANSPORT: self.transport})


class _Server(uvicorn.Server):
    """A server that checks its stop flag often, so that tests do not wait for it."""

    async def main_loop(self) -> None:
        while not self.should_exit:  # noqa: ASYNC110 - signal handlers and other threads set it
            await asyncio.sleep(0.01)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End at once where that is forced: uvicorn waits 0.1 seconds even then, for responses under way."""
        if not self.force_exit:
            await super().shutdown(sockets)
            return
        for listener in (*self.servers, *(sockets or ())):
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()


def _build_server(sandbox: Sandbox) -> uvicorn.Server:
    config = uvicorn.Config(
        Router(sandbox),
        http=_Protocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,  # the host process configures its logs
        access_log=False,
        date_header=False,  # the responses are dated by the sandbox's clock
        server_header=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=1,
    )
    return _Server(config)
