"""The dashboard of `floorline up --dashboard`: its port and its process."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from common import supervisor_lock
from floorline.up import environment
from floorline.up.lines import warn
from floorline.up.process import ManagedProcess
from floorline.up.restarts import MAX_RESTARTS, RestartCounter
from floorline.up.server_process import listen

HOST: Final = "127.0.0.1"  # the pages have no password


class DashboardProcess:
    """The process of the dashboard, on a port that this process holds; port 0 is any free one.

    One that dies is restarted. Where that does not help, the rest of `floorline up` goes on without it.
    Raises ConfigError where the port cannot be used.
    """

    def __init__(self, root: Path, logs: Path, lock_path: Path, *, port: int) -> None:
        self._listener = listen(HOST, port, option="--dashboard-port")
        self.address = f"http://{HOST}:{self._listener.getsockname()[1]}/"
        self._restarts = RestartCounter()
        self._has_given_up = False
        descriptor = self._listener.fileno()
        self.process = ManagedProcess(
            "dashboard",
            supervisor_lock.command("floorline.up.dashboard_server", str(descriptor), str(root)),
            env=environment.dashboard_env(lock_path),
            logs=logs,
            descriptors=[descriptor],
        )

    def start(self, cwd: Path) -> None:
        """Start the process."""
        self.process.start(cwd)

    def restart_dead(self, cwd: Path) -> None:
        """Restart the process where it has died, unless it has died too often."""
        if self._has_given_up or self.process.returncode is None:
            return
        self._has_given_up = self._restarts.count_death(self.process.name) > MAX_RESTARTS
        off = "The dashboard stays off; start it with `floorline dashboard`."
        next_step = off if self._has_given_up else "Restarting the dashboard."
        warn("dashboard.died", f"{self.process.describe_exit()}\n{next_step}")
        if self._has_given_up:
            self._listener.close()  # a browser gets an answer at once
        else:
            self.process.start(cwd)
