"""Another user of this machine, who runs commands; only root can create one."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator

CAN_CREATE_USERS = os.getuid() == 0 and shutil.which("useradd") is not None


@dataclasses.dataclass(frozen=True, slots=True)
class OtherUser:
    """A user of this machine without any group of ours."""

    name: str

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command as this user; return its result."""
        as_user = ["runuser", "-u", self.name, "--", *command]
        return subprocess.run(as_user, capture_output=True, text=True, check=False, cwd="/", timeout=240)

    def python(self, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python code as this user, with the standard library only."""
        executables = (os.path.realpath(sys.executable), "/usr/bin/python3", "/usr/local/bin/python3")
        usable = next(path for path in executables if self.run("test", "-x", path).returncode == 0)
        return self.run(usable, "-I", "-c", code, *arguments)


@contextlib.contextmanager
def other_user() -> Iterator[OtherUser]:
    """Create a user; delete the user at the end."""
    name = f"other{secrets.token_hex(3)}"
    subprocess.run(["useradd", "--no-create-home", "--shell", "/bin/sh", name], check=True)
    try:
        yield OtherUser(name)
    finally:
        subprocess.run(["userdel", name], check=True, capture_output=True)
