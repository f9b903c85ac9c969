"""The header `On-Behalf-Of`: which of SkinShark's routes take it, and with whose id it is sent."""

from __future__ import annotations

from typing import Final

from common.errors import ConfigError
from common.text import quote
from connectors.http.transport import Headers

HEADER: Final = "On-Behalf-Of"
# Routes of the merchant itself: the API refuses the header there with FORBIDDEN.
_MERCHANT: Final = "/merchant"
_PRICES: Final = "/market/prices"


def takes_sub_user(route: str) -> bool:
    """Return whether a route takes the header."""
    return route != _PRICES and not f"{route}/".startswith(f"{_MERCHANT}/")


def headers_for(route: str, sub_user: str | None, source: str) -> Headers:
    """Return the headers of a request for a sub-user, or for the merchant itself (None).

    Raises ConfigError, before anything is sent, where the route takes the merchant only.
    """
    if sub_user is None:
        return {}
    if not takes_sub_user(route):
        raise ConfigError(
            f"{route} takes the merchant itself, and on_behalf_of = {quote(sub_user)} is a sub-user: take a"
            " source without on_behalf_of for it",
            source,
        )
    return {HEADER: sub_user}
