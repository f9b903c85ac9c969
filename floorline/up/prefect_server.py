"""Run Prefect's application, with restricted access, on the socket of `floorline up`.

    python -m floorline.up.prefect_server DESCRIPTOR HOST FOLDER

`floorline up` listens before this process starts and after it dies: so nobody else can take its port.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from pathlib import Path

import uvicorn
from prefect.server.api.server import create_app
from prefect.settings import get_current_settings

from common.addresses import WILDCARDS
from floorline.up.access_middleware import restrict_access
from floorline.up.environment import SERVER_AUTH
from floorline.up.metrics_page import FILE, MetricsPage


def main() -> None:
    """Serve until SIGTERM."""
    settings = get_current_settings()
    _keep_private(settings.home)
    server = settings.server
    origins = server.api.cors_allowed_origins.split(",")
    page = MetricsPage(create_app(final=True), Path(sys.argv[3], FILE), os.environ[SERVER_AUTH])
    app = restrict_access(page, origins, any_host=sys.argv[2] in WILDCARDS)
    config = uvicorn.Config(
        app,
        timeout_keep_alive=server.api.keepalive_timeout,
        ws_ping_interval=server.api.websocket_ping_interval,
        ws_ping_timeout=server.api.websocket_ping_timeout,
        log_config=None,  # Prefect's configuration, whose handlers keep secrets out
        log_level=server.logging_level.lower(),
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])


def _keep_private(home: Path) -> None:
    """Keep other users from Prefect's files: its database has the blocks with their secrets."""
    os.umask(0o077)
    for database in home.glob("*.db*"):  # of an earlier start, perhaps in a folder of the user's
        with contextlib.suppress(PermissionError):
            database.chmod(0o600)


if __name__ == "__main__":
    main()
