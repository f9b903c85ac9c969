"""What a failed response means by HTTP alone: its error class and its description, for any API."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from common.errors import (
    Busy,
    KeyInvalid,
    PlanForbids,
    RateLimited,
    RequestRejected,
    RequestTimeout,
    SourceError,
    Unavailable,
    UnexpectedResponse,
)
from common.text import sanitize

_BY_STATUS: Final[Mapping[int, type[SourceError]]] = {
    401: KeyInvalid,
    402: PlanForbids,
    408: RequestTimeout,
    409: Busy,
    425: Unavailable,
    429: RateLimited,
}
_JSON_TYPES: Final = frozenset({"application/json", "application/x-ndjson", "application/ndjson"})


def error_class_of(status: int) -> type[SourceError]:
    """Return the error class of a status outside of 2xx, for a response without an error code."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500:
        return Unavailable
    return RequestRejected if status >= 400 else UnexpectedResponse


def describe_failure(detail: str, status: int, headers: Mapping[str, str]) -> str:
    """Return one printable line: the target of a redirect, else `detail`, else the reason phrase."""
    if 300 <= status < 400:
        target = _strip_secrets(headers.get("location", "nowhere"))
        return sanitize(f"redirected to {target}, which is not followed")
    return sanitize(detail or _reason_phrase(status))


def check_content_type(status: int, headers: Mapping[str, str], source: str) -> Unavailable | None:
    """Return the error of a response that is not JSON.

    It comes from something in front of the API: a failing cache, or a login page. The first is temporary and
    the second costs no quota, so both are retried.
    """
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type in _JSON_TYPES or media_type.endswith("+json"):
        return None
    received = sanitize(media_type, 60) or "no content type"
    detail = f"{received} instead of JSON: something answers in the API's place"
    return Unavailable(detail, source, status=status)


def _reason_phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"HTTP status {status}"


def _strip_secrets(location: str) -> str:
    """Return an address without its user, password, query and fragment."""
    parts = urlsplit(location)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" if host else parts.path
