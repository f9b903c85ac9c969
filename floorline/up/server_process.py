"""The Prefect server of `floorline up`: its port, its process, and whether it answers."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from common import supervisor_lock
from common.addresses import is_loopback_host
from common.errors import ConfigError
from floorline.up import access, environment
from floorline.up.process import ManagedProcess, ProcessExited

# In seconds.
START_TIMEOUT: Final = 120.0  # of the server, which creates its database at the first start
REACH_TIMEOUT: Final = 5.0  # of one request to a server that may be starting
POLL: Final = 0.1
NO_ADDRESS: Final = "--host must be an address of this machine"


class ServerProcess:
    """The process of the server, on a port that this process holds: nobody else can answer there.

    `host` and `port` are where the server listens; port 0 is any free one. Raises ConfigError.
    """

    def __init__(self, home: Path, logs: Path, lock_path: Path, *, host: str, port: int) -> None:
        self._listener = listen(host, port)
        self._logs = logs
        self.access = access.ServerAccess(
            access.api_address(host, self._listener.getsockname()[1]),
            access.choose_secret(),
            pid=os.getpid(),
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
            host=None if is_loopback_host(host) else host,
        )
        os.environ.update(self.access.env)
        descriptor = self._listener.fileno()
        self.process = ManagedProcess(
            "server",
            supervisor_lock.command("floorline.up.prefect_server", str(descriptor), host, str(home)),
            env=environment.server_env(self.access, lock_path),
            logs=logs,
            descriptors=[descriptor],
        )
        self.process.start(home)

    def check(self) -> None:
        """Raise ProcessExited if the server has died."""
        if self.process.returncode is not None:
            raise ProcessExited(self.process.describe_exit())

    async def wait_until_ready(self) -> None:
        """Wait until the server answers. Raises ProcessExited and ConfigError."""
        from floorline.up.server import is_reachable

        deadline = time.monotonic() + START_TIMEOUT
        while not await is_reachable(REACH_TIMEOUT):
            self.check()
            if time.monotonic() > deadline:
                raise ConfigError(f"no Prefect API answers at {self.access.api_url}: see {self._logs}")
            await asyncio.sleep(POLL)


def listen(host: str, port: int, *, option: str = "--port") -> socket.socket:
    """Return a listening socket; connections wait for the server.

    Raises ConfigError, which names the option with which another port can be chosen.
    """
    where = f"port {port} on {'loopback' if is_loopback_host(host) else host}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError):
        raise ConfigError(f"{where} cannot be used: {NO_ADDRESS}") from None
    # The port of a server that just stopped can be used again.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address[0], port, *address[2:]))
        listener.listen(2048)
    except (OSError, OverflowError) as error:
        listener.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRNOTAVAIL:
            raise ConfigError(f"{where} cannot be used: {NO_ADDRESS}") from None
        reason = error.strerror if isinstance(error, OSError) else "there is no such port"
        raise ConfigError(
            f"{where} cannot be used ({reason}): choose another one with {option}; 0 is any free one"
        ) from None
    return listener
