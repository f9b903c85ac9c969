"""What a failed response means by HTTP alone: its error class and its description, for any API."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from common.errors import (
    Busy,
    ConfigError,
    ConnectFailed,
    Intercepted,
    InterceptedPage,
    KeyInvalid,
    OnHold,
    OutcomeUnknown,
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
# Verdicts about the key or the account, where the API itself gives them.
_VERDICTS: Final = frozenset({401, 402, 403})
# "Proxy Authentication Required" and "Network Authentication Required" are never the API's.
_OF_PROXIES: Final = frozenset({407, 511})
ELSEWHERE: Final = "something answers in the API's place"
EVENT_STREAM: Final = "text/event-stream"
_JSON_TYPES: Final = frozenset({"application/json", "application/x-ndjson", "application/ndjson"})


class ErrorBody(NamedTuple):
    """The beginning of the body of a failed response; `complete` if no part is missing or unreadable."""

    content: bytes
    complete: bool = True


def error_class_of(status: int) -> type[SourceError]:
    """Return the error class of a status outside of 2xx, for a response without an error code."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500:
        return Unavailable
    return RequestRejected if status >= 400 else UnexpectedResponse


def describe_failure(detail: str, status: int, headers: Mapping[str, str], *, foreign: bool = False) -> str:
    """Return one printable line: the target of a redirect, else `detail`, else the reason phrase.

    Of a `foreign` response, it says that the API has not sent it.
    """
    if 300 <= status < 400:
        target = _strip_secrets(headers.get("location", "nowhere"))
        return sanitize(f"redirected to {target}, which is not followed: {ELSEWHERE}")
    if foreign:
        return sanitize(f"{_reason_phrase(status)}, not in the API's own form: {ELSEWHERE}")
    return sanitize(detail or _reason_phrase(status))


def check_content_type(
    status: int, headers: Mapping[str, str], source: str, *, feed: bool = False
) -> InterceptedPage | None:
    """Return the error of a success that is not JSON, or of a `feed` that is no stream of events.

    It comes from something in front of the API: a failing cache, or a login page. The first is temporary and
    the second costs no quota, so both are retried.
    """
    if _media_type(headers) == EVENT_STREAM if feed else is_json(headers):
        return None
    received = sanitize(_media_type(headers), 60) or "no content type"
    if received == "text/html":
        received = "a web page, such as a login page,"
    detail = f"{received} instead of {'events' if feed else 'JSON'}: {ELSEWHERE}"
    return InterceptedPage(detail, source, status=status)


def is_json(headers: Mapping[str, str]) -> bool:
    """Tell whether a response says that its body is JSON."""
    media_type = _media_type(headers)
    return media_type in _JSON_TYPES or media_type.endswith("+json")


def is_foreign(status: int, body: ErrorBody, headers: Mapping[str, str], *, own_form: bool) -> bool:
    """Tell whether a failed response is a verdict about the key or the account that the API has not given.

    `own_form` says whether the body has the form of the API's errors. A body that could not be read to its
    end is the API's unless it says or shows to be something else: the status counts then.
    """
    if 300 <= status < 400 or status in _OF_PROXIES:
        return True
    if status not in _VERDICTS:
        return False
    if own_form or body.complete:
        return not own_form
    begins_otherwise = body.content.strip()[:1] not in {b"", b"{"}
    return begins_otherwise or not (is_json(headers) or not _media_type(headers))


def as_outcome_unknown(route: str, error: SourceError) -> SourceError:
    """Return the error of a request that is sent once, without the frames that `error` passed.

    A status of 400 to 499 in the API's own form is a refusal, and a request that found no connection, or a
    hold before it, was never sent. Any other error may come from something in front of the API, or follow the
    effect.
    """
    refused = error.status is not None and 400 <= error.status < 500 and error.status != 408
    refused = refused and not isinstance(error, Intercepted)
    unsent = isinstance(error, ConnectFailed | ConfigError | OnHold) and error.status is None
    if refused or unsent:
        error.__cause__ = error.__context__ = None
        return error.with_traceback(None)
    return OutcomeUnknown(
        f"{route}: {error.detail}",
        error.source,
        code=error.code,
        status=error.status,
        request_id=error.request_id,
    )


def _media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _reason_phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"HTTP status {status}"


def _strip_secrets(location: str) -> str:
    """Return an address without its user, password, query and fragment."""
    try:
        parts = urlsplit(location)
    except ValueError:  # such as an unclosed bracket
        return "an address that cannot be read"
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" if host else parts.path
