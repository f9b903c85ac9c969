"""SkinShark's failed responses are classified by error key, or by status where they have no key."""

from __future__ import annotations

import json

import pytest

from common.errors import (
    AccountDisabled,
    AccountUnverified,
    AddressDenied,
    Busy,
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
    Unavailable,
    UnexpectedResponse,
    UserNotFound,
)
from connectors.http.errors import ErrorBody
from connectors.skinshark.envelope import classify, unwrap
from sandbox.skinshark.errors import ERRORS

ROUTE, DATE = "GET /market/prices", "Mon, 01 Jun 2026 12:00:00 GMT"
EXPECTED: list[tuple[str, int, type[SourceError]]] = [
    ("MISSING_API_KEY", 401, KeyMissing),
    ("INVALID_API_KEY", 401, KeyInvalid),
    ("API_KEY_REVOKED", 401, KeyRevoked),
    ("UNAUTHORIZED", 401, KeyInvalid),
    ("API_KEY_IP_DENIED", 403, AddressDenied),
    ("ACCOUNT_SUSPENDED", 403, AccountDisabled),
    ("ACCOUNT_DELETED", 403, AccountDisabled),
    ("ACCOUNT_LOCKED", 403, AccountDisabled),
    ("EMAIL_NOT_VERIFIED", 403, AccountUnverified),
    ("FORBIDDEN", 403, RouteForbidden),
    ("SELL_DISABLED", 403, RouteForbidden),
    ("SELL_REQUIRES_MERCHANT", 403, RouteForbidden),
    ("SERVICE_DISABLED", 403, RouteForbidden),
    ("USER_NOT_OWNED", 403, RequestRejected),
    ("USER_NOT_FOUND", 404, UserNotFound),
    ("NOT_FOUND", 404, RequestRejected),
    ("VALIDATION_FAILED", 422, RequestRejected),
    ("BAD_REQUEST", 400, RequestRejected),
    ("RATE_LIMITED", 429, RateLimited),
    ("INTERNAL", 500, Unavailable),
    ("MAINTENANCE_MODE", 503, Outage),
    ("SERVICE_DISABLED", 503, Unavailable),
    ("MARKET_UNAVAILABLE", 503, Outage),
    ("PRICING_UNAVAILABLE", 503, Unavailable),
    ("LISTING_NOT_FOUND", 404, RequestRejected),
    ("MARKET_TIMEOUT", 504, RequestTimeout),
    ("SOMETHING_NEW", 401, KeyInvalid),
    ("SOMETHING_NEW", 403, RouteForbidden),
    ("SOMETHING_NEW", 409, Busy),
    ("SOMETHING_NEW", 418, RequestRejected),
    ("SOMETHING_NEW", 500, Unavailable),
    ("", 401, Intercepted),
    ("", 403, Intercepted),
    ("", 413, RequestRejected),
    ("", 429, RateLimited),
    ("", 504, RequestTimeout),
]


def error_body(key: str, message: str = "Something failed", meta: object = None) -> bytes:
    error = {"code": 1, "key": key, "message": message, **({"meta": meta} if meta else {})}
    return json.dumps({"requestId": "req-7", "success": False, "error": error}).encode()


def classify_response(status: int, body: bytes, **headers: str) -> SourceError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    error = classify(status, ErrorBody(body), named, source="shark")
    assert error is not None
    return error


ODD_PARTS = [
    b'"message": null', b'"message": 5', rb'"message": "\ud83d"', b'"message": NaN', b'"meta": [1]',
    b'"note": NaN', b'"message": ' + b"9" * 5_000, b'"code": {}',
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD_PARTS)
@pytest.mark.parametrize("request_id", [b'"req-7"', b"7", rb'"\ud83d"', b"null"])
def test_odd_part_of_an_error_does_not_hide_its_key(odd: bytes, request_id: bytes) -> None:
    """A verdict about the key must not be lost to a part of the answer that means nothing."""
    error = b'{"key": "API_KEY_REVOKED", ' + odd + b"}"
    body = b'{"requestId": ' + request_id + b', "success": false, "error": ' + error + b"}"
    found = classify_response(401, body, content_type="application/json")
    assert isinstance(found, KeyRevoked)
    assert found.request_id == ("req-7" if request_id == b'"req-7"' else "")


@pytest.mark.parametrize("request_id", [b"7", rb'"\ud83d"', b"null", b"[]", b"NaN"])
def test_odd_request_id_costs_itself(request_id: bytes) -> None:
    body = b'{"requestId": ' + request_id + b', "success": true, "note": NaN, "data": {"items": [NaN]}}'
    assert unwrap(body, ROUTE, "shark") == ("", b'{"items": [NaN]}')


