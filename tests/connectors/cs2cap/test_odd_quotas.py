"""Quotas without sense, in headers and in the account: ignored, said once, and replaced by our own."""

import asyncio
import json
from typing import Any

import pytest

from connectors.cs2cap.client import Cs2capClient
from connectors.cs2cap.connector import CS2Cap
from connectors.http.auth import Key
from connectors.tiers import limits_for
from tests.support.clocks import VirtualClock
from tests.support.http_servers import http_response, stub_server

DATE = "Mon, 01 Jun 2026 12:00:00 GMT"
VALID: dict[str, Any] = {"is_active": True, "effective_rate_requests_per_minute": 40}


def ask_account(
    key: dict[str, Any], used: object = 7, **headers: str
) -> tuple[str | None, int | None, int | None, str | None, int]:
    """Return the tier, its limits of a minute and a month, the odd header, and how many entries are odd."""

    async def main() -> tuple[str | None, int | None, int | None, str | None, int]:
        body = json.dumps({"key": {"is_active": True, **key}, "requests_this_month": used}).encode()
        async with stub_server(http_response(body, date=DATE, **headers)) as server:
            source = CS2Cap(Cs2capClient("cs2cap", server.url, Key("k" * 20), VirtualClock()))
            account = await source.account()
            await source.aclose()
        limits = limits_for("auto", account, source="cs2cap")
        odd = len(source.odd_entries["account"])
        return limits.tier, limits.per_minute, limits.per_month, source.odd_quota, odd

    return asyncio.run(main())


def both(minute: object, month: object) -> dict[str, Any]:
    return {"effective_rate_requests_per_minute": minute, "effective_quota_requests_per_month": month}


@pytest.mark.parametrize(
    ("key", "used", "expected"),
    [
        (both(40, 50_000), 7, ("starter", 40, 50_000)),
        (both(-40, -5), 7, ("free", 20, 1_000)),
        (both(10**30, 10**30), 7, ("free", 20, 1_000)),
        (both("many", None), 60_000, ("pro", 100, 500_000)),
        (both(-40, 50_000), 7, ("starter", 40, 50_000)),
        (both(100, -1), 7, ("pro", 100, 500_000)),
        (both(-1, -1), -3, ("free", 20, 1_000)),
        (both(-1, -1), 10**30, ("free", 20, 1_000)),
        (both(-1, -1), 10**9, ("quant", 300, 1_000_000)),
    ],
)
def test_limits_without_sense_are_replaced(
    key: dict[str, Any], used: object, expected: tuple[str, int, int]
) -> None:
    *limits, odd_header, odd = ask_account(key, used)
    assert (*limits, odd_header) == (*expected, None)
    assert bool(odd) == (key != both(40, 50_000))


@pytest.mark.parametrize(
    ("headers", "odd"),
    [
        ({"x_ratelimit_limit": "50000", "x_ratelimit_remaining": "5", "x_ratelimit_reset": "60"}, None),
        ({"x_ratelimit_limit": "-5"}, "x-ratelimit-limit: -5"),
        ({"x_ratelimit_remaining": "1e9"}, "x-ratelimit-remaining: 1e9"),
        ({"x_ratelimit_reset": "9" * 30}, f"x-ratelimit-reset: {'9' * 30}"),
        ({"x_ratelimit_reset": "soon"}, "x-ratelimit-reset: soon"),
    ],
)
def test_header_without_sense_is_said(headers: dict[str, str], odd: str | None) -> None:
    assert ask_account(VALID, **headers)[3] == odd
