"""The quota headers of a response, with valid numbers and without."""

from datetime import UTC, datetime

import pytest

from connectors.http.headers import parse_quota
from connectors.ratelimit.limiter import QuotaHeaders

NOON = "Mon, 01 Jun 2026 12:00:00 GMT"
ONE = datetime(2026, 6, 1, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    ("limit", "remaining", "reset", "quota"),
    [
        ("50000", "41", "3600", QuotaHeaders(50_000, 41, ONE)),
        ("50000", "0", "1780318800", QuotaHeaders(50_000, 0, ONE)),
        ("50000", "0", "soon", QuotaHeaders(50_000, 0, None)),
        ("", "41", "3600", QuotaHeaders(None, 41, ONE)),
        ("-1", "²", "", QuotaHeaders(None, None, None)),
        ("1e6", "9" * 400, "nan", QuotaHeaders(None, None, None)),
    ],
)
def test_invalid_numbers_in_quota_headers_are_ignored(
    limit: str, remaining: str, reset: str, quota: QuotaHeaders
) -> None:
    headers = {
        "x-ratelimit-limit": limit,
        "x-ratelimit-remaining": remaining,
        "x-ratelimit-reset": reset,
        "date": NOON,
    }
    assert parse_quota(headers) == quota
    assert parse_quota({}) == QuotaHeaders(None, None, None)
