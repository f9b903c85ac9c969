"""Access to a running `floorline up`: where it is, its Prefect API and its secret, for its user.

Whoever reaches the server can have a worker run a command. So the server asks for a secret, which is new at
each start, and which is in a file of mode 0600 in a folder of mode 0700. The file counts only while
`floorline up` holds its lock, and with it the port: nobody else can have taken the server's place.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import stat
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from common import supervisor_lock
from common.addresses import WILDCARDS, is_loopback
from common.errors import ConfigError
from common.files import translate_os_errors
from common.warehouse_errors import WarehouseUnusable
from floorline.up import logs
from floorline.up.environment import AUTH, SERVER_AUTH
from flows.prefect_api import prefect_url

if TYPE_CHECKING:
    from floorline.monitoring.status import UpStatus

_FILE: Final = "up.json"


@dataclass(frozen=True, slots=True)
class ServerAccess:
    """A running `floorline up`: the address of its Prefect API, and the secret as USER:PASSWORD.

    The secret is None where the server is not that of `floorline up`. `pid` is the process of `floorline up`,
    `started_at` its start (ISO 8601, UTC), `pool_paused` whether the work pool is paused, so that nothing
    runs; `host` is what the server listens on, if that is more than loopback; `dashboard` is the address of
    the dashboard, if `floorline up` runs it.
    """

    api_url: str
    secret: str | None = field(repr=False)
    pid: int | None = None
    started_at: str | None = None
    pool_paused: bool = False
    host: str | None = None
    dashboard: str | None = None

    @property
    def page(self) -> str:
        """The address of Prefect's page."""
        return self.api_url.removesuffix("/api")

    @property
    def status(self) -> UpStatus:
        """What `floorline status` shows of it."""
        from floorline.monitoring.status import UpStatus

        started_at = datetime.fromisoformat(self.started_at) if self.started_at else None
        return UpStatus(self.page, self.pid, started_at, self.pool_paused)

    @property
    def origins(self) -> tuple[str, ...]:
        """The origins of Prefect's page, by both names of this machine."""
        return self.page, self.page.replace("127.0.0.1", "localhost")

    @property
    def env(self) -> dict[str, str]:
        """The environment variables of Prefect's clients; no proxy gets between them and this machine."""
        if self.secret is None:
            return {"PREFECT_API_URL": self.api_url}
        host = urlsplit(self.api_url).hostname or ""
        direct = ",".join(filter(None, (os.environ.get("no_proxy") or os.environ.get("NO_PROXY"), host)))
        return {"PREFECT_API_URL": self.api_url, AUTH: self.secret, "NO_PROXY": direct, "no_proxy": direct}


def api_address(host: str, port: int) -> str:
    """Return the address of the API for clients on this machine, of a server that listens on `host`."""
    name = WILDCARDS.get(host, host)
    return f"http://{f'[{name}]' if ':' in name else name}:{port}/api"


def prefect_home(root: Path) -> Path:
    """Return the folder of Prefect in the warehouse at `root`."""
    # In contrast to Path.resolve, this takes links that go round as they are.
    return Path(os.path.realpath(root)) / "prefect"


def supervisor_lock_path(home: Path) -> Path:
    """Return the path of the lock of `floorline up`."""
    return home / "up.lock"


def new_secret() -> str:
    """Return a secret that nobody can guess: the user name `floorline` and a random password."""
    return f"floorline:{secrets.token_urlsafe(32)}"


def choose_secret() -> str:
    """Return the secret that the user has set for the server, else a new one. Raises ConfigError."""
    secret = os.environ.get(SERVER_AUTH) or new_secret()
    if not re.fullmatch(r"[!-9;-~]+:[!-~]+", secret):
        raise ConfigError(f"{SERVER_AUTH} must be USER:PASSWORD, of ASCII characters without blanks")
    return secret


def make_private(folder: Path) -> None:
    """Create a folder that only this user can enter, or make it so. Raises WarehouseUnusable."""
    with translate_os_errors(folder):
        folder.mkdir(mode=0o700, exist_ok=True)
        owners = {folder.lstat().st_uid, folder.stat().st_uid}  # of a symbolic link, and of its target
        if owners != {os.geteuid()}:
            raise WarehouseUnusable(f"{folder} belongs to another user: no secret goes there", folder)
        if stat.S_IMODE(folder.stat().st_mode) & 0o077:
            folder.chmod(0o700)


def write_access(home: Path, access: ServerAccess) -> None:
    """Write the file that `read_access` reads: complete, and readable by this user only."""
    with translate_os_errors(home):
        descriptor, partial = tempfile.mkstemp(prefix=f".{_FILE}.", dir=home)  # of mode 0600
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - the file is open already
            json.dump(asdict(access), file)
        Path(partial).replace(home / _FILE)


def remove_access(home: Path) -> None:
    """Remove the file: no server is running any more."""
    with contextlib.suppress(OSError):
        (home / _FILE).unlink()


def read_access(home: Path) -> ServerAccess | None:
    """Return the access to the server of a running `floorline up`; None if there is none for this user."""
    try:
        content = json.loads((home / _FILE).read_text("utf-8"))
        access = ServerAccess(**content)
    except (OSError, ValueError, TypeError):
        return None
    return access if supervisor_lock.is_held(supervisor_lock_path(home)) else None


def refuse_running(root: Path) -> None:
    """Raise ConfigError while `floorline up` runs for the warehouse at `root`."""
    if supervisor_lock.is_held(supervisor_lock_path(prefect_home(root))):
        raise ConfigError(f"`floorline up` runs for {root}: end it first")


def connect_prefect(root: Path) -> None:
    """Give Prefect in this process the access to the server of a running `floorline up` of the warehouse.

    A Prefect API elsewhere that the user has configured stays. Without any, Prefect starts a temporary server
    for this process: that server gets a secret of its own. Prefect reads its settings when it is imported,
    so nothing changes after that.
    """
    if "prefect" in sys.modules:
        return
    home = prefect_home(root)
    access, configured = read_access(home), prefect_url()
    if access is not None and (configured is None or _is_server_of(access, configured)):
        os.environ.update(access.env)
        os.environ.setdefault(logs.SETTING, str(home / logs.FILE))
    elif configured is None:
        protect_temporary_server()


def protect_temporary_server() -> None:
    """Let a temporary server that Prefect starts for this process serve this process only.

    It shares the terminal: the tracebacks of its log are not for those who see one line of an error.
    """
    secret = new_secret()
    os.environ.update({AUTH: secret, SERVER_AUTH: secret})
    os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "CRITICAL")


def _is_server_of(access: ServerAccess, configured: str) -> bool:
    """Return whether an address is that of the own server of `floorline up`: its port of this machine."""
    if access.secret is None:
        return False
    try:
        ports = {urlsplit(url).port for url in (configured, access.api_url)}
    except ValueError:
        return False
    here = is_loopback(configured) and (is_loopback(access.api_url) or access.host is not None)
    return len(ports) == 1 and (here or configured == access.api_url)
