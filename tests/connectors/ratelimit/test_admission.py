"""Requests that the store lets go together: within every limit, and what was not sent is given back."""

import asyncio
import contextlib
import random
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from common.errors import BudgetSpent, ConnectFailed, QuotaExhausted
from connectors.ratelimit.admission import BATCH_TTL, MAX_BATCH
from connectors.ratelimit.ledger import Admission, RequestLedger
from connectors.ratelimit.ledger_tables import BATCH_DIVISOR
from connectors.ratelimit.limiter import RateLimiter
from tests.support.clocks import NOON, VirtualClock
from tests.support.rate_limits import (
    MakeRateLimiter,
    arrival_times,
    max_per_minute,
    send_request,
    shared_rate_limiter,
)

PER_MINUTE = 256
MONTH = 100_000


class Asked(RequestLedger):
    """Counts how often it is asked."""

    times = 0

    def acquire(
        self,
        ticket: int,
        cost: int,
        *,
        metered: bool,
        lease: float,
        now: float,
        at: datetime,
        max_permits: int = 1,
    ) -> Admission:
        """Count, and let go as ever."""
        self.times += 1
        return super().acquire(
            ticket, cost, metered=metered, lease=lease, now=now, at=at, max_permits=max_permits
        )


def work(
    rate_limiter: RateLimiter, clock: VirtualClock, workers: int, requests: int, pause: float = 0.0
) -> None:
    """Have so many workers send so many requests each, one after the other."""

    async def worker() -> None:
        for _ in range(requests):
            async with rate_limiter.acquire():
                await clock.sleep(pause)

    async def main() -> None:
        await asyncio.gather(*(worker() for _ in range(workers)))

    asyncio.run(main())


@pytest.mark.parametrize(("per_minute", "most"), [(None, 20), (100_000, 20), (600, 40)])
def test_who_sends_many_asks_the_store_seldom(per_minute: int | None, most: int) -> None:
    clock = VirtualClock()
    store = Asked()
    rate_limiter = RateLimiter(per_minute, clock, store)
    work(rate_limiter, clock, 8, 20, pause=0.05)
    assert rate_limiter.month_usage().used == 160
    assert store.times <= most


def test_who_sends_one_after_another_asks_for_each(make_rate_limiter: MakeRateLimiter) -> None:
    clock = VirtualClock()
    rate_limiter = make_rate_limiter(None, clock)

    async def main() -> None:
        for used in range(1, 4):
            async with rate_limiter.acquire():
                assert rate_limiter.month_usage().used == used

    asyncio.run(main())


@pytest.mark.parametrize("per_minute", [40, 120])
def test_on_a_small_plan_requests_go_one_by_one(tmp_path: Path, per_minute: int) -> None:
    ledger = RequestLedger(tmp_path / "state.db", "f00d", "cs2cap")
    ledger.set_rate(per_minute)
    assert ledger.acquire(0, 1, metered=True, lease=90.0, now=0.0, at=NOON, max_permits=MAX_BATCH)[2] == 1
    ledger.close()


def test_a_costly_request_goes_alone(make_rate_limiter: MakeRateLimiter) -> None:
    clock = VirtualClock()
    rate_limiter = make_rate_limiter(None, clock)

    async def main() -> None:
        async with rate_limiter.acquire(), rate_limiter.acquire(5), rate_limiter.acquire(5, metered=False):
            assert rate_limiter.month_usage().used == 2

    asyncio.run(main())


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.01, 0.8))
@example(7, 0.0)
def test_two_clients_with_much_room_fill_every_minute_and_exceed_none(seed: int, slowest: float) -> None:
    clock, luck, minutes = VirtualClock(), random.Random(seed), 3
    arrived: list[float] = []

    async def worker(rate_limiter: RateLimiter) -> None:
        while clock.time < minutes * 60:
            await send_request(
                rate_limiter, clock, (luck.uniform(0, slowest), luck.uniform(0, slowest)), arrived
            )

    async def main(rate_limiters: list[RateLimiter]) -> None:
        await asyncio.gather(*(worker(rate_limiter) for rate_limiter in rate_limiters for _ in range(6)))

    with TemporaryDirectory() as folder:
        rate_limiters = [shared_rate_limiter(Path(folder) / "state.db", PER_MINUTE, clock) for _ in range(2)]
        asyncio.run(main(rate_limiters))
        assert rate_limiters[0].month_usage().used == len(arrived)
        for rate_limiter in rate_limiters:
            rate_limiter.close()
    moments = sorted(moment for moment in arrived if moment < minutes * 60)
    assert max_per_minute(moments) <= PER_MINUTE
    assert len(moments) >= 0.95 * minutes * PER_MINUTE


