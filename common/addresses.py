"""Addresses: the names of this machine, and addresses as people may see them, without what is secret."""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
# All addresses of this machine, and the one of them that is its own.
WILDCARDS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing is bound here
MASK: Final = "***"
# User information ends at the last @ before the path; or at the last @ before the next address, where no port
# follows the colon, because people do not encode the / and the blanks in a password.
_USER: Final = re.compile(
    r"(?<=://)(?:[^\s/?#@:\[]*:(?!\d+(?:[/?#]|$))(?:(?!\d+\s)\S(?:(?!\w://).)*\S@(?=\S)|\S*@)|[^\s/?#]*@)"
)


def mask_secrets(text: str) -> str:
    """Return `text` with *** in place of the user information of each address in it.

    `text` may be an address, or a sentence with addresses: of proxies, of Prefect, of databases.
    """
    return _USER.sub(f"{MASK}@", text)


def without_user(address: str) -> str:
    """Return an address without its user information. Raises ValueError for an invalid address."""
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def is_http(address: str) -> bool:
    """Return whether an address is a valid one of http or https."""
    try:
        parts = urlsplit(address)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def is_loopback(address: str) -> bool:
    """Return whether an address names this machine."""
    try:
        host = urlsplit(address).hostname or ""
        return host in LOOPBACK or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_loopback_host(host: str) -> bool:
    """Return whether a server that listens on `host` is reached from this machine only."""
    return is_loopback(f"http://{f'[{host}]' if ':' in host else host}/")
