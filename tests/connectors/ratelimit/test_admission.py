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
from tests.support.rate_limits import MakeThrottle, arrivals, most_in_a_minute, send, shared

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


def work(throttle: RateLimiter, clock: VirtualClock, workers: int, requests: int, pause: float = 0.0) -> None:
    """Have so many workers send so many requests each, one after the other."""

    async def worker() -> None:
        for _ in range(requests):
            async with throttle.acquire():
                await clock.sleep(pause)

    async def main() -> None:
        await asyncio.gather(*(worker() for _ in range(workers)))

    asyncio.run(main())


@pytest.mark.parametrize(("per_minute", "most"), [(None, 20), (100_000, 20), (600, 40)])
def test_who_sends_many_asks_the_store_seldom(per_minute: int | None, most: int) -> None:
    clock = VirtualClock()
    store = Asked()
    throttle = RateLimiter(per_minute, clock, store)
    work(throttle, clock, 8, 20, pause=0.05)
    assert throttle.month_usage().used == 160
    assert store.times <= most


def test_who_sends_one_after_another_asks_for_each(make_throttle: MakeThrottle) -> None:
    clock = VirtualClock()
    throttle = make_throttle(None, clock)

    async def main() -> None:
        for used in range(1, 4):
            async with throttle.acquire():
                assert throttle.month_usage().used == used

    asyncio.run(main())


@pytest.mark.parametrize("per_minute", [40, 120])
def test_on_a_small_plan_requests_go_one_by_one(tmp_path: Path, per_minute: int) -> None:
    ledger = RequestLedger(tmp_path / "state.db", "f00d", "cs2cap")
    ledger.set_rate(per_minute)
    assert ledger.acquire(0, 1, metered=True, lease=90.0, now=0.0, at=NOON, max_permits=MAX_BATCH)[2] == 1
    ledger.close()


def test_a_costly_request_goes_alone(make_throttle: MakeThrottle) -> None:
    clock = VirtualClock()
    throttle = make_throttle(None, clock)

    async def main() -> None:
        async with throttle.acquire(), throttle.acquire(5), throttle.acquire(5, metered=False):
            assert throttle.month_usage().used == 2

    asyncio.run(main())


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.01, 0.8))
@example(7, 0.0)
def test_two_clients_with_much_room_fill_every_minute_and_exceed_none(seed: int, slowest: float) -> None:
    clock, luck, minutes = VirtualClock(), random.Random(seed), 3
    arrived: list[float] = []

    async def worker(throttle: RateLimiter) -> None:
        while clock.time < minutes * 60:
            await send(throttle, clock, (luck.uniform(0, slowest), luck.uniform(0, slowest)), arrived)

    async def main(throttles: list[RateLimiter]) -> None:
        await asyncio.gather(*(worker(throttle) for throttle in throttles for _ in range(6)))

    with TemporaryDirectory() as folder:
        throttles = [shared(Path(folder) / "state.db", PER_MINUTE, clock) for _ in range(2)]
        asyncio.run(main(throttles))
        assert throttles[0].month_usage().used == len(arrived)
        for throttle in throttles:
            throttle.close()
    moments = sorted(moment for moment in arrived if moment < minutes * 60)
    assert most_in_a_minute(moments) <= PER_MINUTE
    assert len(moments) >= 0.95 * minutes * PER_MINUTE


async def errand(throttle: RateLimiter, clock: VirtualClock, luck: random.Random, sent: list[None]) -> None:
    """Send some requests one after another, some of which are not; until no more may be sent."""
    for _ in range(luck.randrange(10)):
        with contextlib.suppress(ConnectFailed):
            async with throttle.acquire():
                if luck.random() < 0.1:
                    raise ConnectFailed("no route to host")
                sent.append(None)
                await clock.sleep(luck.choice((0.0, 0.1, 2.0)))


async def errands(throttles: list[RateLimiter], clock: VirtualClock, luck: random.Random) -> list[int]:
    """Run errands for each, and give some up at any point; how much each has sent."""
    sent: list[list[None]] = [[] for _ in throttles]
    pairs = list(zip(throttles, sent, strict=True)) * luck.randint(1, 12)
    tasks = [asyncio.create_task(errand(throttle, clock, luck, mine)) for throttle, mine in pairs]
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
        throttles = [shared(Path(folder) / "state.db", None, clock) for _ in caps]
        throttles[0].sync_month(MONTH - left, MONTH, since=throttles[0].sync_point())
        for throttle, cap in zip(throttles, caps, strict=True):
            if cap is not None:
                throttle.set_budget(cap)
        sent = asyncio.run(errands(throttles, clock, random.Random(seed)))
        used = throttles[0].month_usage().used
        for throttle in throttles:
            throttle.close()
    assert used == MONTH - left + sum(sent) <= MONTH
    assert all(cap is None or count <= cap for count, cap in zip(sent, caps, strict=True))


