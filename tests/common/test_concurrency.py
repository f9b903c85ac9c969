"""Concurrent work returns results in order; the first failure cancels the rest, the most severe is raised."""

from __future__ import annotations

import asyncio

import pytest

from common.concurrency import gather_fail_fast
from common.errors import KeyRevoked, UnexpectedResponse
from common.warehouse_errors import WarehouseFull


async def work(steps: int, outcome: object, cancelled: list[object]) -> object:
    """Yield to the event loop `steps` times, then raise or return `outcome`; take time to cancel."""
    try:
        for _ in range(steps):
            await asyncio.sleep(0)
    except asyncio.CancelledError:
        await asyncio.sleep(0.01)
        cancelled.append(outcome)
        raise
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def run(*jobs: tuple[int, object], cancelled: list[object] | None = None) -> list[object]:
    log = [] if cancelled is None else cancelled

    async def main() -> list[object]:
        return await gather_fail_fast(*(work(steps, outcome, log) for steps, outcome in jobs))

    return asyncio.run(main())


def test_results_come_in_the_order_of_the_work() -> None:
    assert run((5, "first"), (1, "second"), (3, "third")) == ["first", "second", "third"]
    assert run() == []


def test_first_failure_cancels_the_rest_and_is_raised_once_all_have_ended() -> None:
    cancelled: list[object] = []
    with pytest.raises(KeyRevoked):
        run((10_000, "slow"), (1, KeyRevoked("revoked")), (10_000, "slower"), cancelled=cancelled)
    assert sorted(map(str, cancelled)) == ["slow", "slower"]


BY_SEVERITY: list[BaseException] = [
    ValueError("a bug"),
    WarehouseFull("disk full"),
    KeyRevoked("revoked"),
]


@pytest.mark.parametrize("rank", range(len(BY_SEVERITY)))
def test_most_severe_of_several_failures_is_raised(rank: int) -> None:
    failures = [UnexpectedResponse("odd"), *reversed(BY_SEVERITY[rank:])]
    with pytest.raises(type(BY_SEVERITY[rank])) as raised:
        run(*((1, failure) for failure in failures))
    assert raised.value is BY_SEVERITY[rank]


def test_cancellation_waits_for_all_work_to_end() -> None:
    cancelled: list[object] = []

    async def main() -> None:
        task = asyncio.ensure_future(gather_fail_fast(work(10_000, 1, cancelled), work(10_000, 2, cancelled)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    assert len(cancelled) == 2
