"""Many clients at the same time, while another thread changes the market."""

import asyncio
from collections import Counter

import httpx
import pytest

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support import patient

HEADERS = {"Authorization": f"Bearer {VALID_KEY}"}


async def fetch(url: str, times: int) -> Counter[int | str]:
    async def fetch_page(client: httpx.AsyncClient, number: int) -> int | str:
        try:
            response = await client.get("/v1/prices", params={"limit": 100, "offset": 100 * (number % 40)})
        except httpx.TransportError as error:
            return type(error).__name__
        assert len(response.json()["items"]) == 100
        return response.status_code

    async with patient.AsyncClient(base_url=url, headers=HEADERS) as client:
        return Counter(await asyncio.gather(*(fetch_page(client, number) for number in range(times))))


@pytest.mark.slow
def test_every_request_gets_a_response_while_the_market_moves(sandbox: Sandbox) -> None:
    async def fetch_and_change() -> Counter[int | str]:
        fetching = asyncio.create_task(fetch(sandbox.url, 200))
        for _ in range(10):
            await asyncio.to_thread(sandbox.move, 50)
            await asyncio.to_thread(sandbox.ledger)
        return await fetching

    assert asyncio.run(fetch_and_change()) == {200: 200}
    assert len(sandbox.requests) == 200
    assert sorted(entry.n for entry in sandbox.requests.since()) == list(range(1, 201))


def test_dropped_connections_do_not_affect_other_requests(sandbox: Sandbox) -> None:
    sandbox.fault("drop", after=20, times=5)
    sandbox.fault("truncate", after=60, times=5)
    statuses = asyncio.run(fetch(sandbox.url, 150))
    assert statuses[200] == 140
    assert statuses["RemoteProtocolError"] == 10