def test_what_is_kept_counts_until_nothing_is_under_way(make_throttle: MakeThrottle) -> None:
    throttle = make_throttle(None, VirtualClock())

    async def main() -> None:
        async with throttle.acquire():
            async with throttle.acquire():
                assert throttle.month_usage().used == 4
            assert throttle.month_usage().used == 4

    asyncio.run(main())
    assert throttle.month_usage().used == 2


def test_no_more_is_kept_than_the_cap_allows(make_throttle: MakeThrottle) -> None:
    throttle = make_throttle(None, VirtualClock())
    throttle.set_budget(3)

    async def main() -> None:
        async with throttle.acquire(), throttle.acquire():
            assert throttle.month_usage().used == 3

    asyncio.run(main())


def test_who_leaves_the_line_takes_nothing_from_the_month(make_throttle: MakeThrottle) -> None:
    clock = VirtualClock()
    throttle = make_throttle(None, clock)
    throttle.sync_month(5, 1000, since=throttle.sync_point())
    throttle.pause(30.0)

    async def main() -> None:
        waiting = [asyncio.create_task(send(throttle, clock, (0.0, 0.0), [])) for _ in range(3)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(main())
    assert throttle.month_usage().used == 5


def test_closing_gives_back_what_is_kept(tmp_path: Path) -> None:
    clock = VirtualClock()
    throttle, other = (shared(tmp_path / "state.db", None, clock) for _ in range(2))

    async def main() -> None:
        slots = [throttle.acquire() for _ in range(2)]
        for slot in slots:
            await slot.__aenter__()
        assert other.month_usage().used == 4
        throttle.close()
        assert other.month_usage().used == 2

    asyncio.run(main())
    other.close()


def test_after_a_hold_nothing_leaves_that_was_let_go_before(make_throttle: MakeThrottle) -> None:
    clock = VirtualClock()
    throttle = make_throttle(None, clock)
    arrived: list[float] = []

    async def main() -> None:
        async with throttle.acquire():
            async with throttle.acquire():
                throttle.pause(9.0)
            assert throttle.month_usage().used == 2
            await asyncio.gather(*(send(throttle, clock, (0.0, 0.0), arrived) for _ in range(5)))

    asyncio.run(main())
    assert arrived == [9] * 5
    assert throttle.month_usage().used == 7


def test_what_was_let_go_does_not_leave_much_later(make_throttle: MakeThrottle) -> None:
    clock = VirtualClock()
    throttle = make_throttle(None, clock)

    async def main() -> None:
        async with throttle.acquire():
            async with throttle.acquire() as first:
                pass
            await clock.sleep(BATCH_TTL / 2)
            async with throttle.acquire() as second:
                assert second.ticket == first.ticket
            await clock.sleep(BATCH_TTL / 2)
            async with throttle.acquire() as third:
                assert third.ticket != first.ticket
        assert throttle.month_usage().used == 4

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
    throttle = shared(tmp_path / "state.db", PER_MINUTE, clock)
    moments = arrivals(throttle, clock, [(0.0, 0.0)] * 2 * PER_MINUTE)
    taken = throttle.month_usage().used - 2 * PER_MINUTE
    assert taken > 2
    assert [moments.count(at) for at in (0, 60, 90, 91)] == [PER_MINUTE - taken] * 2 + [1, taken - 1]


def test_what_was_let_go_together_counts_until_its_last_answer(tmp_path: Path) -> None:
    clock = VirtualClock()
    per_minute = 3 * BATCH_DIVISOR
    throttle = shared(tmp_path / "state.db", per_minute, clock)
    travels = [(0.0, 20.0), (0.0, 20.0)] + [(0.0, 0.0)] * (
        2 * per_minute - 2
    )  # the third goes with the second
    moments = arrivals(throttle, clock, travels)
    assert [moments.count(at) for at in (0, 60, 80)] == [per_minute, per_minute - 3, 3]
