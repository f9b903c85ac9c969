"""Which of SkinShark's routes are read for a sub-user, by both readings of the contract, and how."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from common.errors import ConfigError, RequestRejected, SourceError, UserNotFound
from common.shards import Item
from connectors.http.auth import Key
from connectors.shards import BID_DELIVERIES, LISTING_DELIVERIES, Shard
from connectors.skinshark.client import SkinsharkClient
from connectors.skinshark.connector import SkinShark
from connectors.skinshark.reader import Reader
from sandbox.skinshark.listing import FIRST_ID
from sandbox.skinshark.merchant import FIRST_KEY, SUB_USER
from tests.support.clocks import VirtualClock
from tests.support.cs2cap import PageCollector
from tests.support.sandboxes import MakeSandbox
from tests.support.skinshark import make_skinshark, run_and_close, sent_paths

OWN, BY_ID, FOREIGN = *SUB_USER, "customer-9"
Job = Callable[[SkinShark], Awaitable[object]]


def read_shard(*deliveries: str) -> Job:
    shard = Shard(
        0, "shark", "USD", providers=("skinshark",), items=(), deliveries=deliveries, route="listing"
    )
    return lambda source: source.extract(shard, PageCollector())


JOBS: dict[str, Job] = {
    "/merchant": lambda source: source.account(),
    "/merchant/fees": lambda source: source.fees(),
    "/market/prices as catalog": lambda source: source.items(),
    "/market/prices": read_shard(*LISTING_DELIVERIES),
    "/market/sell/prices": read_shard(*BID_DELIVERIES),
    "/market/items/{itemId}/listings": lambda source: source.walk_listings(
        Item(str(FIRST_ID + 1), "an item", None), 1
    ),
}
# By route and sub-user: the error, or None, where the header is optional and where it is required.
OUTCOMES: dict[tuple[str, str | None], tuple[type[SourceError] | None, type[SourceError] | None]] = {
    **{(route, user): (None, None) for route in list(JOBS)[:3] for user in (None, OWN, BY_ID, FOREIGN)},
    ("/market/prices", None): (None, None),
    **{("/market/prices", user): (ConfigError, ConfigError) for user in (OWN, BY_ID, FOREIGN)},
    **{(route, None): (None, RequestRejected) for route in list(JOBS)[4:]},
    **{(route, user): (None, None) for route in list(JOBS)[4:] for user in (OWN, BY_ID)},
    **{(route, FOREIGN): (UserNotFound, UserNotFound) for route in list(JOBS)[4:]},
}


@pytest.mark.parametrize("reading", ["optional", "required"])
@pytest.mark.parametrize(("route", "user"), OUTCOMES)
def test_outcome_by_route_and_sub_user(
    make_sandbox: MakeSandbox, route: str, user: str | None, reading: str
) -> None:
    sandbox = make_sandbox(sub_user=reading)
    connector = make_skinshark(sandbox.url, clock=VirtualClock(), on_behalf_of=user)
    expected = OUTCOMES[route, user][reading == "required"]
    if expected is None:
        run_and_close(connector, JOBS[route])
        return
    with pytest.raises(expected) as caught:
        run_and_close(connector, JOBS[route])
    assert type(caught.value) is expected
    if expected is ConfigError:
        assert sent_paths(sandbox) == []
        assert f"'{user}'" in str(caught.value)
    if expected is UserNotFound:
        assert f"no sub-user of this merchant is '{user}'" in str(caught.value)
    if expected is RequestRejected:
        assert "On-Behalf-Of" in str(caught.value)


@pytest.mark.parametrize("route", ["/merchant", "/merchant/fees", "/merchant/users/u1", "/market/prices"])
def test_routes_of_the_merchant_are_refused_before_a_request(make_sandbox: MakeSandbox, route: str) -> None:
    sandbox = make_sandbox()

    async def ignore(*_: object) -> None:
        raise AssertionError("nothing is read")

    async def read(source: SkinShark) -> None:
        client = SkinsharkClient("shark", sandbox.url, Key(FIRST_KEY), clock=VirtualClock())
        try:
            await Reader(client, OWN).read(route, (), ignore, for_sub_user=True)
        finally:
            await client.aclose()

    with pytest.raises(ConfigError, match=f"{route} takes the merchant itself"):
        run_and_close(make_skinshark(sandbox.url), read)
    assert sent_paths(sandbox) == []


def test_unknown_sub_user_ends_every_request_of_the_source(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox()

    async def read_twice(source: SkinShark) -> None:
        for _ in range(2):
            with pytest.raises(UserNotFound):
                await JOBS["/market/sell/prices"](source)

    run_and_close(make_skinshark(sandbox.url, on_behalf_of=FOREIGN), read_twice)
    assert sent_paths(sandbox) == ["/market/sell/prices"]
