"""Parse what CS2Cap says of a key: the account behind it, and a new key."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw, Struct

from common.errors import KeyInvalid, OutcomeUnknown, UnexpectedResponse
from connectors.base import Account
from connectors.cs2cap.contract import AwareDatetime
from connectors.cs2cap.entries import OnOdd, decode_whole, utc_or_none
from connectors.decoding import DECODE_ERRORS, EntryDecoder
from connectors.http.auth import Key

# A limit of 0 means an unknown limit; one beyond these bounds means nothing.
_Requests = Annotated[int, Meta(ge=0, le=10**12)]


class _KeyInfo(Struct):
    is_active: bool
    is_root_key: bool = True
    expires_at: AwareDatetime | None = None
    effective_quota_requests_per_month: _Requests | None = None
    effective_rate_requests_per_minute: _Requests | None = None


class _KeyResponse(Struct):
    key: Raw
    requests_this_month: _Requests | None = None


class _NewKey(Struct):
    key: str


_KEY_RESPONSE: Final = EntryDecoder(_KeyResponse)
_KEY: Final = EntryDecoder(_KeyInfo)
_NEW_KEY: Final = msgspec.json.Decoder(_NewKey)
# The documented tiers by requests per minute and month: the API names the tier only near a limit.
_TIERS: Final = {
    (20, 1_000): "free",
    (40, 50_000): "starter",
    (100, 500_000): "pro",
    (300, 1_000_000): "quant",
}


def parse_account(
    body: bytes, tier: str | None, source: str = "", *, on_odd: OnOdd = lambda _: None
) -> Account:
    """Parse `/v1/account/key`; raises UnexpectedResponse where it does not say whether the key is active.

    `tier` is the one that a header names, if any. What cannot be read, or makes no sense, counts as unknown,
    and so does a limit of 0, by the API's contract.
    """
    route = "/v1/account/key"
    try:
        response = decode_whole(_KEY_RESPONSE, body, route, source=source, on_odd=on_odd)
        key = decode_whole(_KEY, bytes(response.key), route, source=source, on_odd=on_odd)
    except UnexpectedResponse:
        detail = f"{route}: what answers is JSON, but does not say whether the key is active, as CS2Cap does"
        raise UnexpectedResponse(detail, source) from None
    per_minute = key.effective_rate_requests_per_minute or None
    per_month = key.effective_quota_requests_per_month or None
    return Account(
        tier=tier or _TIERS.get((per_minute or 0, per_month or 0)),
        requests_per_minute=per_minute,
        requests_per_month=per_month,
        used=response.requests_this_month,
        expires_at=utc_or_none(key.expires_at),
        active=key.is_active,
        root=key.is_root_key,
    )


def parse_new_key(body: bytes, source: str = "") -> Key:
    """Parse `/v1/account/key/reissue`; raises OutcomeUnknown where it does not contain a key."""
    try:
        return Key(_NEW_KEY.decode(body).key, source)
    except (*DECODE_ERRORS, KeyInvalid):
        body = b""  # a traceback may show local variables
    raise OutcomeUnknown("POST /v1/account/key/reissue: the response holds no key", source)
