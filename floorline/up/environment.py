"""Environment variables of the processes of `floorline up`: a private Prefect home, no telemetry."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

DATABASE: Final = "PREFECT_SERVER_DATABASE_CONNECTION_URL"
NO_TELEMETRY: Final = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
}
SERVER: Final = {
    # Keep the concurrency slots of running flows over a restart of the server.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    # Runs accumulate every few minutes for years: delete those older than 90 days.
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    # Start a new schedule at once and not within a minute.
    "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "10",
}
WORKER: Final = {"PREFECT_WORKER_QUERY_SECONDS": "5"}


def base_env(user_env: Mapping[str, str], home: Path, port: int) -> dict[str, str]:
    """Return the variables of every process, without those that the user has set in `user_env`.

    A PREFECT_API_URL in `user_env` therefore selects the user's own Prefect API.
    """
    defaults = {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        **NO_TELEMETRY,
    }
    return {name: value for name, value in defaults.items() if not user_env.get(name)}


def server_env() -> dict[str, str]:
    """Return the environment of the server; variables that the user has set win."""
    return {**SERVER, **os.environ}


def client_env() -> dict[str, str]:
    """Return the environment of a worker, without the address (and password) of the server's database."""
    return {**WORKER, **{name: value for name, value in os.environ.items() if name != DATABASE}}
