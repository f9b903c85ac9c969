"""Machines that are network namespaces, joined by a bridge: each has an address, and can be cut off."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import dataclasses
import os
import secrets
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

CLONE_NEWNET = 0x40000000  # of <sched.h>
ENTER = 'hostname "$0" && mount --bind "$1" "$2" && cd "$2" && shift 2 && exec "$@"'


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=30)


def can_create_namespaces() -> bool:
    """Return whether this user may create network namespaces here."""
    if os.getuid() != 0 or shutil.which("ip") is None:
        return False
    name = f"fl-{secrets.token_hex(3)}"
    try:
        _ip("netns", "add", name)
        _ip("netns", "delete", name)
    except subprocess.CalledProcessError:
        return False
    return True


needs_namespaces = pytest.mark.skipif(
    not can_create_namespaces(), reason="this user cannot create network namespaces"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Machine:
    """A network namespace. A command that is put behind `prefix` runs in it."""

    name: str

    @property
    def prefix(self) -> Sequence[str]:
        """The start of a command that runs on this machine."""
        return ("ip", "netns", "exec", self.name)

    def with_home(self, home: Path, place: Path) -> Sequence[str]:
        """Return the start of a command that runs here, in the folder `home`, which is at `place` here.

        So machines have different files at the same path. Their host names differ, too.
        """
        return (*self.prefix, "unshare", "--uts", "sh", "-c", ENTER, self.name, str(home), str(place))

    @contextlib.contextmanager
    def forward(self, *ports: int) -> Iterator[None]:
        """Pass each connection to one of these ports of the machine's loopback on to that of this machine."""

        def start(port: int) -> asyncio.Server:
            async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                with contextlib.suppress(OSError):
                    inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
                    await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))
                writer.close()

            serve = asyncio.start_server(connect, sock=_listen_in(self.name, port))
            return asyncio.run_coroutine_threadsafe(serve, loop).result(10)

        async def stop() -> None:
            for server in servers:
                server.close()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        servers: list[asyncio.Server] = []
        try:
            servers += map(start, ports)
            yield
        finally:
            asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)
            loop.close()

    def cut_off(self) -> None:
        """Take the machine off the network: its connections hang, and nobody tells their other ends."""
        _ip("link", "set", f"{self.name}-h", "down")

    def reconnect(self) -> None:
        """Bring the machine back to the network."""
        _ip("link", "set", f"{self.name}-h", "up")


@dataclasses.dataclass(frozen=True, slots=True)
class Network:
    """A network of machines, in which `host` is the address of this machine, where the servers listen."""

    host: str
    machines: Sequence[Machine]


@contextlib.contextmanager
def network_of(count: int) -> Iterator[Network]:
    """Create machines in a network of their own."""
    bridge = f"fl{secrets.token_hex(3)}"
    subnet = f"10.231.{secrets.randbelow(250) + 1}"  # tests in other processes have networks, too
    with contextlib.ExitStack() as stack:
        _ip("link", "add", bridge, "type", "bridge")
        stack.callback(_ip, "link", "delete", bridge)
        _ip("address", "add", f"{subnet}.1/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        machines = [
            stack.enter_context(_machine(bridge, f"{bridge}{number}", f"{subnet}.{number + 2}/24"))
            for number in range(count)
        ]
        yield Network(f"{subnet}.1", machines)


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(1 << 16):
            target.write(data)
            await target.drain()
    target.close()


def _listen_in(namespace: str, port: int) -> socket.socket:
    """Return a socket that listens on the loopback of a network namespace."""

    def listen() -> socket.socket:
        with Path("/run/netns", namespace).open() as file:
            if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "cannot enter the namespace")
        return socket.create_server(("127.0.0.1", port))

    with ThreadPoolExecutor(1) as own:  # only this thread enters the namespace, and ends there
        return own.submit(listen).result()


@contextlib.contextmanager
def _machine(bridge: str, name: str, address: str) -> Iterator[Machine]:
    _ip("netns", "add", name)
    try:
        outside, inside = f"{name}-h", f"{name}-m"
        _ip("link", "add", outside, "type", "veth", "peer", "name", inside, "netns", name)
        _ip("link", "set", outside, "master", bridge, "up")
        for command in (
            ("address", "add", address, "dev", inside),
            ("link", "set", inside, "up"),
            ("link", "set", "lo", "up"),
        ):
            _ip("-n", name, *command)
        yield Machine(name)
    finally:
        _ip("netns", "delete", name)  # and both ends of the cable
