"""SkinShark's envelope: what is in it, or the error that it tells, by its key."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, NamedTuple

import msgspec
from msgspec import Raw, Struct

from common.errors import (
    AccountDisabled,
    AddressDenied,
    KeyInvalid,
    KeyMissing,
    KeyRevoked,
    PlanForbids,
    RateLimited,
    RequestRejected,
    RequestTimeout,
    SourceError,
    TransientError,
    Unavailable,
    UnexpectedResponse,
)
from common.text import sanitize
from connectors.http.headers import (
    BY_STATUS,
    parse_http_date,
    parse_reset,
    reason_phrase,
    retry_after,
    strip_query,
)

_BY_KEY: Final[Mapping[str, type[SourceError]]] = {
    "MISSING_API_KEY": KeyMissing,
    "INVALID_API_KEY": KeyInvalid,
    "UNAUTHORIZED": KeyInvalid,
    "API_KEY_REVOKED": KeyRevoked,
    "API_KEY_IP_DENIED": AddressDenied,
    "ACCOUNT_SUSPENDED": AccountDisabled,
    "ACCOUNT_DELETED": AccountDisabled,
    "ACCOUNT_LOCKED": AccountDisabled,
    "EMAIL_NOT_VERIFIED": AccountDisabled,
    "FORBIDDEN": PlanForbids,
    "USER_NOT_FOUND": RequestRejected,
    "USER_NOT_OWNED": RequestRejected,
    "VALIDATION_FAILED": RequestRejected,
    "RATE_LIMITED": RateLimited,
    "INTERNAL": Unavailable,
    "MAINTENANCE_MODE": Unavailable,
    "SERVICE_DISABLED": Unavailable,
    "MARKET_UNAVAILABLE": Unavailable,
    "MARKET_TIMEOUT": RequestTimeout,
}


class _Meta(Struct):
    details: Raw = Raw(b"")


class _Error(Struct):
    key: str = ""
    message: str = ""
    meta: _Meta | None = None


class _Envelope(Struct):
    success: bool
    requestId: str = ""  # noqa: N815 - as the API spells it
    data: Raw = Raw(b"")
    error: _Error | None = None


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)


class EnvelopeContent(NamedTuple):
    """What an envelope held: `data` is JSON."""

    request_id: str
    data: bytes


def unwrap(body: bytes, route: str, source: str) -> EnvelopeContent:
    """Take out what a good answer's envelope holds. Raises ContractBroken where it holds nothing.

    An envelope that tells an error under a good status is that error.
    """
    envelope = _decode(body)
    if envelope is None:
        raise UnexpectedResponse(f"{route}: no envelope around the answer", source)
    request_id = sanitize(envelope.requestId)
    if not envelope.success:
        raise _classify_envelope(envelope, HTTPStatus.OK, {}, source)
    if not bytes(envelope.data):
        raise UnexpectedResponse(f"{route}: an envelope without data", source, request_id=request_id)
    return EnvelopeContent(request_id, bytes(envelope.data))


def classify(
    route: str,  # noqa: ARG001 - what a key means does not depend on it
    status: int,
    body: bytes,
    headers: Mapping[str, str],
    source: str,
) -> SourceError | None:
    """Say what is wrong with a response: by its key, by its status where there is none it knows.

    `headers` has lower-case names. None for 2xx.
    """
    if 200 <= status < 300:
        return None
    return _classify_envelope(_decode(body) or _Envelope(success=False), status, headers, source)


def _decode(body: bytes) -> _Envelope | None:
    try:
        return _ENVELOPE.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _classify_envelope(
    envelope: _Envelope, status: int, headers: Mapping[str, str], source: str
) -> SourceError:
    error = envelope.error or _Error()
    kind = _BY_KEY.get(error.key) or _kind_by_status(status, known=bool(error.key))
    detail = error.message
    if error.meta is not None and bytes(error.meta.details):
        detail = f"{detail}: {bytes(error.meta.details).decode(errors='replace')}"
    if 300 <= status < 400:
        detail = f"redirected to {strip_query(headers.get('location', 'nowhere'))}, which is not followed"
    about, code, request_id = (
        sanitize(detail or reason_phrase(status)),
        sanitize(error.key),
        sanitize(envelope.requestId),
    )
    if issubclass(kind, TransientError):
        return kind(about, source, code, status, request_id, _retry_after(headers))
    return kind(about, source, code, status, request_id)


def _kind_by_status(status: int, *, known: bool) -> type[SourceError]:
    """Read a status; a 403 without a key did not come from the API itself."""
    if status == HTTPStatus.FORBIDDEN:
        return AccountDisabled if known else AddressDenied
    if status == HTTPStatus.GATEWAY_TIMEOUT:
        return RequestTimeout
    if status in BY_STATUS:
        return BY_STATUS[status]
    if status >= 500:
        return Unavailable
    return RequestRejected if status >= 400 else UnexpectedResponse


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Read how long to wait, also where only the bucket's reset is told: a Unix time, or seconds."""
    told = retry_after(headers)
    until, now = parse_reset(headers), parse_http_date(headers.get("date"))
    if told is None and until and now:
        return max((until - now).total_seconds(), 0.0)
    return told
