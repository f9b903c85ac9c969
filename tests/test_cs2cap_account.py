"""What the CS2Cap connector learns of its account: whether the key is good, and the limits that it keeps."""

import asyncio
from dataclasses import replace

import pytest

from connectors import errors
from connectors.auth import Key
from connectors.client import Client
from connectors.cs2cap import CS2Cap
from sandbox.keys import VALID_KEY
from sandbox.server import Sandbox
from tests.conftest import MakeSandbox
from tests.cs2cap_kit import STEAM, Landing, use
from tests.virtual_clock import VirtualClock


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
        source = CS2Cap(Client("cs2cap", sandbox.url, Key(VALID_KEY), clock))
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
        client = Client("cs2cap", sandbox.url, Key(VALID_KEY), clock, concurrency=1)
        source = CS2Cap(client, 10)
        await source.account()
        await source.walk(STEAM, Landing().land)
        await source.walk(replace(STEAM, currency="EUR"), Landing().land)
        await source.aclose()

    asyncio.run(main())
    statuses = [entry.status for entry in sandbox.requests.since(0)]
    assert len(statuses) > 40
    assert set(statuses) == {200}
