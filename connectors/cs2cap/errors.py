"""One function turns a response of CS2Cap into an error, or into none."""

from collections.abc import Mapping
from typing import Final

import msgspec

from common.errors import (
    AccountDisabled,
    AddressDenied,
    Busy,
    KeyInvalid,
    KeyMissing,
    KeyRevoked,
    PlanForbids,
    QuotaExhausted,
    RateLimited,
    RequestRejected,
    SourceError,
    StreamsExhausted,
    TransientError,
    Unavailable,
    UnexpectedResponse,
)
from common.text import sanitize
from connectors.http.headers import BY_STATUS, parse_reset, reason_phrase, retry_after, strip_query

# The tier table of the API's documentation: what not every tier may call.
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
    }
)
_BY_CODE: Final[Mapping[str, type[SourceError]]] = {
    "AUTH_INVALID_API_KEY": KeyInvalid,
    "AUTH_API_KEY_REVOKED": KeyRevoked,
    "AUTH_ACCOUNT_DISABLED": AccountDisabled,
    "UNAUTHORIZED": KeyMissing,
    "RATE_LIMIT_EXCEEDED": RateLimited,
    "RATE_LIMIT_MONTHLY_QUOTA_EXCEEDED": QuotaExhausted,
    "RATE_LIMIT_STREAM_QUOTA_EXCEEDED": StreamsExhausted,
    "STREAM_ALREADY_ACTIVE": Busy,
    "PRICES_INDEX_UNAVAILABLE": Unavailable,
    "BIDS_INDEX_UNAVAILABLE": Unavailable,
    "VALIDATION_ERROR": RequestRejected,
}


def classify(
    route: str, status: int, body: bytes, headers: Mapping[str, str], source: str
) -> SourceError | None:
    """Say what is wrong with a response: by its code, by its status where there is none it knows.

    `route` is the method and the path, as "GET /v1/prices"; `headers` has lower-case names. None for 2xx.
    """
    if 200 <= status < 300:
        return None
    code, detail = _parse_error(body)
    kind = _BY_CODE.get(code) or _kind_by_status(route, status, detail)
    if 300 <= status < 400:
        detail = f"redirected to {strip_query(headers.get('location', 'nowhere'))}, which is not followed"
    about = sanitize(detail or reason_phrase(status))
    request_id = sanitize(headers.get("x-request-id", ""))
    if issubclass(kind, QuotaExhausted):
        return kind(about, source, sanitize(code), status, request_id, parse_reset(headers))
    if issubclass(kind, TransientError):
        return kind(about, source, sanitize(code), status, request_id, retry_after(headers))
    return kind(about, source, sanitize(code), status, request_id)


def _kind_by_status(route: str, status: int, detail: str) -> type[SourceError]:
    if status == 403:
        return _classify_forbidden(route, detail)
    if status in BY_STATUS:
        return BY_STATUS[status]
    if status >= 500:
        return Unavailable
    return RequestRejected if status >= 400 else UnexpectedResponse


def _classify_forbidden(route: str, detail: str) -> type[SourceError]:
    """Tell the three meanings of a 403 apart; without any detail it did not come from the API itself."""
    if not detail:
        return AddressDenied
    about = detail.casefold()
    if "disabled" not in about and (route in GATED_ROUTES or "tier" in about):
        return PlanForbids
    return AccountDisabled


def _parse_error(body: bytes) -> tuple[str, str]:
    """Return code and detail of an error body, either empty where it has none."""
    try:
        told: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "", ""
    if not isinstance(told, dict):
        return "", ""
    code = told.get("code")
    return code if isinstance(code, str) else "", _detail(told.get("detail"))


def _detail(detail: object) -> str:
    if isinstance(detail, list):
        return "; ".join(filter(None, map(_describe_validation_error, detail)))
    return detail if isinstance(detail, str) else ""


def _describe_validation_error(entry: object) -> str:
    if not isinstance(entry, dict):
        return ""
    where = entry.get("loc")
    path = ".".join(map(str, where)) if isinstance(where, list) else ""
    return f"{path}: {entry.get('msg', '')}"
