"""Whether a Prefect API is configured, found without importing Prefect, which takes two seconds."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from common.addresses import is_http, mask_secrets, without_user
from common.errors import ConfigError


def prefect_configured() -> bool:
    """Return whether the environment or the active profile sets a Prefect API. Raises ConfigError."""
    return prefect_url() is not None


def prefect_url() -> str | None:
    """Return the address of the Prefect API that the environment or the active profile sets, if any.

    Raises ConfigError for an invalid address, of which Prefect's own errors would show parts of the password.
    """
    url = os.environ.get("PREFECT_API_URL") or _url_of_profile()
    if url is None or is_http(url):
        return url
    raise ConfigError(f"PREFECT_API_URL is not an http or https address: {mask_secrets(url)}")


def _url_of_profile() -> str | None:
    home = Path(os.environ.get("PREFECT_HOME") or "~/.prefect")
    try:
        content = tomllib.loads((home.expanduser() / "profiles.toml").read_text("utf-8"))
    except (OSError, ValueError, RuntimeError):  # RuntimeError: nobody knows the user's home
        return None
    active = os.environ.get("PREFECT_PROFILE") or content.get("active", "")
    return content.get("profiles", {}).get(active, {}).get("PREFECT_API_URL") or None


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
        raise ConfigError(
            f"no Prefect API answers at {mask_secrets(url)}: start it, or run with --no-prefect"
        )


async def answers_without_credentials(url: str) -> bool:
    """Return whether the Prefect API at `url` answers a request without credentials.

    Whoever can send such requests can have a worker run a command. Raises what Prefect's client raises where
    the API does not answer at all.
    """
    from prefect.client.orchestration import PrefectClient
    from prefect.exceptions import PrefectHTTPStatusError

    async with PrefectClient(without_user(url)) as client:
        try:
            await client.api_version()
        except PrefectHTTPStatusError:
            return False
    return True
