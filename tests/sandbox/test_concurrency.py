"""Many clients at once, while the market is driven from another thread."""

import asyncio
from collections import Counter

import httpx

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY

HEADERS = {"Authorization": f"Bearer {VALID_KEY}"}


async def fetch(url: str, times: int) -> Counter[int | str]:
    async def one(client: httpx.AsyncClient, n: int) -> int | str:
        try:
            answer = await client.get("/v1/prices", params={"limit": 100, "offset": 100 * (n % 40)})
        except httpx.TransportError as error:
            return type(error).__name__
        assert len(answer.json()["items"]) == 100
        return answer.status_code

    async with httpx.AsyncClient(base_url=url, headers=HEADERS) as client:
        return Counter(await asyncio.gather(*(one(client, n) for n in range(times))))


def test_every_request_is_answered_while_the_market_moves(sandbox: Sandbox) -> None:
    async def both() -> Counter[int | str]:
        walking = asyncio.create_task(fetch(sandbox.url, 200))
        for _ in range(10):
            await asyncio.to_thread(sandbox.move, 50)
            await asyncio.to_thread(sandbox.ledger)
        return await walking

    assert asyncio.run(both()) == {200: 200}
    assert len(sandbox.requests) == 200
    assert sorted(entry.n for entry in sandbox.requests.since()) == list(range(1, 201))


def test_dropped_connections_hurt_no_other_request(sandbox: Sandbox) -> None:
    sandbox.fault("drop", after=20, times=5)
    sandbox.fault("truncate", after=60, times=5)
    counted = asyncio.run(fetch(sandbox.url, 150))
    assert counted[200] == 140
    assert counted["RemoteProtocolError"] == 10
