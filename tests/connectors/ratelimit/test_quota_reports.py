"""The source's reports of the month are stored at intervals, and at once where little is left."""

import asyncio
from pathlib import Path

import pytest

from common.sqlite_state import SqliteState
from connectors.ratelimit.ledger import MonthReport, RequestLedger, read_usage
from connectors.ratelimit.limiter import QuotaHeaders
from tests.support.clocks import NOON, VirtualClock
from tests.support.rate_limits import MakeRateLimiter, send_request, shared_rate_limiter

PRICES = "GET /v1/prices"
MONTH = 100_000


def test_close_stores_the_last_report(tmp_path: Path) -> None:
    clock = VirtualClock()
    rate_limiter = shared_rate_limiter(SqliteState(tmp_path / "state.db"), None, clock)
    rate_limiter.sync_month(10, MONTH, since=rate_limiter.sync_point())

    async def main() -> None:
        async with rate_limiter.acquire() as first, rate_limiter.acquire() as second:
            rate_limiter.observe_headers(PRICES, first, QuotaHeaders(MONTH, MONTH - 50, None))
            rate_limiter.observe_headers(PRICES, second, QuotaHeaders(MONTH, MONTH - 60, None))
            assert rate_limiter.month_usage().used < 60

    asyncio.run(main())
    rate_limiter.close()
    month = read_usage(SqliteState(tmp_path / "state.db"), "cs2cap")
    assert month is not None
    assert month.used == 60


def test_reports_are_stored_at_once_where_little_is_left(make_rate_limiter: MakeRateLimiter) -> None:
    rate_limiter = make_rate_limiter(None, VirtualClock())
    rate_limiter.sync_month(10, MONTH, since=rate_limiter.sync_point())

    async def main() -> None:
        async with rate_limiter.acquire() as first, rate_limiter.acquire() as second:
            rate_limiter.observe_headers(PRICES, first, QuotaHeaders(MONTH, MONTH - 50, None))
            rate_limiter.observe_headers(PRICES, second, QuotaHeaders(MONTH, 5, None))
            assert rate_limiter.month_usage().left == 4

    asyncio.run(main())


def test_old_report_is_not_stored(make_rate_limiter: MakeRateLimiter) -> None:
    """The ledger may have forgotten later requests, which would then be taken as counted."""
    clock = VirtualClock()
    rate_limiter = make_rate_limiter(None, clock)
    rate_limiter.sync_month(10, MONTH, since=rate_limiter.sync_point())

    async def main() -> None:
        async with rate_limiter.acquire() as slow:
            await asyncio.gather(*(send_request(rate_limiter, clock, (0.0, 1.0), []) for _ in range(9)))
            await clock.sleep(70.0)
            await send_request(rate_limiter, clock, (0.0, 0.0), [])
            rate_limiter.observe_headers(PRICES, slow, QuotaHeaders(MONTH, MONTH - 11, None))

    asyncio.run(main())
    assert rate_limiter.month_usage().used == 21


@pytest.mark.parametrize("own", [True, False])
def test_all_requests_of_a_batch_may_be_missing_in_a_report(tmp_path: Path, own: bool) -> None:
    for ledger in (RequestLedger(), RequestLedger(SqliteState(tmp_path / "state.db"), "f00d", "cs2cap")):
        ticket, _, permits = ledger.acquire(0, 1, metered=True, lease=90.0, now=0.0, at=NOON, max_permits=5)
        ledger.sync_month(MonthReport(100, MONTH, since=0.0, own=ticket if own else 0), now=0.0, at=NOON)
        assert ledger.month(NOON).used == 100 + permits - own == 105 - own
        ledger.close()