async def errand(
    rate_limiter: RateLimiter, clock: VirtualClock, luck: random.Random, sent: list[None]
) -> None:
    """Send some requests one after another, some of which are not; until no more may be sent."""
    for _ in range(luck.randrange(10)):
        with contextlib.suppress(ConnectFailed):
            async with rate_limiter.acquire():
                if luck.random() < 0.1:
                    raise ConnectFailed("no route to host")
                sent.append(None)
                await clock.sleep(luck.choice((0.0, 0.1, 2.0)))


async def errands(rate_limiters: list[RateLimiter], clock: VirtualClock, luck: random.Random) -> list[int]:
    """Run errands for each, and give some up at any point; how much each has sent."""
    sent: list[list[None]] = [[] for _ in rate_limiters]
    pairs = list(zip(rate_limiters, sent, strict=True)) * luck.randint(1, 12)
    tasks = [asyncio.create_task(errand(rate_limiter, clock, luck, mine)) for rate_limiter, mine in pairs]
    for task in luck.sample(tasks, len(tasks) // 4):
        await asyncio.sleep(0)
        task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    ended = (QuotaExhausted, BudgetSpent, asyncio.CancelledError)
    assert all(end is None or isinstance(end, ended) for end in ends)
    return list(map(len, sent))


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 300),
    st.lists(st.none() | st.integers(0, 60), min_size=1, max_size=3),
    st.integers(0, 2**32),
)
def test_neither_the_month_nor_a_cap_is_exceeded_and_the_count_is_exact(
    left: int, caps: list[int | None], seed: int
) -> None:
    clock = VirtualClock()
    with TemporaryDirectory() as folder:
        rate_limiters = [shared_rate_limiter(Path(folder) / "state.db", None, clock) for _ in caps]
        rate_limiters[0].sync_month(MONTH - left, MONTH, since=rate_limiters[0].sync_point())
        for rate_limiter, cap in zip(rate_limiters, caps, strict=True):
            if cap is not None:
                rate_limiter.set_budget(cap)
        sent = asyncio.run(errands(rate_limiters, clock, random.Random(seed)))
        used = rate_limiters[0].month_usage().used
        for rate_limiter in rate_limiters:
            rate_limiter.close()
    assert used == MONTH - left + sum(sent) <= MONTH
    assert all(cap is None or count <= cap for count, cap in zip(sent, caps, strict=True))


def test_what_is_kept_counts_until_nothing_is_under_way(make_rate_limiter: MakeRateLimiter) -> None:
    rate_limiter = make_rate_limiter(None, VirtualClock())

    async def main() -> None:
        async with rate_limiter.acquire():
            async with rate_limiter.acquire():
                assert rate_limiter.month_usage().used == 4
            assert rate_limiter.month_usage().used == 4

    asyncio.run(main())
    assert rate_limiter.month_usage().used == 2


def test_no_more_is_kept_than_the_cap_allows(make_rate_limiter: MakeRateLimiter) -> None:
    rate_limiter = make_rate_limiter(None, VirtualClock())
    rate_limiter.set_budget(3)

    async def main() -> None:
        async with rate_limiter.acquire(), rate_limiter.acquire():
            assert rate_limiter.month_usage().used == 3

    asyncio.run(main())


