"""Environment variables of the processes of `floorline up`: a private Prefect home, access, no telemetry."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from common import supervisor_lock
from common.addresses import WILDCARDS

if TYPE_CHECKING:
    from floorline.up.access import ServerAccess

AUTH: Final = "PREFECT_API_AUTH_STRING"
SERVER_AUTH: Final = "PREFECT_SERVER_API_AUTH_STRING"
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
    # Runs accumulate every few minutes for years: delete what is older than 30 and 7 days.
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(30 * 24 * 60 * 60),  # seconds
    "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": "P7D",  # this one takes no seconds
    # Start a new schedule at once and not within a minute.
    "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "10",
    "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
    "PREFECT_SERVER_METRICS_ENABLED": "true",
}
# A run that a worker takes before its time holds the only slot of its deployment: it would be cancelled while
# the last run still ends. So a worker takes no run in advance, and asks more often instead.
WORKER: Final = {"PREFECT_WORKER_QUERY_SECONDS": "3", "PREFECT_WORKER_PREFETCH_SECONDS": "0"}
# What a process needs that has no access to anything: the beginnings of names.
HARMLESS: Final = ("PATH", "HOME", "LANG", "LC_", "TZ", "TMPDIR", "PYTHON", "VIRTUAL_ENV")
DATABASE_SETTINGS: Final = ("PREFECT_SERVER_DATABASE_", "PREFECT_API_DATABASE_")


def base_env(user_env: Mapping[str, str], home: Path) -> dict[str, str]:
    """Return the variables of every process, without those that the user has set in `user_env`."""
    defaults = {"PREFECT_HOME": str(home), **NO_TELEMETRY}
    return {name: value for name, value in defaults.items() if not user_env.get(name)}


def server_env(access: ServerAccess, lock_path: Path) -> dict[str, str]:
    """Return the environment of the server; variables that the user has set win, but for the secret."""
    return {
        **SERVER,
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ",".join(access.origins),
        # A browser elsewhere knows a server on all addresses by another name than this machine does.
        **({"PREFECT_SERVER_UI_API_URL": "/api"} if access.host in WILDCARDS else {}),
        **os.environ,
        SERVER_AUTH: access.secret or "",
        supervisor_lock.VARIABLE: str(lock_path),
    }


def client_env(lock_path: Path) -> dict[str, str]:
    """Return the environment of a worker, without the address and the password of the server's database."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(DATABASE_SETTINGS)}
    return {**WORKER, **own, supervisor_lock.VARIABLE: str(lock_path)}


def dashboard_env(lock_path: Path) -> dict[str, str]:
    """Return the environment of the dashboard, which needs neither keys nor passwords."""
    own = {name: value for name, value in os.environ.items() if name.startswith(HARMLESS)}
    return {**own, supervisor_lock.VARIABLE: str(lock_path)}


def has_own_database() -> bool:
    """Return whether the user has configured a database for the server, which other servers may share."""
    return any(
        value and name.startswith(DATABASE_SETTINGS) and name.endswith(("CONNECTION_URL", "HOST"))
        for name, value in os.environ.items()
    )
