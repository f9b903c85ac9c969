"""The stream starts of 24 hours stay within the limit, as the source counts them."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from common.errors import StreamsExhausted
from common.sqlite_state import SqliteState
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
def sandbox(make_sandbox: MakeSandbox) -> Sandbox:
    """Return a sandbox with limits and 50 stream starts."""
    return make_sandbox(limits=True, tier="pro", items=20)


def run_client(sandbox: Sandbox, state: SqliteState, work: Callable[[Client, CS2Cap], Awaitable[_T]]) -> _T:
    """Run `work` with a client like that of a separate process."""

    async def main() -> _T:
        clock = VirtualClock()
        rate_limiter = shared_rate_limiter(state, None, clock)
        client = Cs2capClient(
            "cs2cap", sandbox.url, Key(VALID_KEY), clock, retry=RetryPolicy(), rate_limiter=rate_limiter
        )
        try:
            return await work(client, CS2Cap(client))
        finally:
            await client.aclose()

    return asyncio.run(main())


async def read_stream(client: Client) -> None:
    async with client.stream("/v1/prices", (("providers", "steam"),), 30.0) as response:
        while await response.read_chunk():
            pass


def test_tier_sets_the_limit(sandbox: Sandbox, tmp_path: Path) -> None:
    async def work(client: Client, source: CS2Cap) -> tuple[int, int | None]:
        await source.account()
        return client.rate_limiter.stream_usage(STREAM)

    assert run_client(sandbox, SqliteState(tmp_path / "state.db"), work) == (0, 50)


def test_stream_headers_report_the_starts_of_others(sandbox: Sandbox, tmp_path: Path) -> None:
    async def work(client: Client, _: CS2Cap) -> list[tuple[int, int | None]]:
        await read_stream(client)
        usages = [client.rate_limiter.stream_usage(STREAM)]
        sandbox.key(VALID_KEY).set_streams_left(4, NOON)
        await read_stream(client)
        return [*usages, client.rate_limiter.stream_usage(STREAM)]

    assert run_client(sandbox, SqliteState(tmp_path / "state.db"), work) == [(1, 50), (47, 50)]


def test_after_the_last_start_no_process_sends_another(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.key(VALID_KEY).set_streams_left(1, NOON)

    async def use_last_start(client: Client, _: CS2Cap) -> None:
        await read_stream(client)

    async def try_another(client: Client, source: CS2Cap) -> None:
        await source.account()
        with pytest.raises(StreamsExhausted) as refused:
            await read_stream(client)
        assert refused.value.status is None
        assert refused.value.resets_at == NOON + timedelta(days=1)
        await source.fx()  # other routes still work

    run_client(sandbox, SqliteState(tmp_path / "state.db"), use_last_start)
    run_client(sandbox, SqliteState(tmp_path / "state.db"), try_another)
    assert [entry.path for entry in sandbox.requests.of_path("/v1/prices")] == ["/v1/prices"]


def test_start_that_the_source_refused_is_not_sent_again(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.key(VALID_KEY).set_streams_left(0, NOON)

    async def work(client: Client, source: CS2Cap) -> None:
        await source.account()
        for _ in range(3):
            with pytest.raises(StreamsExhausted):
                await read_stream(client)
        await source.fx()

    run_client(sandbox, SqliteState(tmp_path / "state.db"), work)
    assert [entry.status for entry in sandbox.requests.of_path("/v1/prices")] == [429]
