"""Failed responses of CS2Cap are classified by the API's documented codes, else by their status."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import errors
from connectors.cs2cap.errors import GATED_ROUTES
from connectors.cs2cap.errors import classify as classify_body
from connectors.http.errors import ErrorBody

PRICES, BIDS = "GET /v1/prices", "GET /v1/bids"
FEED = "GET /v1/feed/prices"
BULK = "Bulk snapshot access is not enabled for this tier"
DISABLED = "Account is disabled"
NOON = "Mon, 01 Jun 2026 12:00:00 GMT"


def classify(
    route: str, status: int, body: bytes, headers: Mapping[str, str], *, source: str
) -> errors.SourceError | None:
    return classify_body(route, status, ErrorBody(body), headers, source=source)


def body(code: str | None = None, detail: object = "something failed") -> bytes:
    return json.dumps({"detail": detail} | ({} if code is None else {"code": code})).encode()


ROWS: list[tuple[str, str, int, bytes, type[errors.SourceError] | None]] = [
    ("invalid key", PRICES, 401, body("AUTH_INVALID_API_KEY"), errors.KeyInvalid),
    ("revoked key", PRICES, 401, body("AUTH_API_KEY_REVOKED"), errors.KeyRevoked),
    ("disabled account, 403", PRICES, 403, body("AUTH_ACCOUNT_DISABLED"), errors.AccountDisabled),
    ("disabled account, 401", PRICES, 401, body("AUTH_ACCOUNT_DISABLED"), errors.AccountDisabled),
    ("no header arrived", PRICES, 401, body("UNAUTHORIZED"), errors.KeyMissing),
    ("forbidden, open route", PRICES, 403, body("FORBIDDEN", DISABLED), errors.AccountDisabled),
    ("forbidden, open route, no reason", PRICES, 403, body("FORBIDDEN"), errors.AccountDisabled),
    ("forbidden, open route, tier", PRICES, 403, body("FORBIDDEN", BULK), errors.PlanForbids),
    ("forbidden, gated route", BIDS, 403, body("FORBIDDEN", BULK), errors.PlanForbids),
    ("forbidden, gated route, no reason", BIDS, 403, body("FORBIDDEN"), errors.PlanForbids),
    ("forbidden, gated route, disabled", BIDS, 403, body("FORBIDDEN", DISABLED), errors.AccountDisabled),
    ("unverified account", PRICES, 403, body("EMAIL_NOT_VERIFIED"), errors.AccountUnverified),
    ("unknown code 403", PRICES, 403, body("REGION_NOT_SERVED"), errors.RouteForbidden),
    ("unknown code 403, no reason", PRICES, 403, b'{"code": "NEW"}', errors.RouteForbidden),
    ("unknown code 403, tier", PRICES, 403, body("NEW", BULK), errors.PlanForbids),
    ("unknown code 403, gated route", BIDS, 403, body("NEW"), errors.PlanForbids),
    ("unknown code 403, disabled", PRICES, 403, body("NEW", DISABLED), errors.AccountDisabled),
    ("burst", PRICES, 429, body("RATE_LIMIT_EXCEEDED"), errors.RateLimited),
    ("month", PRICES, 429, body("RATE_LIMIT_MONTHLY_QUOTA_EXCEEDED"), errors.QuotaExhausted),
    ("streams of a day", PRICES, 429, body("RATE_LIMIT_STREAM_QUOTA_EXCEEDED"), errors.StreamsExhausted),
    ("stream active", "POST /v1/prices", 409, body("STREAM_ALREADY_ACTIVE"), errors.Busy),
    ("feed connections", FEED, 429, body("RATE_LIMIT_FEED_CONNECTIONS_EXCEEDED"), errors.Busy),
    ("feed down", FEED, 503, body("SERVICE_UNAVAILABLE"), errors.Unavailable),
    ("feed, tier", FEED, 403, body("FORBIDDEN"), errors.PlanForbids),
    ("prices index", PRICES, 503, body("PRICES_INDEX_UNAVAILABLE"), errors.Unavailable),
    ("bids index", BIDS, 503, body("BIDS_INDEX_UNAVAILABLE"), errors.Unavailable),
    ("validation", PRICES, 422, body("VALIDATION_ERROR"), errors.RequestRejected),
    ("the code counts, not the status", PRICES, 503, body("AUTH_API_KEY_REVOKED"), errors.KeyRevoked),
    ("no code 400", PRICES, 400, body(), errors.RequestRejected),
    ("no code 401", PRICES, 401, body(), errors.KeyInvalid),
    ("no code 402", PRICES, 402, body(), errors.PlanForbids),
    ("no code 403", PRICES, 403, body(), errors.AccountDisabled),
    ("no code 403, gated", BIDS, 403, body(), errors.PlanForbids),
    ("no code 404", "GET /v1/providers", 404, body(), errors.RequestRejected),
    ("no code 408", PRICES, 408, body(), errors.RequestTimeout),
    ("no code 409", PRICES, 409, body(), errors.Busy),
    ("no code 429", PRICES, 429, body(), errors.RateLimited),
    ("no code 500", PRICES, 500, body(), errors.Unavailable),
    ("no code 503", PRICES, 503, body(), errors.Unavailable),
    ("unknown code 401", PRICES, 401, body("AUTH_NEW"), errors.KeyInvalid),
    ("unknown code 422", PRICES, 422, body("NEW"), errors.RequestRejected),
    ("unknown code 500", PRICES, 500, body("NEW"), errors.Unavailable),
    ("code of another type", PRICES, 503, b'{"code": 7, "detail": null}', errors.Unavailable),
    ("html 502", PRICES, 502, b"<html>Bad Gateway</html>", errors.Unavailable),
    ("html 403 is not the API's", PRICES, 403, b"<html>blocked</html>", errors.Intercepted),
    ("nothing 500", PRICES, 500, b"", errors.Unavailable),
    ("a list 400", PRICES, 400, b"[1, 2]", errors.RequestRejected),
    ("not text 500", PRICES, 500, b"\xff\xfe\x00", errors.Unavailable),
    ("redirect", PRICES, 302, b"", errors.Intercepted),
    ("early hints", PRICES, 103, b"", errors.UnexpectedResponse),
    ("good", PRICES, 200, b"{}", None),
    ("good, whatever it says", PRICES, 204, body("AUTH_API_KEY_REVOKED"), None),
]


@pytest.mark.parametrize(
    ("route", "status", "body", "error_class"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_response_is_classified(
    route: str, status: int, body: bytes, error_class: type[errors.SourceError] | None
) -> None:
    error = classify(route, status, body, headers={}, source="cs2cap")
    assert type(error) is (error_class or type(None))
    if error is not None:
        assert (error.source, error.status) == ("cs2cap", status)
        assert error.detail


def test_refused_route_is_named() -> None:
    error = classify(BIDS, 403, body("NEW", "No"), headers={}, source="cs2cap")
    assert isinstance(error, errors.PlanForbids)
    error = classify(PRICES, 403, body("NEW", "No"), headers={}, source="cs2cap")
    assert isinstance(error, errors.RouteForbidden)
    assert (error.code, error.detail) == ("NEW", "GET /v1/prices: No")


def test_validation_details_show_their_location() -> None:
    detail = [
        {"type": "less_than_equal", "loc": ["query", "limit"], "msg": "Input should be at most 1000"},
        {"type": "enum", "loc": ["query", "providers", 0], "msg": "Unknown provider"},
        "nonsense",
    ]
    error = classify(PRICES, 422, body("VALIDATION_ERROR", detail), headers={}, source="cs2cap")
    assert error is not None
    assert error.detail == ("query.limit: Input should be at most 1000; query.providers.0: Unknown provider")


@pytest.mark.parametrize(
    ("headers", "resets_at"),
    [
        ({"x-ratelimit-reset": "1782864000"}, datetime(2026, 7, 1, tzinfo=UTC)),
        ({"x-ratelimit-reset": "3600", "date": NOON}, datetime(2026, 6, 1, 13, tzinfo=UTC)),
        ({"x-ratelimit-reset": "999999999", "date": NOON}, None),
        ({"x-ratelimit-reset": "3600"}, None),
        ({"x-ratelimit-reset": "soon", "date": NOON}, None),
        ({"x-ratelimit-reset": "9" * 30, "date": NOON}, None),
        ({}, None),
    ],
)
def test_reset_is_a_unix_time_or_seconds(headers: dict[str, str], resets_at: datetime | None) -> None:
    error = classify(PRICES, 429, body("RATE_LIMIT_MONTHLY_QUOTA_EXCEEDED"), headers=headers, source="cs2cap")
    assert isinstance(error, errors.QuotaExhausted)
    assert error.resets_at == resets_at


def test_redirect_shows_its_target_without_user_and_query() -> None:
    headers = {"location": "https://user:secret@elsewhere.example/login?token=secret"}
    error = classify(PRICES, 302, b"", headers=headers, source="cs2cap")
    assert error is not None
    assert "https://elsewhere.example/login" in error.detail
    assert "secret" not in str(error)


def test_only_routes_in_the_tier_table_are_gated() -> None:
    assert PRICES not in GATED_ROUTES
    assert "POST /v1/prices" in GATED_ROUTES


@given(st.integers(300, 599), st.binary(), st.dictionaries(st.just("retry-after"), st.text()))
def test_any_failed_response_is_a_source_error(status: int, body: bytes, headers: dict[str, str]) -> None:
    error = classify(PRICES, status, body, headers=headers, source="cs2cap")
    assert isinstance(error, errors.SourceError)
    assert str(error).isprintable()
    assert len(error.detail) <= 200


@pytest.mark.parametrize(
    "odd",
    [
        b'"detail": null',
        b'"detail": 5',
        rb'"detail": "\ud83d"',
        b'"detail": NaN',
        b'"note": NaN',
        b'"detail": {}',
    ],
)
def test_odd_part_of_an_error_does_not_hide_its_code(odd: bytes) -> None:
    """A verdict about the key must not be lost to a part of the answer that means nothing."""
    headers = {"content-type": "application/json"}
    text = b'{"code": "AUTH_API_KEY_REVOKED", ' + odd + b"}"
    assert isinstance(classify(PRICES, 401, text, headers, source="cs2cap"), errors.KeyRevoked)
