"""One function turns a response of CS2Cap into an error, or into none."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import msgspec

from connectors.errors import (
    AccountDisabled,
    AddressDenied,
    Busy,
    ContractBroken,
    FloorlineError,
    KeyInvalid,
    KeyMissing,
    KeyRevoked,
    PlanForbids,
    QuotaExhausted,
    RateLimited,
    RequestRejected,
    StreamsExhausted,
    Timeout,
    Transient,
    Unavailable,
    plain,
)
from connectors.throttle import Quota

# The tier table of the API's documentation: what not every tier may call.
GATED: Final = frozenset(
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

_BY_CODE: Final[Mapping[str, type[FloorlineError]]] = {
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

BY_STATUS: Final[Mapping[int, type[FloorlineError]]] = {
    401: KeyInvalid,
    402: PlanForbids,
    408: Timeout,
    409: Busy,
    425: Unavailable,
    429: RateLimited,
}


def classify(
    route: str, status: int, body: bytes, headers: Mapping[str, str], source: str
) -> FloorlineError | None:
    """Say what is wrong with a response: by its code, by its status where there is none it knows.

    `route` is the method and the path, as "GET /v1/prices"; `headers` has lower-case names. None for 2xx.
    """
    if 200 <= status < 300:
        return None
    code, detail = _told(body)
    kind = _BY_CODE.get(code) or _kind_by_status(route, status, detail)
    if 300 <= status < 400:
        detail = f"redirected to {without_query(headers.get('location', 'nowhere'))}, which is not followed"
    about = plain(detail or phrase(status))
    request_id = plain(headers.get("x-request-id", ""))
    if issubclass(kind, QuotaExhausted):
        return kind(about, source, plain(code), status, request_id, resets_at(headers))
    if issubclass(kind, Transient):
        return kind(about, source, plain(code), status, request_id, retry_after(headers))
    return kind(about, source, plain(code), status, request_id)


def _kind_by_status(route: str, status: int, detail: str) -> type[FloorlineError]:
    if status == 403:
        return _forbidden(route, detail)
    if status in BY_STATUS:
        return BY_STATUS[status]
    if status >= 500:
        return Unavailable
    return RequestRejected if status >= 400 else ContractBroken


def _forbidden(route: str, detail: str) -> type[FloorlineError]:
    """Tell the three meanings of a 403 apart; without any detail it did not come from the API itself."""
    if not detail:
        return AddressDenied
    about = detail.casefold()
    if "disabled" not in about and (route in GATED or "tier" in about):
        return PlanForbids
    return AccountDisabled


def _told(body: bytes) -> tuple[str, str]:
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
        return "; ".join(filter(None, map(_complaint, detail)))
    return detail if isinstance(detail, str) else ""


def _complaint(entry: object) -> str:
    if not isinstance(entry, dict):
        return ""
    where = entry.get("loc")
    path = ".".join(map(str, where)) if isinstance(where, list) else ""
    return f"{path}: {entry.get('msg', '')}"


def phrase(status: int) -> str:
    """Say what a status means."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"HTTP status {status}"


def without_query(location: str) -> str:
    """Show an address without what it may carry along."""
    parts = urlsplit(location)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" if host else parts.path


def moment_of(text: str | None) -> datetime | None:
    """Read an HTTP date as an aware moment in UTC; None for anything else."""
    try:
        moment = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _seconds(text: str | None) -> float | None:
    """Read a header as a number of seconds of at most a year."""
    try:
        seconds = float(text or "")
    except ValueError:
        return None
    return max(seconds, 0.0) if seconds < 366 * 86_400 else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read how many seconds a server asks to wait, told as such or as a date."""
    told = headers.get("retry-after")
    until, now = moment_of(told), moment_of(headers.get("date"))
    if until and now:
        return max((until - now).total_seconds(), 0.0)
    return _seconds(told)


def quota_of(headers: Mapping[str, str]) -> Quota:
    """Read the quota that `headers` (lower-case names) speak of; the route and the size tell which it is."""
    limit, left = (_count(headers.get(f"x-ratelimit-{name}", "")) for name in ("limit", "remaining"))
    return Quota(limit, left, resets_at(headers))


def _count(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else None


def resets_at(headers: Mapping[str, str]) -> datetime | None:
    """Read when a quota resets: a Unix time, or seconds from the server's own moment; the API says both.

    A value under 10^9 cannot be a Unix time of today.
    """
    told = headers.get("x-ratelimit-reset", "")
    if told.isascii() and told.isdecimal() and 10**9 <= int(told) < 10**11:
        return datetime.fromtimestamp(int(told), UTC)
    now, wait = moment_of(headers.get("date")), _seconds(told)
    return now + timedelta(seconds=wait) if now and wait is not None else None
