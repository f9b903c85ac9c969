"""Parse response headers that any API may send: Retry-After, Date and the quota headers."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from connectors.ratelimit.limiter import QuotaHeaders


def parse_http_date(text: str | None) -> datetime | None:
    """Read an HTTP date as an aware moment in UTC; None for anything else."""
    try:
        moment = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _seconds(text: str | None) -> float | None:
    """Read a header as a number of seconds of at most a year."""
    try:
        seconds = float(text or "")
    except ValueError:
        return None
    return max(seconds, 0.0) if seconds < 366 * 86_400 else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read how many seconds a server asks to wait, told as such or as a date."""
    told = headers.get("retry-after")
    until, now = parse_http_date(told), parse_http_date(headers.get("date"))
    if until and now:
        return max((until - now).total_seconds(), 0.0)
    return _seconds(told)


def parse_quota(headers: Mapping[str, str]) -> QuotaHeaders:
    """Read the quota that `headers` (lower-case names) speak of; the route and the size tell which it is."""
    limit, left = (_count(headers.get(f"x-ratelimit-{name}", "")) for name in ("limit", "remaining"))
    return QuotaHeaders(limit, left, parse_reset(headers))


def _count(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else None


def parse_reset(headers: Mapping[str, str]) -> datetime | None:
    """Read when a quota resets: a Unix time, or seconds from the server's own moment; the API says both.

    A value under 10^9 cannot be a Unix time of today.
    """
    told = headers.get("x-ratelimit-reset", "")
    if told.isascii() and told.isdecimal() and 10**9 <= int(told) < 10**11:
        return datetime.fromtimestamp(int(told), UTC)
    now, wait = parse_http_date(headers.get("date")), _seconds(told)
    return now + timedelta(seconds=wait) if now and wait is not None else None
