"""What every answer says of the month is written now and then, and at once where it matters."""

import asyncio
from pathlib import Path

import pytest

from connectors.ratelimit.ledger import RequestLedger, read_usage
from connectors.ratelimit.limiter import QuotaHeaders
from tests.support.clocks import NOON, VirtualClock
from tests.support.rate_limits import MakeRateLimiter, send_request, shared_rate_limiter

PRICES = "GET /v1/prices"
MONTH = 100_000


def test_the_last_word_on_the_month_is_written_by_closing(tmp_path: Path) -> None:
    clock = VirtualClock()
    rate_limiter = shared_rate_limiter(tmp_path / "state.db", None, clock)
    rate_limiter.sync_month(10, MONTH, since=rate_limiter.sync_point())

    async def main() -> None:
        async with rate_limiter.acquire() as first, rate_limiter.acquire() as second:
            rate_limiter.observe_headers(PRICES, first, QuotaHeaders(MONTH, MONTH - 50, None))
            rate_limiter.observe_headers(PRICES, second, QuotaHeaders(MONTH, MONTH - 60, None))
            assert rate_limiter.month_usage().used < 60

    asyncio.run(main())
    rate_limiter.close()
    month = read_usage(tmp_path / "state.db", "cs2cap")
    assert month is not None
    assert month.used == 60


def test_near_the_months_end_every_word_counts_at_once(make_rate_limiter: MakeRateLimiter) -> None:
    rate_limiter = make_rate_limiter(None, VirtualClock())
    rate_limiter.sync_month(10, MONTH, since=rate_limiter.sync_point())

    async def main() -> None:
        async with rate_limiter.acquire() as first, rate_limiter.acquire() as second:
            rate_limiter.observe_headers(PRICES, first, QuotaHeaders(MONTH, MONTH - 50, None))
            rate_limiter.observe_headers(PRICES, second, QuotaHeaders(MONTH, 5, None))
            assert rate_limiter.month_usage().left == 4

    asyncio.run(main())


def test_a_word_that_came_long_ago_is_not_written(make_rate_limiter: MakeRateLimiter) -> None:
    """What was sent since then may be forgotten, and would be taken for counted."""
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
def test_all_that_was_let_go_together_may_not_have_been_counted(tmp_path: Path, own: bool) -> None:
    for store in (RequestLedger(), RequestLedger(tmp_path / "state.db", "f00d", "cs2cap")):
        ticket, _, many = store.acquire(0, 1, metered=True, lease=90.0, now=0.0, at=NOON, max_permits=5)
        store.sync_month(100, MONTH, since=0.0, own=ticket if own else 0, resets_at=None, at=NOON)
        assert store.month(NOON)[0] == 100 + many - own == 105 - own
        store.close()
