"""`CS2Cap.account` proves the key and applies the limits of the account."""

import asyncio
import json

import pytest
from msgspec.structs import replace

from common import errors
from connectors.cs2cap.client import Cs2capClient
from connectors.cs2cap.connector import CS2Cap
from connectors.http.auth import Key
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.clocks import SynchronizedClock, VirtualClock
from tests.support.cs2cap import STEAM, PageCollector, run_with_connector
from tests.support.http_servers import http_response, stub_server
from tests.support.sandboxes import MakeSandbox


@pytest.mark.parametrize("state", ["revoked", "disabled", "forbidden"])
def test_account_with_an_unusable_key_raises(sandbox: Sandbox, state: str) -> None:
    sandbox.key(VALID_KEY, state)
    error_class = errors.KeyRevoked if state == "revoked" else errors.AccountDisabled
    with pytest.raises(error_class):
        run_with_connector(sandbox.url, lambda connector: connector.account())
    assert len(sandbox.requests) == 1


def test_limits_of_the_account_are_applied(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(tier="free", limits=True)
    clock = VirtualClock()

    async def main() -> CS2Cap:
        connector = CS2Cap(Cs2capClient("cs2cap", sandbox.url, Key(VALID_KEY), clock=clock))
        account = await connector.account()
        assert (account.requests_per_minute, account.requests_per_month, account.used) == (20, 1000, 0)
        assert account.active
        for _ in range(19):
            await connector.fx()
        assert clock.time == 0
        assert connector.quota_remaining == 981
        await connector.aclose()
        return connector

    assert asyncio.run(main()).requests == 20


@pytest.mark.parametrize(("tier", "per_minute", "left"), [("auto", None, None), ("starter", 40, 50_000)])
def test_account_that_tells_no_limits_has_those_of_the_configured_tier(
    sandbox: Sandbox, tier: str, per_minute: int | None, left: int | None
) -> None:
    sandbox.key(VALID_KEY).limits_reported = False
    clock = VirtualClock()

    async def main() -> CS2Cap:
        connector = CS2Cap(Cs2capClient("cs2cap", sandbox.url, Key(VALID_KEY), clock=clock), tier=tier)
        account = await connector.account()
        assert (account.tier, account.requests_per_minute, account.requests_per_month) == (None, None, None)
        assert connector.quota_remaining == left
        for _ in range(40):
            await connector.fx()
        await connector.aclose()
        return connector

    assert asyncio.run(main()).requests == 41
    assert (clock.time > 0) == (per_minute == 40)


def test_tier_in_a_header_gives_the_limits() -> None:
    body = {"key": {"is_active": True}, "requests_this_month": 7}
    response = http_response(json.dumps(body).encode(), x_ratelimit_tier="starter")

    async def main() -> tuple[str | None, int | None]:
        async with stub_server(response) as server:
            connector = CS2Cap(Cs2capClient("cs2cap", server.url, Key(VALID_KEY), clock=VirtualClock()))
            account = await connector.account()
            left = connector.quota_remaining
            await connector.aclose()
            return account.tier, left

    assert asyncio.run(main()) == ("starter", 50_000 - 7)


def test_rate_limit_per_minute_is_never_exceeded(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(tier="free", limits=True, windows="sliding")

    async def main() -> None:
        clock = SynchronizedClock(sandbox)
        client = Cs2capClient("cs2cap", sandbox.url, Key(VALID_KEY), clock=clock, concurrency=1)
        connector = CS2Cap(client, 10)
        await connector.account()
        await connector.extract(STEAM, PageCollector())
        await connector.extract(replace(STEAM, currency="EUR"), PageCollector())
        await connector.aclose()

    asyncio.run(main())
    statuses = [entry.status for entry in sandbox.requests.since(0)]
    assert len(statuses) > 40
    assert set(statuses) == {200}
