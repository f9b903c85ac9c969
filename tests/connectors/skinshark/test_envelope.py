"""What SkinShark's answers mean: by their key, by their status where they have none."""

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
MEANT: list[tuple[str, int, type[SourceError]]] = [
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


def told(key: str, message: str = "What happened", **meta: object) -> bytes:
    error = {"code": 1, "key": key, "message": message, **({"meta": meta} if meta else {})}
    return json.dumps({"requestId": "req-7", "success": False, "error": error}).encode()


def classified(status: int, body: bytes, **headers: str) -> SourceError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    error = classify(status, body, named, source="shark")
    assert error is not None
    return error


@pytest.mark.parametrize(("key", "status", "kind"), MEANT, ids=[f"{key}-{code}" for key, code, _ in MEANT])
def test_the_key_says_what_it_is_and_the_status_where_there_is_none(
    key: str, status: int, kind: type[SourceError]
) -> None:
    error = classified(status, told(key) if key else b"Oops")
    assert isinstance(error, kind)
    assert (error.code, error.status, error.source) == (key, status, "shark")
    assert (error.request_id, error.detail) == ("req-7", "What happened") or not key


def test_every_error_that_the_sandbox_knows_is_in_the_table() -> None:
    assert set(ERRORS) <= {key for key, _, _ in MEANT}


@pytest.mark.parametrize("status", [200, 204])
def test_a_good_status_is_no_error(status: int) -> None:
    assert classify(status, told("FORBIDDEN"), {}, source="shark") is None


def test_the_request_and_what_is_wrong_with_it_are_told() -> None:
    error = classified(422, told("VALIDATION_FAILED", details=[{"path": "limit"}]))
    assert "request req-7" in str(error)
    assert error.detail == 'What happened: [{"path": "limit"}]'


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
def test_how_long_to_wait_is_read_from_either_header(headers: dict[str, str], wait: float | None) -> None:
    error = classified(429, told("RATE_LIMITED"), **headers)
    assert isinstance(error, RateLimited)
    assert error.retry_after == wait


def test_a_redirect_is_not_followed_and_shows_no_query() -> None:
    error = classified(302, b"", location="https://elsewhere.example/login?key=secret")
    assert isinstance(error, UnexpectedResponse)
    assert "elsewhere.example/login" in error.detail
    assert "secret" not in str(error)


def test_an_envelope_gives_what_is_in_it() -> None:
    content = unwrap(b'{"requestId":"req-1","success":true,"data":{"a":[1]}}', ROUTE, "shark")
    assert content == ("req-1", b'{"a":[1]}')


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"items":[]}', UnexpectedResponse),
        (b"[]", UnexpectedResponse),
        (b"\xff", UnexpectedResponse),
        (b'{"requestId":"req-7","success":true}', UnexpectedResponse),
        (told("API_KEY_REVOKED"), KeyRevoked),
    ],
)
def test_what_is_no_good_envelope(body: bytes, kind: type[SourceError]) -> None:
    with pytest.raises(kind):
        unwrap(body, ROUTE, "shark")


def test_control_characters_of_the_api_do_not_reach_a_terminal() -> None:
    error = classified(403, told("FORBIDDEN\x1b[2J", "no\x1b]0;x\x07"))
    assert "\x1b" not in str(error)
