"""The address of a source, and the proxy that the environment names for it."""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

from common.addresses import is_loopback
from common.errors import ConfigError

INVALID_BASE_URL: Final = "base_url must be an http or https address, such as https://HOST:PORT"
UNUSABLE_PROXY: Final = "the proxy of the environment (https_proxy, all_proxy) cannot be used"
PROXY_SCHEMES: Final = frozenset({"http", "https", "socks5", "socks5h"})


def check_base_url(base_url: str, source: str) -> str:
    """Return a source's address in its plain form: a lower-case scheme and host, no slash at the end.

    Raises ConfigError for no valid address, and for one that the key must not be sent to.
    """
    text = base_url.strip()
    parts = _split(text)
    if parts is None or not text.isprintable() or any(char.isspace() for char in text):
        raise ConfigError(INVALID_BASE_URL, source)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigError(INVALID_BASE_URL, source)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigError(
            "base_url must not hold a user, a password, a query or a fragment: write https://HOST", source
        )
    if parts.scheme == "http" and not is_loopback(text):
        raise ConfigError("base_url must be https: plain http would expose the key on the network", source)
    return parts._replace(netloc=parts.netloc.lower()).geturl().rstrip("/")


def environment_proxy(base_url: str, source: str) -> str | None:
    """Return the address of the proxy for a source; None without one and where NO_PROXY names the source.

    NO_PROXY is a list of hosts, domains, addresses (an IPv6 address also in brackets) and networks. Raises
    ConfigError, without the address, which may hold a password.
    """
    proxies = getproxies()
    url = (proxies.get("https") or proxies.get("all") or "").strip()
    host = urlsplit(base_url).hostname or ""
    if not url or proxy_bypass(host) or _in_networks(host, proxies.get("no", "")):
        return None
    url = url if "://" in url else f"http://{url}"
    parts = _split(url)
    if parts is None or not parts.hostname or not url.isprintable() or " " in url:
        raise ConfigError(f"{UNUSABLE_PROXY}: give http://HOST:PORT", source)
    if parts.scheme not in PROXY_SCHEMES:
        raise ConfigError(f"{UNUSABLE_PROXY}: its scheme {parts.scheme} is not http, https or socks5", source)
    return url


def _split(address: str) -> SplitResult | None:
    """Return the parts of an address; None for one with a bad port, bad brackets or a bad host name."""
    try:
        parts = urlsplit(address)
        (parts.hostname or "").encode("idna")
        port = parts.port
    except ValueError:
        return None
    return None if port == 0 or ".." in (parts.hostname or "") else parts


def _in_networks(host: str, entries: str) -> bool:
    """Return whether an IP address is in a network or an address of the list NO_PROXY."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    for entry in entries.split(","):
        try:
            network = ipaddress.ip_network(entry.strip().replace("[", "").replace("]", ""), strict=False)
        except ValueError:
            continue
        if address in network:
            return True
    return False
