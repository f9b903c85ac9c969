"""The stream starts of 24 hours, as a source counts them and as we do: never one too many."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from common.errors import StreamsExhausted
from connectors.cs2cap.client import Cs2capClient
from connectors.cs2cap.connector import CS2Cap
from connectors.http.auth import Key
from connectors.http.client import Client
from connectors.http.retry import RetryPolicy
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.clocks import NOON, VirtualClock
from tests.support.rate_limits import shared_rate_limiter
from tests.support.sandboxes import MakeSandbox

_T = TypeVar("_T")
STREAM = "POST /v1/prices"


@pytest.fixture
def box(make_sandbox: MakeSandbox) -> Sandbox:
    """Return a sandbox with limits, of a tier with 50 stream starts."""
    return make_sandbox(limits=True, tier="pro", items=20)


def use(box: Sandbox, state: Path, work: Callable[[Client, CS2Cap], Awaitable[_T]]) -> _T:
    """Let `work` use the sandbox as a process of its own does."""

    async def main() -> _T:
        clock = VirtualClock()
        rate_limiter = shared_rate_limiter(state, None, clock)
        client = Cs2capClient(
            "cs2cap", box.url, Key(VALID_KEY), clock, retry=RetryPolicy(), rate_limiter=rate_limiter
        )
        try:
            return await work(client, CS2Cap(client))
        finally:
            await client.aclose()

    return asyncio.run(main())


async def stream(client: Client) -> None:
    async with client.stream("/v1/prices", (("providers", "steam"),), 30.0) as incoming:
        await incoming.read()


def test_the_tier_tells_how_many_may_start(box: Sandbox, tmp_path: Path) -> None:
    async def work(client: Client, source: CS2Cap) -> tuple[int, int | None]:
        await source.account()
        return client.rate_limiter.stream_usage(STREAM)

    assert use(box, tmp_path / "state.db", work) == (0, 50)


def test_a_stream_tells_of_the_starts_that_others_made(box: Sandbox, tmp_path: Path) -> None:
    async def work(client: Client, _: CS2Cap) -> list[tuple[int, int | None]]:
        await stream(client)
        seen = [client.rate_limiter.stream_usage(STREAM)]
        box.key(VALID_KEY).set_streams_left(4, NOON)
        await stream(client)
        return [*seen, client.rate_limiter.stream_usage(STREAM)]

    assert use(box, tmp_path / "state.db", work) == [(1, 50), (47, 50)]


def test_after_the_last_start_nothing_is_sent_by_any_process(box: Sandbox, tmp_path: Path) -> None:
    box.key(VALID_KEY).set_streams_left(1, NOON)

    async def last(client: Client, _: CS2Cap) -> None:
        await stream(client)

    async def one_more(client: Client, source: CS2Cap) -> None:
        await source.account()
        with pytest.raises(StreamsExhausted) as refused:
            await stream(client)
        assert refused.value.status is None
        assert refused.value.resets_at == NOON + timedelta(days=1)
        await source.fx()  # other routes go on

    use(box, tmp_path / "state.db", last)
    use(box, tmp_path / "state.db", one_more)
    assert [entry.path for entry in box.requests.of_path("/v1/prices")] == ["/v1/prices"]


def test_a_refusal_by_the_source_is_not_asked_for_twice(box: Sandbox, tmp_path: Path) -> None:
    box.key(VALID_KEY).set_streams_left(0, NOON)

    async def work(client: Client, source: CS2Cap) -> None:
        await source.account()
        for _ in range(3):
            with pytest.raises(StreamsExhausted):
                await stream(client)
        await source.fx()

    use(box, tmp_path / "state.db", work)
    assert [entry.status for entry in box.requests.of_path("/v1/prices")] == [429]
