"""Parse response headers that any API may send: Retry-After, Date and the quota headers."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from common.clock import MAX_CLOCK_SKEW
from connectors.ratelimit.ledger_tables import LONGEST_MONTH
from connectors.ratelimit.limiter import QuotaHeaders


def parse_http_date(text: str | None) -> datetime | None:
    """Return an HTTP date as a datetime in UTC; None for any other text."""
    try:
        date = parsedate_to_datetime(text or "")
        return date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # no date, or one outside of the calendar in UTC
        return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait by Retry-After, which holds seconds or a date."""
    value = headers.get("retry-after")
    until, now = parse_http_date(value), parse_http_date(headers.get("date"))
    if until and now:
        return max((until - now).total_seconds(), 0.0)
    return _parse_seconds(value)


def parse_quota(headers: Mapping[str, str], now: datetime) -> QuotaHeaders:
    """Return the quota in `headers` (lower-case names); route and limit say which quota it is.

    Its reset is by our own clock, whose time is `now` (UTC).
    """
    limit = _parse_count(headers.get("x-ratelimit-limit", ""))
    remaining = _parse_count(headers.get("x-ratelimit-remaining", ""))
    return QuotaHeaders(limit, remaining, localize_reset(parse_reset(headers), headers, now))


def parse_reset(headers: Mapping[str, str]) -> datetime | None:
    """Return when a quota resets, by the server's clock (UTC).

    CS2Cap's documentation describes the header both as a Unix time and as seconds from now. A value under
    10^9 cannot be a Unix time of today.
    """
    value = headers.get("x-ratelimit-reset", "")
    if value.isascii() and value.isdecimal() and 10**9 <= int(value) < 10**11:
        return datetime.fromtimestamp(int(value), UTC)
    now, seconds = parse_http_date(headers.get("date")), _parse_seconds(value)
    try:
        return now + timedelta(seconds=seconds) if now and seconds is not None else None
    except OverflowError:
        return None


def localize_reset(resets_at: datetime | None, headers: Mapping[str, str], now: datetime) -> datetime | None:
    """Return when a quota resets by our own clock, whose time is `now`, instead of the server's (all UTC).

    The two are the same unless `Date` shows that one of the two clocks is wrong. A reset that is further
    ahead than a month lasts is unknown.
    """
    date = parse_http_date(headers.get("date"))
    if resets_at is None:
        return None
    ahead = resets_at - (now if date is None or abs(date - now) <= MAX_CLOCK_SKEW else date)
    return now + ahead if ahead <= LONGEST_MONTH else None


def _parse_seconds(text: str | None) -> float | None:
    """Return a number of seconds of at most a year; None for any other text."""
    try:
        seconds = float(text or "")
    except ValueError:
        return None
    return max(seconds, 0.0) if seconds < 366 * 86_400 else None


def _parse_count(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else None
