"""Parse response headers that any API may send: Retry-After, Date and the quota headers."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache
from typing import Final

from common.clock import MAX_CLOCK_SKEW
from common.numbers import add, from_unix_time, parse_count, parse_seconds, to_utc
from common.text import sanitize
from connectors.ratelimit.ledger_tables import LONGEST_MONTH
from connectors.ratelimit.limiter import QuotaHeaders

# A smaller number cannot be a Unix time of today.
FIRST_UNIX_TIME: Final = 10**9


@lru_cache(maxsize=16)  # several readers parse the date of each response
def parse_http_date(text: str | None) -> datetime | None:
    """Return an HTTP date as a datetime in UTC; None for any other text."""
    try:
        return to_utc(parsedate_to_datetime(text or ""))
    except (ValueError, TypeError, IndexError, OverflowError):  # by the standard library's own parser
        return None


def with_date(headers: Mapping[str, str], now: datetime) -> Mapping[str, str]:
    """Return headers with a `Date`: our own time, `now` (UTC), where the server's is missing or broken."""
    if parse_http_date(headers.get("date")) is not None:
        return headers
    return {**headers, "date": format_datetime(now, usegmt=True)}


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds to wait by Retry-After, which holds seconds or a date; of several, the longest.

    A date counts from the server's own time, or from `now` (UTC) where the server tells none. Seconds that
    would be decades are a Unix time.
    """
    value = headers.get("retry-after", "")
    date = parse_http_date(headers.get("date")) or now
    until = parse_http_date(value)
    waits = [seconds for part in value.split(",") if (seconds := parse_seconds(part)) is not None]
    if until is None and waits and max(waits) >= FIRST_UNIX_TIME:
        until = from_unix_time(max(waits))
    return max(waits, default=None) if until is None else max((until - date).total_seconds(), 0.0)


def parse_quota(headers: Mapping[str, str], now: datetime) -> QuotaHeaders:
    """Return the quota in `headers` (lower-case names); route and limit say which quota it is.

    Its reset is by our own clock, whose time is `now` (UTC). A header that makes no sense is None.
    """
    limit = parse_count(headers.get("x-ratelimit-limit", ""))
    remaining = parse_count(headers.get("x-ratelimit-remaining", ""))
    return QuotaHeaders(limit, remaining, localize_reset(parse_reset(headers), headers, now))


def find_odd_quota(headers: Mapping[str, str], quota: QuotaHeaders) -> str | None:
    """Return the first header that makes no sense, as "name: value"; `quota` is what was read of them."""
    has_date = parse_http_date(headers.get("date")) is not None
    read = {
        "x-ratelimit-limit": quota.limit,
        "x-ratelimit-remaining": quota.remaining,
        # Without a date, a number of seconds has no meaning that could be wrong.
        "x-ratelimit-reset": quota.resets_at if has_date else 0,
    }
    odd = (name for name, value in read.items() if value is None and headers.get(name))
    return next((sanitize(f"{name}: {headers[name]}", 80) for name in odd), None)


def parse_reset(headers: Mapping[str, str]) -> datetime | None:
    """Return when a quota resets, by the server's clock (UTC).

    CS2Cap's documentation describes the header both as a Unix time and as seconds from now.
    """
    value = headers.get("x-ratelimit-reset", "")
    unix_time = parse_count(value)
    if unix_time is not None and unix_time >= FIRST_UNIX_TIME:
        return from_unix_time(unix_time)
    now, seconds = parse_http_date(headers.get("date")), parse_seconds(value)
    if now is None or seconds is None or seconds > LONGEST_MONTH.total_seconds():
        return None
    return add(now, timedelta(seconds=seconds))


def localize_reset(resets_at: datetime | None, headers: Mapping[str, str], now: datetime) -> datetime | None:
    """Return when a quota resets by our own clock, whose time is `now`, instead of the server's (all UTC).

    The two are the same unless `Date` shows that one of the two clocks is wrong. A reset that is further
    ahead, or further back, than a month lasts is unknown.
    """
    date = parse_http_date(headers.get("date"))
    if resets_at is None:
        return None
    ahead = resets_at - (now if date is None or abs(date - now) <= MAX_CLOCK_SKEW else date)
    return add(now, ahead) if abs(ahead) <= LONGEST_MONTH else None
