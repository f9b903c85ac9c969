"""`CS2Cap.account` proves the key and applies the limits of the account."""

import asyncio
from dataclasses import replace

import pytest

from common import errors
from connectors.cs2cap.client import Cs2capClient
from connectors.cs2cap.connector import CS2Cap
from connectors.http.auth import Key
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.clocks import SynchronizedClock, VirtualClock
from tests.support.cs2cap import STEAM, PageCollector, run_with_connector
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
