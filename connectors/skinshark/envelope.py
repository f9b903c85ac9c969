"""Unwrap SkinShark's response envelope: return its content, or classify its error."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final, NamedTuple

import msgspec
from msgspec import Raw, Struct

from common.errors import (
    AccountDisabled,
    AccountUnverified,
    AddressDenied,
    Intercepted,
    KeyInvalid,
    KeyMissing,
    KeyRevoked,
    Outage,
    RateLimited,
    RequestRejected,
    RequestTimeout,
    RouteForbidden,
    SourceError,
    TransientError,
    Unavailable,
    UnexpectedResponse,
    UserNotFound,
)
from common.text import sanitize
from connectors.decoding import DECODE_ERRORS, EntryDecoder, PageDecoder
from connectors.http.errors import ErrorBody, describe_failure, error_class_of, is_foreign
from connectors.http.headers import parse_http_date, parse_reset

# A key takes precedence over the status. SERVICE_DISABLED is left to the status: one document gives it a 503,
# which passes, and another a 403, which is about one route.
_BY_KEY: Final[Mapping[str, type[SourceError]]] = {
    "BAD_REQUEST": RequestRejected,
    "VALIDATION_FAILED": RequestRejected,
    "NOT_FOUND": RequestRejected,
    "LISTING_NOT_FOUND": RequestRejected,
    "USER_NOT_FOUND": UserNotFound,
    "USER_NOT_OWNED": RequestRejected,
    "RATE_LIMITED": RateLimited,
    "INTERNAL": Unavailable,
    "MAINTENANCE_MODE": Outage,
    "MARKET_UNAVAILABLE": Outage,
    "MARKET_TIMEOUT": RequestTimeout,
    "PRICING_UNAVAILABLE": Unavailable,
    "UNAUTHORIZED": KeyInvalid,
    "MISSING_API_KEY": KeyMissing,
    "INVALID_API_KEY": KeyInvalid,
    "API_KEY_REVOKED": KeyRevoked,
    "API_KEY_IP_DENIED": AddressDenied,
    "ACCOUNT_SUSPENDED": AccountDisabled,
    "ACCOUNT_DELETED": AccountDisabled,
    "ACCOUNT_LOCKED": AccountDisabled,
    "EMAIL_NOT_VERIFIED": AccountUnverified,
    "FORBIDDEN": RouteForbidden,
    "SELL_DISABLED": RouteForbidden,
    "SELL_REQUIRES_MERCHANT": RouteForbidden,
}
# What the API's documents say of a key whose own message says less.
_EXPLANATIONS: Final[Mapping[str, str]] = {
    "FORBIDDEN": "a route for the dashboard only, or On-Behalf-Of where it is not allowed",
}
# The documents ask for one more attempt after this many seconds.
_OUTAGE_WAIT: Final = 30.0


class _Detail(Struct):
    """One wrong parameter: older answers give its path as text, newer ones as a list."""

    path: str | list[str | int] = ""
    message: str = ""

    @property
    def field(self) -> str:
        return self.path if isinstance(self.path, str) else ".".join(map(str, self.path))


class _Meta(Struct):
    details: Raw = Raw(b"")


class _Error(Struct):
    key: str = ""
    message: str = ""
    meta: Raw = Raw(b"")


class _Envelope(Struct, rename="camel"):
    success: bool
    request_id: Raw = Raw(b"")
    data: Raw = Raw(b"")
    error: Raw = Raw(b"null")

    @property
    def failure(self) -> _Error | None:
        """What the envelope says of an error, as far as that can be read; None where it says nothing."""
        try:
            return _ERROR.decode(self.error)[0]
        except DECODE_ERRORS:
            return None

    @property
    def id(self) -> str:
        """The id of the request in one printable line; empty where it is missing or no text."""
        try:
            return sanitize(msgspec.json.decode(self.request_id, type=str))
        except DECODE_ERRORS:
            return ""


_ENVELOPE: Final = PageDecoder(_Envelope)
_ERROR: Final = EntryDecoder(_Error)
_META: Final = msgspec.json.Decoder(_Meta)
_DETAILS: Final = msgspec.json.Decoder(list[_Detail])


class EnvelopeContent(NamedTuple):
    """The content of a successful response: `data` is JSON."""

    request_id: str
    data: bytes


def unwrap(body: bytes, route: str, source: str) -> EnvelopeContent:
    """Return the content of a response with a status of 2xx.

    Raises UnexpectedResponse where the envelope or its data is missing, and the error of an envelope that
    reports one.
    """
    envelope = _decode(body)
    if envelope is None:
        raise UnexpectedResponse(f"{route}: the response has no envelope", source)
    if not envelope.success:
        raise _classify_envelope(envelope, HTTPStatus.OK, {}, source=source)
    if not bytes(envelope.data):  # a missing field leaves Raw empty; null would be b"null"
        raise UnexpectedResponse(f"{route}: the envelope has no data", source, request_id=envelope.id)
    return EnvelopeContent(envelope.id, bytes(envelope.data))


def classify(status: int, body: ErrorBody, headers: Mapping[str, str], *, source: str) -> SourceError | None:
    """Return the error that a response means, None for a status of 2xx.

    The envelope's error key decides, or the status where the key is missing or unknown. `headers` has
    lower-case names.
    """
    if 200 <= status < 300:
        return None
    envelope = _decode(body.content) or _Envelope(success=False)
    failure = envelope.failure
    own_form = bool(not envelope.success and failure and (failure.key or envelope.id))
    foreign = is_foreign(status, body, headers, own_form=own_form)
    return _classify_envelope(envelope, status, headers, source=source, foreign=foreign)


def _decode(body: bytes) -> _Envelope | None:
    try:
        return _ENVELOPE.decode(body)
    except DECODE_ERRORS:
        return None


def _classify_envelope(
    envelope: _Envelope, status: int, headers: Mapping[str, str], *, source: str, foreign: bool = False
) -> SourceError:
    content = envelope.failure or _Error()
    details = _decode_details(content.meta)
    error_class = Intercepted if foreign else _BY_KEY.get(content.key) or _error_class_of(status)
    error = error_class(
        describe_failure(_describe(content, details), status, headers, foreign=foreign),
        source=source,
        code=sanitize(content.key),
        status=status,
        request_id=envelope.id,
    )
    if isinstance(error, TransientError):
        error.retry_after = _OUTAGE_WAIT if isinstance(error, Outage) else _seconds_to_reset(headers)
    if isinstance(error, RequestRejected):
        error.fields = tuple(sanitize(detail.field, 100) for detail in details if detail.field)
    return error


def _decode_details(meta: Raw) -> list[_Detail]:
    """Return the wrong parameters; details in a form of their own are one text, to be shown at least."""
    try:
        details = _META.decode(meta).details if bytes(meta) else meta
        return _DETAILS.decode(details) if bytes(details) else []
    except DECODE_ERRORS:
        return [_Detail(message=bytes(meta).decode(errors="replace"))]


def _describe(content: _Error, details: Sequence[_Detail]) -> str:
    """Return the API's message, what the documents add to it, and each wrong parameter."""
    message = ": ".join(filter(None, (content.message, _EXPLANATIONS.get(content.key, ""))))
    wrong = "; ".join(": ".join(filter(None, (detail.field, detail.message))) for detail in details)
    return ": ".join(filter(None, (message, wrong)))


def _error_class_of(status: int) -> type[SourceError]:
    """Return the error class of a status.

    A 403 whose key is unknown here, or could not be read, is about its route: it says nothing of the account.
    """
    if status == HTTPStatus.FORBIDDEN:
        return RouteForbidden
    return RequestTimeout if status == HTTPStatus.GATEWAY_TIMEOUT else error_class_of(status)


def _seconds_to_reset(headers: Mapping[str, str]) -> float | None:
    """Return the seconds until the token bucket's reset, which count where there is no Retry-After."""
    reset_at, now = parse_reset(headers), parse_http_date(headers.get("date"))
    return max((reset_at - now).total_seconds(), 0.0) if reset_at and now else None
