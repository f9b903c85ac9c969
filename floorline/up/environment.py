"""The environment of `floorline up` and its parts: a Prefect home of its own, quiet, offline, on loopback."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

DATABASE: Final = "PREFECT_SERVER_DATABASE_CONNECTION_URL"
QUIET: Final = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
}
SERVER: Final = {
    # slots held when the server ends must be known when it starts again
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    # runs every few minutes for years: those older than 90 days go
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    # a schedule that was just applied begins at once, not within a minute
    "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "10",
}
WORKER: Final = {"PREFECT_WORKER_QUERY_SECONDS": "5"}


def base_env(given: Mapping[str, str], home: Path, port: int) -> dict[str, str]:
    """What is set for every part, for lack of the user's own choice in `given`.

    Where `given` names a Prefect API, that one is used.
    """
    own = {"PREFECT_HOME": str(home), "PREFECT_API_URL": f"http://127.0.0.1:{port}/api", **QUIET}
    return {name: value for name, value in own.items() if not given.get(name)}


def server_env() -> dict[str, str]:
    """The server's environment; what the user set wins."""
    return {**SERVER, **os.environ}


def client_env() -> dict[str, str]:
    """A worker's environment: it has no business with the server's database, nor with its password."""
    return {**WORKER, **{name: value for name, value in os.environ.items() if name != DATABASE}}