@pytest.mark.parametrize(
    ("key", "status", "error_class"), EXPECTED, ids=[f"{key}-{code}" for key, code, _ in EXPECTED]
)
def test_error_key_decides_or_the_status_without_a_known_key(
    key: str, status: int, error_class: type[SourceError]
) -> None:
    error = classify_response(status, error_body(key) if key else b"Oops")
    assert type(error) is error_class
    assert (error.code, error.status, error.source) == (key, status, "shark")
    assert not key or (error.request_id, error.detail[:16]) == ("req-7", "Something failed")


def test_every_error_of_the_sandbox_is_in_the_table() -> None:
    assert set(ERRORS) <= {key for key, _, _ in EXPECTED}


@pytest.mark.parametrize("status", [200, 204])
def test_successful_status_is_no_error(status: int) -> None:
    assert classify(status, ErrorBody(error_body("FORBIDDEN")), {}, source="shark") is None


@pytest.mark.parametrize(
    ("details", "detail", "fields"),
    [
        ([{"path": ["limit"], "message": "too big"}], "limit: too big", ("limit",)),
        ([{"path": "limit"}], "limit", ("limit",)),
        (
            [{"path": ["query", "limit"], "message": "a"}, {"path": ["items", 0], "message": "b"}],
            "query.limit: a; items.0: b",
            ("query.limit", "items.0"),
        ),
        ([{"path": [], "message": "Unrecognized key(s): market"}], "Unrecognized key(s): market", ()),
        ({"limit": "odd"}, '{"details": {"limit": "odd"}}', ()),
        (None, "", ()),
    ],
)
def test_error_shows_request_id_and_the_wrong_fields(
    details: object, detail: str, fields: tuple[str, ...]
) -> None:
    meta = None if details is None else {"details": details}
    error = classify_response(422, error_body("VALIDATION_FAILED", meta=meta))
    assert isinstance(error, RequestRejected)
    assert "request req-7" in str(error)
    assert (error.detail, error.fields) == (": ".join(filter(None, ("Something failed", detail))), fields)


def test_meta_of_another_form_does_not_hide_the_key() -> None:
    body = b'{"requestId":"req-7","success":false,"error":{"key":"SOMETHING_NEW","message":"No","meta":[1]}}'
    error = classify_response(403, body)
    assert (type(error), error.code, error.detail) == (RouteForbidden, "SOMETHING_NEW", "No: [1]")


def test_forbidden_is_no_matter_of_the_tier() -> None:
    error = classify_response(403, error_body("FORBIDDEN"))
    assert "dashboard only, or On-Behalf-Of" in str(error)
    assert "tier" not in str(error)


def test_outage_asks_for_half_a_minute() -> None:
    error = classify_response(503, error_body("MARKET_UNAVAILABLE"))
    assert isinstance(error, Outage)
    assert error.retry_after == 30.0


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"x_ratelimit_reset": "50", "date": DATE}, 50.0),
        ({"x_ratelimit_reset": "1780315230", "date": DATE}, 30.0),
        ({}, None),
    ],
)
def test_reset_says_how_long_to_wait(headers: dict[str, str], wait: float | None) -> None:
    error = classify_response(429, error_body("RATE_LIMITED"), **headers)
    assert isinstance(error, RateLimited)
    assert error.retry_after == wait


def test_redirect_is_not_followed_and_its_query_is_not_shown() -> None:
    error = classify_response(302, b"", location="https://elsewhere.example/login?key=secret")
    assert isinstance(error, UnexpectedResponse)
    assert "elsewhere.example/login" in error.detail
    assert "secret" not in str(error)


def test_unwrap_returns_request_id_and_data() -> None:
    content = unwrap(b'{"requestId":"req-1","success":true,"data":{"a":[1]}}', ROUTE, "shark")
    assert content == ("req-1", b'{"a":[1]}')


@pytest.mark.parametrize(
    ("body", "error_class"),
    [
        (b'{"items":[]}', UnexpectedResponse),
        (b"[]", UnexpectedResponse),
        (b"\xff", UnexpectedResponse),
        (b'{"requestId":"req-7","success":true}', UnexpectedResponse),
        (error_body("API_KEY_REVOKED"), KeyRevoked),
    ],
)
def test_invalid_or_failed_envelope_raises(body: bytes, error_class: type[SourceError]) -> None:
    with pytest.raises(error_class):
        unwrap(body, ROUTE, "shark")


def test_control_characters_are_removed_from_errors() -> None:
    error = classify_response(403, error_body("FORBIDDEN\x1b[2J", "no\x1b]0;x\x07"))
    assert "\x1b" not in str(error)
