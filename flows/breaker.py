"""The breaker: while a source's alert `auth.failed` stands open, its key is not sent there again.

It has no state of its own: the open alert is the state, and what the source said of which key stands beside
it. A key with another fingerprint, or `alerts clear`, closes it; so does the first success.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from connectors.errors import (
    AccountDisabled,
    AddressDenied,
    AuthRejected,
    KeyInvalid,
    KeyMissing,
    KeyRevoked,
)
from warehouse.state import Rejection, State

# What can heal without a new key, and is worth one request an hour that costs no quota.
HEALING: Final = (AccountDisabled, AddressDenied)
PROBE_EVERY: Final = timedelta(hours=1)
KINDS: Final = {
    kind.__name__: kind
    for kind in (AuthRejected, KeyInvalid, KeyRevoked, KeyMissing, AccountDisabled, AddressDenied)
}


def standing(state: State, source: str, key_print: str, now: datetime) -> AuthRejected | None:
    """The rejection that still holds for this key, as the error it was; None where the source may be asked.

    Where it is time for the hourly probe, None is for one caller only, of whatever process.
    """
    rejection = state.rejection(source)
    if rejection is None or rejection.key_print != key_print:
        return None
    kind = KINDS.get(rejection.kind, AuthRejected)
    due = issubclass(kind, HEALING) and now - rejection.asked_at >= PROBE_EVERY
    if due and state.claim_probe(rejection, now):
        return None
    since = f"not asked again since {rejection.asked_at:%Y-%m-%d %H:%M} UTC"
    return kind(f"{rejection.detail} ({since})", source, rejection.code, rejection.status)


def trip(state: State, source: str, key_print: str, error: AuthRejected, now: datetime) -> None:
    """Remember what the source said of this key; raise the alert as well, or it does not hold."""
    kind = type(error).__name__
    state.reject(Rejection(source, key_print, kind, error.code, error.status, error.detail, now))
