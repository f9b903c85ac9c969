"""Serve the dashboard on the socket of `floorline up`.

    python -m floorline.up.dashboard_server DESCRIPTOR FOLDER

`floorline up` listens before this process starts and after it dies: so nobody else can take its port. Before
the first snapshot there is no published file: until then, connections wait.
"""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path
from typing import Final

from common.errors import FloorlineError
from dashboard.server import serve_socket
from warehouse.paths import WarehousePaths

POLL: Final = 0.5  # seconds


def main() -> None:
    """Serve until SIGTERM."""
    paths = WarehousePaths(Path(sys.argv[2]))
    while not paths.published.exists():
        time.sleep(POLL)
    try:
        serve_socket(socket.socket(fileno=int(sys.argv[1])), paths)
    except FloorlineError as error:
        sys.exit(f"floorline: {error}")


if __name__ == "__main__":
    main()
