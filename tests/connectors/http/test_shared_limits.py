"""What all requests of a client share: rate limit, quota, connections, a verdict about the key."""

import asyncio
import time
from collections.abc import Callable

import pytest

from common import errors
from common.clock import SystemClock
from connectors.cs2cap.client import Cs2capClient
from connectors.http.auth import Key
from connectors.http.client import ApiResponse
from connectors.http.retry import RetryPolicy
from connectors.skinshark.client import SkinsharkClient
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from sandbox.skinshark.merchant import FIRST_KEY
from tests.support.clocks import NOON, VirtualClock
from tests.support.http_servers import http_response, stub_server

ACCOUNT = "/v1/account/key"


@pytest.mark.parametrize(("limit", "left"), [("1000", 41), ("20", 999), ("x", 999)])
def test_remaining_quota_counts_only_where_the_limit_is_the_months(limit: str, left: int | None) -> None:
    async def main() -> int | None:
        async with stub_server(
            http_response(b"{}", x_ratelimit_limit=limit, x_ratelimit_remaining="41")
        ) as server:
            client = Cs2capClient("cs2cap", server.url, Key(VALID_KEY), VirtualClock())
            client.rate_limiter.sync_month(0, 1000, since=client.rate_limiter.sync_point())
            await client.get(ACCOUNT)
            remaining = client.quota_remaining
            await client.aclose()
            return remaining

    assert asyncio.run(main()) == left


def test_429_pauses_every_other_request(sandbox: Sandbox) -> None:
    sandbox.fault("rate_limited", path=ACCOUNT, retry_after=40)
    clock = VirtualClock()
    response_times: list[float] = []

    async def main() -> None:
        client = Cs2capClient(
            "cs2cap",
            sandbox.url,
            Key(VALID_KEY),
            clock,
            concurrency=1,
            on_headers=lambda _: response_times.append(clock.time),
        )
        await asyncio.gather(*(client.get(ACCOUNT) for _ in range(3)))
        assert client.requests == 4
        await client.aclose()

    asyncio.run(main())
    assert response_times == [0, 40, 40, 40]


@pytest.mark.parametrize("concurrency", [1, 3])
def test_concurrency_is_limited(concurrency: int) -> None:
    running, most = 0, 0
    full = asyncio.Event()

    async def busy(_: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == concurrency:
            full.set()
        await full.wait()
        await asyncio.sleep(0.02)  # one request too many would come now
        running -= 1
        writer.write(http_response(b"{}"))

    async def main() -> None:
        async with stub_server(busy) as server:
            client = Cs2capClient(
                "cs2cap", server.url, Key(VALID_KEY), VirtualClock(), concurrency=concurrency
            )
            await asyncio.gather(*(client.get(ACCOUNT) for _ in range(9)))
            await client.aclose()

    asyncio.run(main())
    assert most == concurrency


def test_revoked_key_stops_all_requests() -> None:
    """Two requests wait, one for a connection and one for its second attempt; neither is sent again."""
    revoked = b'{"code": "AUTH_API_KEY_REVOKED", "detail": "revoked"}'
    requests = 0

    async def respond(_: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        requests += 1
        first = http_response(b"", "503 Service Unavailable")
        writer.write(first if requests == 1 else http_response(revoked, "401 Unauthorized"))

    async def main() -> list[ApiResponse[bytes] | BaseException]:
        async with stub_server(respond) as server:
            patient = RetryPolicy(base=100.0, cap=100.0)
            client = Cs2capClient(
                "cs2cap", server.url, Key(VALID_KEY), SystemClock(), concurrency=1, retry=patient
            )
            results = await asyncio.gather(*(client.get(ACCOUNT) for _ in range(4)), return_exceptions=True)
            with pytest.raises(errors.KeyRevoked):
                await client.get(ACCOUNT)
            await client.aclose()
            assert client.requests == 2
            return results

    started = time.monotonic()
    results = asyncio.run(main())
    assert time.monotonic() - started < 60, "the second attempt would wait for 100 s"
    assert [type(result) for result in results] == [errors.KeyRevoked] * 4
    assert len({id(result) for result in results}) == 4


def test_forbidden_route_stops_its_own_requests_only(sandbox: Sandbox) -> None:
    """Of four requests, one is sent and three wait for its connection; another route still works."""
    sandbox.skinshark.fault("error", times=None, params={"key": "SOMETHING_NEW", "status": 403})

    async def main() -> list[ApiResponse[bytes] | BaseException]:
        client = SkinsharkClient("shark", sandbox.url, Key(FIRST_KEY), SystemClock(), concurrency=1)
        waiting = (client.get("/market/prices") for _ in range(4))
        results = await asyncio.gather(*waiting, client.get("/merchant"), return_exceptions=True)
        await client.aclose()
        return results

    *refused, other = asyncio.run(main())
    assert [type(error) for error in refused] == [errors.RouteForbidden] * 4
    assert len({id(error) for error in refused}) == 4
    assert isinstance(other, ApiResponse)
    assert [entry.path for entry in sandbox.skinshark.requests.since(0)] == ["/market/prices", "/merchant"]


def test_exhausted_month_stops_all_requests(make_sandbox: Callable[..., Sandbox]) -> None:
    sandbox = make_sandbox(limits=True, tier="free")

    async def main() -> int:
        client = Cs2capClient("cs2cap", sandbox.url, Key(VALID_KEY), VirtualClock())
        for _ in range(3):
            with pytest.raises(errors.QuotaExhausted):
                await client.get("/v1/fx")
        await client.aclose()
        return client.requests

    sandbox.keys.set_remaining(VALID_KEY, 0, NOON)
    assert asyncio.run(main()) == 1
