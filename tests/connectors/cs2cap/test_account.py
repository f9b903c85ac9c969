"""What the CS2Cap connector learns of its account: whether the key is good, and the limits that it keeps."""

import asyncio
from dataclasses import replace

import pytest

from common import errors
from connectors.cs2cap.client import Cs2capClient
from connectors.cs2cap.connector import CS2Cap
from connectors.http.auth import Key
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.clocks import VirtualClock
from tests.support.cs2cap import STEAM, Landing, use
from tests.support.sandboxes import MakeSandbox


@pytest.mark.parametrize("state", ["revoked", "disabled", "forbidden"])
def test_the_account_proves_the_key(sandbox: Sandbox, state: str) -> None:
    sandbox.key(VALID_KEY, state)
    kind = errors.KeyRevoked if state == "revoked" else errors.AccountDisabled
    with pytest.raises(kind):
        use(sandbox.url, lambda source: source.account())
    assert len(sandbox.requests) == 1


def test_the_account_tells_the_limits_and_they_are_kept(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(tier="free", limits=True)
    clock = VirtualClock()

    async def main() -> CS2Cap:
        source = CS2Cap(Cs2capClient("cs2cap", sandbox.url, Key(VALID_KEY), clock))
        account = await source.account()
        assert (account.requests_per_minute, account.requests_per_month, account.used) == (20, 1000, 0)
        assert account.active
        for _ in range(19):
            await source.fx()
        assert clock.time == 0
        assert source.quota_remaining == 981
        await source.aclose()
        return source

    assert asyncio.run(main()).requests == 20


def test_the_minute_is_kept_without_a_single_429(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(tier="free", limits=True, windows="sliding")

    class Together(VirtualClock):
        async def sleep(self, seconds: float) -> None:
            before = self.time
            await super().sleep(seconds)
            sandbox.advance(self.time - before)

    async def main() -> None:
        clock = Together()
        client = Cs2capClient("cs2cap", sandbox.url, Key(VALID_KEY), clock, concurrency=1)
        source = CS2Cap(client, 10)
        await source.account()
        await source.extract(STEAM, Landing().land)
        await source.extract(replace(STEAM, currency="EUR"), Landing().land)
        await source.aclose()

    asyncio.run(main())
    statuses = [entry.status for entry in sandbox.requests.since(0)]
    assert len(statuses) > 40
    assert set(statuses) == {200}
