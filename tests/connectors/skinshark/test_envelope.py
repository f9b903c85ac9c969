"""SkinShark's failed responses are classified by error key, or by status where they have no key."""

from __future__ import annotations

import json

import pytest

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
from connectors.skinshark.envelope import classify, unwrap
from sandbox.skinshark.merchant import ERRORS

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
    ("EMAIL_NOT_VERIFIED", 403, AccountDisabled),
    ("FORBIDDEN", 403, PlanForbids),
    ("USER_NOT_OWNED", 403, RequestRejected),
    ("USER_NOT_FOUND", 404, RequestRejected),
    ("NOT_FOUND", 404, RequestRejected),
    ("VALIDATION_FAILED", 422, RequestRejected),
    ("BAD_REQUEST", 400, RequestRejected),
    ("RATE_LIMITED", 429, RateLimited),
    ("INTERNAL", 500, Unavailable),
    ("MAINTENANCE_MODE", 503, Unavailable),
    ("SERVICE_DISABLED", 503, Unavailable),
    ("MARKET_UNAVAILABLE", 503, Unavailable),
    ("MARKET_TIMEOUT", 504, RequestTimeout),
    ("SOMETHING_NEW", 401, KeyInvalid),
    ("SOMETHING_NEW", 403, AccountDisabled),
    ("SOMETHING_NEW", 409, TransientError),
    ("SOMETHING_NEW", 418, RequestRejected),
    ("SOMETHING_NEW", 500, Unavailable),
    ("", 401, KeyInvalid),
    ("", 403, AddressDenied),
    ("", 413, RequestRejected),
    ("", 429, RateLimited),
    ("", 504, RequestTimeout),
]


def error_body(key: str, message: str = "Something failed", **meta: object) -> bytes:
    error = {"code": 1, "key": key, "message": message, **({"meta": meta} if meta else {})}
    return json.dumps({"requestId": "req-7", "success": False, "error": error}).encode()


def classify_response(status: int, body: bytes, **headers: str) -> SourceError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    error = classify(status, body, named, source="shark")
    assert error is not None
    return error


@pytest.mark.parametrize(
    ("key", "status", "error_class"), EXPECTED, ids=[f"{key}-{code}" for key, code, _ in EXPECTED]
)
def test_error_key_decides_or_the_status_without_a_known_key(
    key: str, status: int, error_class: type[SourceError]
) -> None:
    error = classify_response(status, error_body(key) if key else b"Oops")
    assert isinstance(error, error_class)
    assert (error.code, error.status, error.source) == (key, status, "shark")
    assert (error.request_id, error.detail) == ("req-7", "Something failed") or not key


def test_every_error_of_the_sandbox_is_in_the_table() -> None:
    assert set(ERRORS) <= {key for key, _, _ in EXPECTED}


@pytest.mark.parametrize("status", [200, 204])
def test_successful_status_is_no_error(status: int) -> None:
    assert classify(status, error_body("FORBIDDEN"), {}, source="shark") is None


def test_error_shows_request_id_and_validation_details() -> None:
    error = classify_response(422, error_body("VALIDATION_FAILED", details=[{"path": "limit"}]))
    assert "request req-7" in str(error)
    assert error.detail == 'Something failed: [{"path": "limit"}]'


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry_after": "17"}, 17.0),
        ({"retry_after": "17", "x_ratelimit_reset": "50", "date": DATE}, 17.0),
        ({"x_ratelimit_reset": "50", "date": DATE}, 50.0),
        ({"x_ratelimit_reset": "1780315230", "date": DATE}, 30.0),
        ({}, None),
    ],
)
def test_retry_after_is_read_from_either_header(headers: dict[str, str], wait: float | None) -> None:
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
