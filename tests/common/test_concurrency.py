"""Work side by side: results in order, the first failure ends the rest, the gravest one is raised alone."""

from __future__ import annotations

import asyncio

import pytest

from common.concurrency import gather_fail_fast
from common.errors import KeyRevoked, UnexpectedResponse, WarehouseFull


async def after(turns: int, outcome: object, ended: list[object]) -> object:
    """Give way so many times, then raise or return `outcome`; a cancelled one takes its time to end."""
    try:
        for _ in range(turns):
            await asyncio.sleep(0)
    except asyncio.CancelledError:
        await asyncio.sleep(0.01)
        ended.append(outcome)
        raise
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def run(*outcomes: tuple[int, object], ended: list[object] | None = None) -> list[object]:
    noted = [] if ended is None else ended
    work = [after(turns, outcome, noted) for turns, outcome in outcomes]

    async def all_of_it() -> list[object]:
        return await gather_fail_fast(*work)

    return asyncio.run(all_of_it())


def test_results_come_in_the_order_of_the_work() -> None:
    assert run((5, "first"), (1, "second"), (3, "third")) == ["first", "second", "third"]
    assert run() == []


def test_the_first_failure_ends_the_rest_and_is_raised_once_all_have_ended() -> None:
    ended: list[object] = []
    with pytest.raises(KeyRevoked):
        run((10_000, "slow"), (1, KeyRevoked("revoked")), (10_000, "slower"), ended=ended)
    assert sorted(map(str, ended)) == ["slow", "slower"]


GRAVE: list[BaseException] = [
    ValueError("a bug"),
    WarehouseFull("no room"),
    KeyRevoked("revoked"),
]


@pytest.mark.parametrize("place", range(len(GRAVE)))
def test_of_several_the_gravest_is_raised(place: int) -> None:
    failures = [UnexpectedResponse("odd"), *reversed(GRAVE[place:])]
    with pytest.raises(type(GRAVE[place])) as raised:
        run(*((1, failure) for failure in failures))
    assert raised.value is GRAVE[place]


def test_being_cancelled_waits_for_all_to_end() -> None:
    ended: list[object] = []

    async def cancelled() -> None:
        work = asyncio.ensure_future(gather_fail_fast(after(10_000, 1, ended), after(10_000, 2, ended)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        work.cancel()
        await work

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    assert len(ended) == 2
