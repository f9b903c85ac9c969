"""What every answer says of the month is written now and then, and at once where it matters."""

import asyncio
from pathlib import Path

import pytest

from connectors.throttle import Quota
from connectors.throttle_memory import Memory
from tests.throttle_kit import MakeThrottle, send, shared
from tests.virtual_clock import NOON, VirtualClock
from warehouse.budget import Ledger, usage_of

PRICES = "GET /v1/prices"
MONTH = 100_000


def test_the_last_word_on_the_month_is_written_by_closing(tmp_path: Path) -> None:
    clock = VirtualClock()
    throttle = shared(tmp_path / "state.db", None, clock)
    throttle.told_month(10, MONTH, since=throttle.moment())

    async def main() -> None:
        async with throttle.slot() as first, throttle.slot() as second:
            throttle.note(PRICES, first, Quota(MONTH, MONTH - 50, None))
            throttle.note(PRICES, second, Quota(MONTH, MONTH - 60, None))
            assert throttle.month().used < 60

    asyncio.run(main())
    throttle.close()
    month = usage_of(tmp_path / "state.db", "cs2cap")
    assert month is not None
    assert month.used == 60


def test_near_the_months_end_every_word_counts_at_once(make_throttle: MakeThrottle) -> None:
    throttle = make_throttle(None, VirtualClock())
    throttle.told_month(10, MONTH, since=throttle.moment())

    async def main() -> None:
        async with throttle.slot() as first, throttle.slot() as second:
            throttle.note(PRICES, first, Quota(MONTH, MONTH - 50, None))
            throttle.note(PRICES, second, Quota(MONTH, 5, None))
            assert throttle.month().left == 4

    asyncio.run(main())


def test_a_word_that_came_long_ago_is_not_written(make_throttle: MakeThrottle) -> None:
    """What was sent since then may be forgotten, and would be taken for counted."""
    clock = VirtualClock()
    throttle = make_throttle(None, clock)
    throttle.told_month(10, MONTH, since=throttle.moment())

    async def main() -> None:
        async with throttle.slot() as slow:
            await asyncio.gather(*(send(throttle, clock, (0.0, 1.0), []) for _ in range(9)))
            await clock.sleep(70.0)
            await send(throttle, clock, (0.0, 0.0), [])
            throttle.note(PRICES, slow, Quota(MONTH, MONTH - 11, None))

    asyncio.run(main())
    assert throttle.month().used == 21


@pytest.mark.parametrize("own", [True, False])
def test_all_that_was_let_go_together_may_not_have_been_counted(tmp_path: Path, own: bool) -> None:
    for store in (Memory(), Ledger(tmp_path / "state.db", "f00d", "cs2cap")):
        ticket, _, many = store.ask(0, 1, metered=True, lease=90.0, now=0.0, at=NOON, most=5)
        store.told_month(100, MONTH, since=0.0, own=ticket if own else 0, resets_at=None, at=NOON)
        assert store.month(NOON)[0] == 100 + many - own == 105 - own
        store.close()