def test_who_leaves_the_line_takes_nothing_from_the_month(make_rate_limiter: MakeRateLimiter) -> None:
    clock = VirtualClock()
    rate_limiter = make_rate_limiter(None, clock)
    rate_limiter.sync_month(5, 1000, since=rate_limiter.sync_point())
    rate_limiter.pause(30.0)

    async def main() -> None:
        waiting = [asyncio.create_task(send_request(rate_limiter, clock, (0.0, 0.0), [])) for _ in range(3)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(main())
    assert rate_limiter.month_usage().used == 5


def test_closing_gives_back_what_is_kept(tmp_path: Path) -> None:
    clock = VirtualClock()
    rate_limiter, other = (shared_rate_limiter(tmp_path / "state.db", None, clock) for _ in range(2))

    async def main() -> None:
        slots = [rate_limiter.acquire() for _ in range(2)]
        for slot in slots:
            await slot.__aenter__()
        assert other.month_usage().used == 4
        rate_limiter.close()
        assert other.month_usage().used == 2

    asyncio.run(main())
    other.close()


def test_after_a_hold_nothing_leaves_that_was_let_go_before(make_rate_limiter: MakeRateLimiter) -> None:
    clock = VirtualClock()
    rate_limiter = make_rate_limiter(None, clock)
    arrived: list[float] = []

    async def main() -> None:
        async with rate_limiter.acquire():
            async with rate_limiter.acquire():
                rate_limiter.pause(9.0)
            assert rate_limiter.month_usage().used == 2
            await asyncio.gather(*(send_request(rate_limiter, clock, (0.0, 0.0), arrived) for _ in range(5)))

    asyncio.run(main())
    assert arrived == [9] * 5
    assert rate_limiter.month_usage().used == 7


def test_what_was_let_go_does_not_leave_much_later(make_rate_limiter: MakeRateLimiter) -> None:
    clock = VirtualClock()
    rate_limiter = make_rate_limiter(None, clock)

    async def main() -> None:
        async with rate_limiter.acquire():
            async with rate_limiter.acquire() as first:
                pass
            await clock.sleep(BATCH_TTL / 2)
            async with rate_limiter.acquire() as second:
                assert second.ticket == first.ticket
            await clock.sleep(BATCH_TTL / 2)
            async with rate_limiter.acquire() as third:
                assert third.ticket != first.ticket
        assert rate_limiter.month_usage().used == 4

    asyncio.run(main())


class Killed(RequestLedger):
    """The ledger of a process that dies with everything under way."""

    def settle(self, ticket: int, free_at: float) -> None:
        """Nobody says so any more."""

    def release(self, ticket: int, cost: int) -> None:
        """Nobody says so any more."""


def test_what_a_killed_process_was_let_go_ends_by_itself(tmp_path: Path) -> None:
    """When what left last of it must have had its answer: 1 s + 30 s + a minute later."""
    clock = VirtualClock()
    ledger = Killed(tmp_path / "state.db", "f00d", "cs2cap")
    before = VirtualClock()
    work(RateLimiter(PER_MINUTE, before, ledger, deadline=30), before, workers=4, requests=1, pause=1.0)
    rate_limiter = shared_rate_limiter(tmp_path / "state.db", PER_MINUTE, clock)
    moments = arrival_times(rate_limiter, clock, [(0.0, 0.0)] * 2 * PER_MINUTE)
    taken = rate_limiter.month_usage().used - 2 * PER_MINUTE
    assert taken > 2
    assert [moments.count(at) for at in (0, 60, 90, 91)] == [PER_MINUTE - taken] * 2 + [1, taken - 1]


def test_what_was_let_go_together_counts_until_its_last_answer(tmp_path: Path) -> None:
    clock = VirtualClock()
    per_minute = 3 * BATCH_DIVISOR
    rate_limiter = shared_rate_limiter(tmp_path / "state.db", per_minute, clock)
    travels = [(0.0, 20.0), (0.0, 20.0)] + [(0.0, 0.0)] * (
        2 * per_minute - 2
    )  # the third goes with the second
    moments = arrival_times(rate_limiter, clock, travels)
    assert [moments.count(at) for at in (0, 60, 80)] == [per_minute, per_minute - 3, 3]
