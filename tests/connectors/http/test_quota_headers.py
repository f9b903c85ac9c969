"""The quota headers of a response, with valid numbers and without."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from connectors.http.headers import localize_reset, parse_quota, parse_reset
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
    assert parse_quota(headers, ONE - timedelta(hours=1)) == quota
    assert parse_quota({}, ONE) == QuotaHeaders(None, None, None)


@pytest.mark.parametrize("off", [timedelta(days=-1), timedelta(0), timedelta(days=365)])
@pytest.mark.parametrize("as_unix_time", [True, False])
def test_reset_is_converted_to_our_clock(off: timedelta, as_unix_time: bool) -> None:
    date = ONE + off
    at = date + timedelta(hours=1)
    reset = f"{at.timestamp():.0f}" if as_unix_time else "3600"
    headers = {"x-ratelimit-reset": reset, "date": format_datetime(date, usegmt=True)}
    assert localize_reset(parse_reset(headers), headers, ONE) == ONE + timedelta(hours=1)


@pytest.mark.parametrize("reset", ["99999999999", "1796000000", f"{33 * 86_400}"])
def test_reset_further_ahead_than_a_month_is_no_reset(reset: str) -> None:
    headers = {"x-ratelimit-reset": reset, "date": NOON}
    assert localize_reset(parse_reset(headers), headers, ONE) is None
    without_date = {"x-ratelimit-reset": reset}
    assert localize_reset(parse_reset(without_date), without_date, ONE) is None


def test_reset_beyond_the_calendar_is_no_reset() -> None:
    headers = {"x-ratelimit-reset": "3600", "date": "Fri, 31 Dec 9999 23:59:59 GMT"}
    assert parse_reset(headers) is None
