"""The way into a source: by its key, or by the next one where the first is no longer good."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from connectors.auth import Key
from connectors.base import Account
from connectors.errors import KeyInvalid, KeyMissing, KeyRevoked
from flows.alarm import Alarm
from flows.config import AnySource, SkinsharkSettings
from flows.sources import find_key

Attempt = Callable[[Key], Awaitable[Account]]


async def enter(name: str, source: AnySource, base: Path, alarm: Alarm, attempt: Attempt) -> Account:
    """The account that `attempt` finds by the source's key, or by the next one; a relative file is in `base`.

    A first key that was turned down for good is not tried again until it is another one, or its alert is
    cleared. Raises what `attempt` and `find_key` raise.
    """
    first = await find_key(name, source.key, base)
    following = await next_key(name, source, base)
    if following is None or following.fingerprint == first.fingerprint:
        account = await attempt(first)
    elif alarm.superseded(name, first):
        return await attempt(following)
    else:
        try:
            account = await attempt(first)
        except (KeyRevoked, KeyInvalid) as error:
            await alarm.supersede(name, first, following, error)
            return await attempt(following)
    alarm.first_is_good(name)
    return account


async def next_key(name: str, source: AnySource, base: Path) -> Key | None:
    """The key that is to take over from the first; None where there is none. Raises as `find_key` does."""
    if not isinstance(source, SkinsharkSettings):
        return None
    try:
        return await find_key(name, source.key_next, base)
    except KeyMissing:
        return None
