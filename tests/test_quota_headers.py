"""What an answer's headers say of a quota, and what is no number."""

from datetime import UTC, datetime

import pytest

from connectors.classify import quota_of
from connectors.throttle import Quota

NOON = "Mon, 01 Jun 2026 12:00:00 GMT"
ONE = datetime(2026, 6, 1, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    ("limit", "remaining", "reset", "quota"),
    [
        ("50000", "41", "3600", Quota(50_000, 41, ONE)),
        ("50000", "0", "1780318800", Quota(50_000, 0, ONE)),
        ("50000", "0", "soon", Quota(50_000, 0, None)),
        ("", "41", "3600", Quota(None, 41, ONE)),
        ("-1", "²", "", Quota(None, None, None)),
        ("1e6", "9" * 400, "nan", Quota(None, None, None)),
    ],
)
def test_headers_are_read_as_far_as_they_are_numbers(
    limit: str, remaining: str, reset: str, quota: Quota
) -> None:
    headers = {
        "x-ratelimit-limit": limit,
        "x-ratelimit-remaining": remaining,
        "x-ratelimit-reset": reset,
        "date": NOON,
    }
    assert quota_of(headers) == quota
    assert quota_of({}) == Quota(None, None, None)
