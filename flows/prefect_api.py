"""Whether a Prefect API is configured, found without importing Prefect, which takes two seconds."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from common.errors import ConfigError


def prefect_configured() -> bool:
    """Return whether a Prefect API is set, in the environment or in the active profile."""
    if os.environ.get("PREFECT_API_URL"):
        return True
    profiles = Path(os.environ.get("PREFECT_HOME", "~/.prefect")).expanduser() / "profiles.toml"
    try:
        content = tomllib.loads(profiles.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    active = os.environ.get("PREFECT_PROFILE") or content.get("active", "")
    return bool(content.get("profiles", {}).get(active, {}).get("PREFECT_API_URL"))


async def check_prefect_reachable() -> None:
    """Raise ConfigError if a Prefect API is configured and does not answer."""
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL

    url = PREFECT_API_URL.value()
    if not url:
        return
    async with get_client() as client:
        failure = await client.api_healthcheck()
    if failure is not None:
        raise ConfigError(f"no Prefect API answers at {url}: start it, or run with --no-prefect")
