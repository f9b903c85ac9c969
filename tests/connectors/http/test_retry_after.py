"""How long a response asks to wait: by Retry-After in all of its forms, or by the API's own rules."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from common.errors import Outage, QuotaExhausted, RateLimited, TransientError
from connectors.cs2cap.client import Cs2capClient
from connectors.http.auth import Key
from connectors.http.client import Client
from connectors.http.headers import retry_after
from connectors.http.retry import RetryPolicy
from connectors.http.source_guard import SourceGuard
from connectors.ratelimit.limiter import RateLimiter
from connectors.skinshark.client import SkinsharkClient
from tests.support.clocks import NOON as NOW
from tests.support.clocks import VirtualClock
from tests.support.http_servers import http_response, stub_server

NOON = "Mon, 01 Jun 2026 12:00:00 GMT"
ONE = "Mon, 01 Jun 2026 13:00:00 GMT"
UNIX_TIME = str(int(NOW.timestamp()) + 90)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "+3"}, 3.0),
        ({"retry-after": "Mon, 01 Jun 2026 12:00:09 GMT", "date": NOON}, 9.0),
        ({"retry-after": "Monday, 01-Jun-26 12:00:09 GMT", "date": NOON}, 9.0),
        ({"retry-after": "Mon Jun  1 12:00:09 2026", "date": NOON}, 9.0),
        ({"retry-after": NOON, "date": ONE}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "7s"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({}, None),
        pytest.param({"retry-after": ONE}, 3600.0, id="new: a date, and no Date"),
        pytest.param({"retry-after": ONE, "date": "today"}, 3600.0, id="new: a date, and a broken Date"),
        pytest.param({"retry-after": "5, 90"}, 90.0, id="new: two values"),
        pytest.param({"retry-after": "soon, 90"}, 90.0, id="new: two values, one of them odd"),
        pytest.param({"retry-after": UNIX_TIME, "date": NOON}, 90.0, id="new: a Unix time"),
        pytest.param({"retry-after": UNIX_TIME}, 90.0, id="new: a Unix time, and no Date"),
    ],
)
def test_retry_after_is_parsed(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


@pytest.mark.parametrize(
    ("error", "header", "wait"),
    [
        (Outage("down", retry_after=30.0), None, 30.0),
        (Outage("down", retry_after=30.0), "5", 30.0),
        (Outage("down", retry_after=30.0), "90", 90.0),
        (RateLimited("slow", retry_after=50.0), None, 50.0),
        (RateLimited("slow", retry_after=50.0), "17", 17.0),
        (RateLimited("slow"), "Mon, 01 Jun 2026 12:00:40 GMT", 40.0),
    ],
)
def test_header_takes_precedence_over_the_reset_and_not_over_an_outage(
    error: TransientError, header: str | None, wait: float
) -> None:
    guard = SourceGuard(RateLimiter(None, VirtualClock()), VirtualClock())
    obeyed = guard.obey("GET /prices", error, {} if header is None else {"retry-after": header})
    assert isinstance(obeyed, TransientError)
    assert obeyed.retry_after == wait


@pytest.mark.parametrize("reset", ["40", str(int(NOW.timestamp()) + 40)])
def test_reset_counts_from_our_clock_where_the_response_has_no_date(reset: str) -> None:
    """New: without a Date, such as a proxy may drop, neither was read."""
    rate = b'{"success": false, "requestId": "r", "error": {"key": "RATE_LIMITED"}}'
    month = b'{"code": "RATE_LIMIT_MONTHLY_QUOTA_EXCEEDED", "detail": "used up"}'
    limited = ask(SkinsharkClient, http_response(rate, "429 Slow", x_ratelimit_reset=reset))
    assert isinstance(limited, RateLimited)
    assert limited.retry_after == 40
    exhausted = ask(Cs2capClient, http_response(month, "429 Slow", x_ratelimit_reset=reset))
    assert isinstance(exhausted, QuotaExhausted)
    assert exhausted.resets_at == NOW + timedelta(seconds=40)


def ask(kind: type[Client], answer: bytes) -> object:
    """Return the error that a client raises for an answer."""

    async def main() -> object:
        async with stub_server(answer) as server:
            client = kind("s", server.url, Key("k" * 20), VirtualClock(), retry=RetryPolicy(attempts=1))
            (outcome,) = await asyncio.gather(client.get("/v1/prices"), return_exceptions=True)
            await client.aclose()
            return outcome

    return asyncio.run(main())
