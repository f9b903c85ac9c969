"""Classify a failed response of CS2Cap as an error."""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Raw, Struct

from common.errors import (
    AccountDisabled,
    AccountUnverified,
    Busy,
    Intercepted,
    KeyInvalid,
    KeyMissing,
    KeyRevoked,
    PlanForbids,
    QuotaExhausted,
    RateLimited,
    RequestRejected,
    RouteForbidden,
    SourceError,
    StreamsExhausted,
    Unavailable,
)
from common.text import sanitize
from connectors.decoding import PageDecoder, decode_or_none
from connectors.http.errors import ErrorBody, describe_failure, error_class_of, is_foreign
from connectors.http.headers import parse_reset

# The routes that not every tier includes, by the tier table of the API's documentation.
GATED_ROUTES: Final = frozenset(
    {
        "POST /v1/prices",
        "POST /v1/prices/batch",
        "GET /v1/prices/history",
        "GET /v1/prices/candles",
        "GET /v1/bids",
        "POST /v1/bids",
        "POST /v1/bids/batch",
        "GET /v1/sales",
        "GET /v1/feed/prices",
        "GET /v1/feed/bids",
    }
)
# A code takes precedence over the status, which several of them share.
_BY_CODE: Final[Mapping[str, type[SourceError]]] = {
    "AUTH_INVALID_API_KEY": KeyInvalid,
    "AUTH_API_KEY_REVOKED": KeyRevoked,
    "AUTH_ACCOUNT_DISABLED": AccountDisabled,
    "EMAIL_NOT_VERIFIED": AccountUnverified,
    "UNAUTHORIZED": KeyMissing,
    "RATE_LIMIT_EXCEEDED": RateLimited,
    "RATE_LIMIT_MONTHLY_QUOTA_EXCEEDED": QuotaExhausted,
    "RATE_LIMIT_STREAM_QUOTA_EXCEEDED": StreamsExhausted,
    "STREAM_ALREADY_ACTIVE": Busy,
    # It speaks of connections: the key's other requests go on.
    "RATE_LIMIT_FEED_CONNECTIONS_EXCEEDED": Busy,
    "PRICES_INDEX_UNAVAILABLE": Unavailable,
    "BIDS_INDEX_UNAVAILABLE": Unavailable,
    "VALIDATION_ERROR": RequestRejected,
}


class _Error(Struct):
    code: Raw = Raw(b"null")
    detail: Raw = Raw(b"null")


class _ValidationError(Struct):
    """One wrong parameter of a request."""

    loc: list[str | int] = []
    msg: str = ""


_ERROR: Final = PageDecoder(_Error)
_TEXT: Final = msgspec.json.Decoder(str)
_ENTRIES: Final = msgspec.json.Decoder(list[Raw])
_VALIDATION_ERROR: Final = msgspec.json.Decoder(_ValidationError)


def classify(
    route: str, status: int, body: ErrorBody, headers: Mapping[str, str], *, source: str
) -> SourceError | None:
    """Return the error that a response means, None for a status of 2xx.

    The API's error code decides, or the status where the code is missing or unknown. `route` is the method
    and the path, such as "GET /v1/prices"; `headers` has lower-case names.
    """
    if 200 <= status < 300:
        return None
    code, detail = _parse_error(body.content)
    foreign = is_foreign(status, body, headers, own_form=bool(code or detail))
    error_class = Intercepted if foreign else _BY_CODE.get(code)
    if error_class is None:
        forbidden = status == 403
        error_class = _classify_forbidden(route, code, detail) if forbidden else error_class_of(status)
    error = error_class(
        describe_failure(detail, status, headers, foreign=foreign),
        source=source,
        code=sanitize(code),
        status=status,
        request_id=sanitize(headers.get("x-request-id", "")),
    )
    if isinstance(error, QuotaExhausted):
        error.resets_at = parse_reset(headers)
    elif isinstance(error, RouteForbidden):
        error.detail = sanitize(f"{route}: {error.detail}")
    return error


def _classify_forbidden(route: str, code: str, detail: str) -> type[SourceError]:
    """Distinguish the meanings of 403.

    Neither an unknown code nor a body that could not be read is evidence against the account, on which every
    other request depends.
    """
    text = detail.casefold()
    if "disabled" in text:
        return AccountDisabled
    if route in GATED_ROUTES or "tier" in text:
        return PlanForbids
    return AccountDisabled if detail and code in {"", "FORBIDDEN"} else RouteForbidden


def _parse_error(body: bytes) -> tuple[str, str]:
    """Return the code and the detail of an error body; each is empty where the body has none."""
    error = decode_or_none(_ERROR, body) or _Error()
    return decode_or_none(_TEXT, error.code) or "", _parse_detail(error.detail)


def _parse_detail(detail: Raw) -> str:
    entries = decode_or_none(_ENTRIES, detail)
    if entries is None:
        return decode_or_none(_TEXT, detail) or ""
    return "; ".join(filter(None, map(_describe_validation_error, entries)))


def _describe_validation_error(entry: Raw) -> str:
    error = decode_or_none(_VALIDATION_ERROR, entry)
    return f"{'.'.join(map(str, error.loc))}: {error.msg}" if error is not None else ""
