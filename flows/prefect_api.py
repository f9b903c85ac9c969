"""Whether a Prefect API is configured, found without the import of Prefect, which is slow; its version."""

from __future__ import annotations

import asyncio
import re
import socket
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from common.addresses import is_http, mask_secrets, without_user
from common.errors import ConfigError
from connectors.http.first_contact import describe_connect_failure
from pipelines.prefect_files import read_api_url
from pipelines.prefect_settings import check_temporary_server, import_prefect

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient

REACH_TIMEOUT: Final = 10.0  # seconds; Prefect's client tries for minutes
VERSION: Final = re.compile(r"(\d+)\.\d+[\w.+-]*")


class PrefectUnreachable(ConfigError):
    """The configured Prefect API does not answer, or something else does."""

    guidance = "Start Prefect's server, or correct PREFECT_API_URL; with --no-prefect a run needs none."


class PrefectRefuses(ConfigError):
    """The configured Prefect API rejects the credentials."""

    guidance = "Check PREFECT_API_AUTH_STRING or PREFECT_API_KEY."


class PrefectOutdated(ConfigError):
    """The configured Prefect API is another major version of Prefect."""

    guidance = "Run the same version of Prefect on both sides."


def prefect_configured() -> bool:
    """Return whether Prefect's settings name a Prefect API. Raises ConfigError."""
    return prefect_url() is not None


def prefect_url() -> str | None:
    """Return the address of the Prefect API in Prefect's settings, if any; see `read_api_url`.

    Raises ConfigError for an invalid address, of which Prefect's own errors would show parts of the password.
    """
    url = read_api_url()
    if url is None or is_http(url):
        return url
    raise ConfigError(f"PREFECT_API_URL is not an http or https address: {mask_secrets(url)}")


async def check_prefect_reachable(seconds: float = REACH_TIMEOUT) -> str:
    """Return the version of the configured Prefect API; without one, that of Prefect here.

    Raises ConfigError: PrefectUnreachable where no Prefect answers within `seconds`, PrefectRefuses and
    PrefectOutdated; without an API, where Prefect cannot start a temporary server.
    """
    import_prefect()
    from prefect.settings import PREFECT_API_URL

    if not PREFECT_API_URL.value():
        check_temporary_server()
        return _own_version()
    async with open_client() as client:
        await _check_listening(without_user(str(client.api_url)).rstrip("/"), seconds)
        return await read_version(client, seconds)


async def _check_listening(url: str, seconds: float) -> None:
    """Raise PrefectUnreachable at once where nothing listens: Prefect's client tries again and again.

    An address behind a proxy is left to the client.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    if getproxies() and not proxy_bypass(host):
        return
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(host, port)
    except (ConnectionRefusedError, socket.gaierror) as error:
        reason = describe_connect_failure(error)
        raise PrefectUnreachable(f"no Prefect API answers at {url}: {reason}") from None
    except OSError:  # TimeoutError, too
        return
    writer.close()


def open_client() -> PrefectClient:
    """Return a client of the configured Prefect API. Raises ConfigError where none can be made."""
    from prefect.client.orchestration import get_client

    try:
        return get_client()
    except Exception:  # noqa: BLE001 - of ssl, of the files, of a proxy, of what a proxy needs
        raise ConfigError(
            "Prefect's client cannot use its certificates or a proxy: check PREFECT_API_SSL_CERT_FILE,"
            " SSL_CERT_FILE, HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY"
        ) from None


async def read_version(client: PrefectClient, seconds: float) -> str:
    """Return the version of Prefect that a client reaches. Raises as `check_prefect_reachable`."""
    url = without_user(str(client.api_url)).rstrip("/")
    try:
        async with asyncio.timeout(seconds):
            version = await _ask_version(client, url)
    except ConfigError:
        raise
    except ValueError:  # it is no JSON
        version = ""
    except Exception:  # noqa: BLE001 - of Prefect's client, and of the libraries beneath it
        raise PrefectUnreachable(f"no Prefect API answers at {url}") from None
    match, own = VERSION.fullmatch(version), _own_version()
    if match is None:
        raise PrefectUnreachable(f"what answers at {url} is no Prefect API")
    if match[1] != own.partition(".")[0]:
        raise PrefectOutdated(f"Prefect {version} answers at {url}, and Prefect {own} is here")
    return version


async def _ask_version(client: PrefectClient, url: str) -> str:
    """Return what answers for the version; for Prefect Cloud, which has none, that of Prefect here."""
    from prefect.client.base import ServerType
    from prefect.exceptions import PrefectHTTPStatusError

    try:
        if client.server_type != ServerType.CLOUD:
            return str(await client.api_version())
        if (failure := await client.api_healthcheck()) is not None:
            raise failure
    except PrefectHTTPStatusError as error:
        status = error.response.status_code
        if status in {401, 403}:
            raise PrefectRefuses(f"the Prefect API at {url} rejects the credentials") from None
        raise PrefectUnreachable(f"what answers at {url} is no Prefect API (HTTP {status})") from None
    return _own_version()


def _own_version() -> str:
    import prefect

    return str(prefect.__version__)


async def answers_without_credentials(url: str) -> bool:
    """Return whether the Prefect API at `url` answers a request without credentials.

    Whoever can send such requests can have a worker run a command.
    """
    from prefect.client.orchestration import PrefectClient

    async with PrefectClient(without_user(url)) as client:
        try:
            await read_version(client, REACH_TIMEOUT)
        except ConfigError:
            return False
    return True
