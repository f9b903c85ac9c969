"""A feed tells the changes of the market; who has no connection left, or no key, learns why."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import TypeVar

import pytest

from common.errors import Busy, ConfigError, ConnectionLost, KeyRevoked, PlanForbids, UnexpectedResponse
from common.shards import Item
from connectors.cs2cap.connector import CS2Cap
from connectors.cs2cap.contract import ASKS, BIDS
from connectors.cs2cap.feed import Feed, FeedEvent, FeedScope, to_quotes
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.clocks import NOON, VirtualClock
from tests.support.cs2cap import run_with_connector
from tests.support.sandboxes import MakeSandbox

pytestmark = pytest.mark.server
T = TypeVar("T")
Listing = dict[tuple[str, str], tuple[int, int]]


@pytest.fixture
def quant(make_sandbox: MakeSandbox) -> Sandbox:
    return make_sandbox(tier="quant")


def with_feed(
    box: Sandbox, work: Callable[[CS2Cap, Feed], Awaitable[T]], scope: FeedScope | None = None
) -> T:
    async def job(source: CS2Cap) -> T:
        async with source.open_feed(scope or FeedScope(ASKS), VirtualClock()) as feed:
            return await work(source, feed)

    return run_with_connector(box.url, job)


async def read_all(feed: Feed) -> list[FeedEvent]:
    """Return the events up to the end of the feed."""
    events = []
    with contextlib.suppress(ConnectionLost):
        async for event in feed.events():
            events.append(event)  # noqa: PERF401 - those before the end count
    return events


def listing(box: Sandbox, *, bids: bool) -> Listing:
    columns = ("highest_bid", "num_bids") if bids else ("lowest_ask", "quantity")
    rows = box.ledger(bids=bids).select("provider", "item_id", *columns).rows()
    return {(provider, str(item_id)): (price, quantity) for provider, item_id, price, quantity in rows}


@pytest.mark.parametrize("bids", [False, True])
def test_events_lead_from_one_listing_to_the_next(quant: Sandbox, *, bids: bool) -> None:
    scope = FeedScope(BIDS if bids else ASKS)

    async def follow(_: CS2Cap, feed: Feed) -> list[FeedEvent]:
        for change in (quant.move, quant.vanish, quant.appear):
            change(200)
            quant.advance(1)
        quant.key(VALID_KEY, "revoked")  # which ends the feed
        return await read_all(feed)

    quotes = listing(quant, bids=bids)
    for event in with_feed(quant, follow, scope):
        frame = to_quotes([event], scope.side.delivery)
        assert frame["last_updated"].unique().to_list() == [event.seen_at]
        for provider, item_id, ask, price, quantity in frame.select(
            "provider", "item_id", "lowest_ask", "price", "quantity"
        ).iter_rows():
            if ask is None:
                assert (price, quantity) == (None, 0)
                del quotes[provider, item_id]
            else:
                assert price == Decimal(ask) / 100
                quotes[provider, item_id] = ask, quantity
    assert quotes == listing(quant, bids=bids)


def test_third_connection_waits_and_no_other_request_does(quant: Sandbox) -> None:
    async def work(source: CS2Cap, _: Feed) -> None:
        async with source.open_feed(FeedScope(BIDS), VirtualClock()):
            with pytest.raises(Busy) as refused:
                async with source.open_feed(FeedScope(BIDS), VirtualClock()):
                    pass
            assert refused.value.retry_after == 5
            assert (await source.account()).active

    with_feed(quant, work)


def test_revoked_key_ends_the_feed_and_opens_no_other_one(quant: Sandbox) -> None:
    async def work(source: CS2Cap, feed: Feed) -> None:
        quant.key(VALID_KEY, "revoked")
        with pytest.raises(ConnectionLost):
            _ = [event async for event in feed.events()]
        async with source.open_feed(FeedScope(ASKS), VirtualClock()):
            pytest.fail("it was opened")

    with pytest.raises(KeyRevoked):
        with_feed(quant, work)


def test_smaller_tier_has_no_feed(make_sandbox: MakeSandbox) -> None:
    async def work(_: CS2Cap, __: Feed) -> None:
        pytest.fail("it was opened")

    with pytest.raises(PlanForbids):
        with_feed(make_sandbox(tier="pro"), work)


def test_feed_of_named_items_tells_of_no_others(quant: Sandbox) -> None:
    aggregate = next(item for item in quant.market.board.catalog.items if item.aggregate)
    phase = quant.market.board.catalog.phases(aggregate)[0]
    items = (Item("3", "", None), Item(str(phase.item_id), phase.name, phase.phase))

    async def follow(_: CS2Cap, feed: Feed) -> set[str]:
        quant.move(3000)
        quant.key(VALID_KEY, "revoked")
        told = await read_all(feed)
        assert {event.provider for event in told} == {"steam"}
        return {str(row.item_id) for event in told for row in event.rows}

    assert with_feed(quant, follow, FeedScope(ASKS, ("steam",), items)) <= {"3", str(phase.item_id)}


def test_what_a_feed_cannot_name_is_refused() -> None:
    phase = Item(None, "★ Karambit | Doppler (Factory New)", "Ruby")
    many = tuple(Item(str(number), "", None) for number in range(101))
    for items in ((phase,), many):
        with pytest.raises(ConfigError):
            FeedScope(ASKS, (), items).params("cs2cap")


class Told:
    """Stands for the events of a response: these, each a second later. One without a name is a comment."""

    def __init__(self, *events: tuple[str, object]) -> None:
        self.heard_at = NOON
        self._events = events

    async def events(self) -> object:
        """Yield the events."""
        from httpx_sse import ServerSentEvent

        for name, data in self._events:
            self.heard_at += timedelta(seconds=1)
            if name:
                yield ServerSentEvent(event=name, data=json.dumps(data))


def parse(*events: tuple[str, object], scope: FeedScope | None = None) -> list[FeedEvent]:
    async def job(source: CS2Cap) -> list[FeedEvent]:
        feed = Feed(source._client, scope or FeedScope(ASKS), Told(*events))  # type: ignore[arg-type]
        await feed.wait_until_ready()
        return [event async for event in feed.events()]

    return run_with_connector("http://127.0.0.1:9", job)


READY = ("ready", {"providers": ["steam"], "item_ids_filter_count": 0, "market_hash_names_filter_count": 0})


def changed(*items: object, **fields: object) -> tuple[str, object]:
    return "prices.changed", {
        "provider": "steam",
        "seen_at": "2026-06-01T14:00:00+02:00",
        "items": items,
        **fields,
    }


def row(**fields: object) -> dict[str, object]:
    return {"item_id": 1, "market_hash_name": "A", "change": "updated", "price": 5, "qty": 1, **fields}


def test_rows_that_do_not_fit_are_rejects_and_the_others_count() -> None:
    (event,) = parse(
        READY,
        changed(row(), row(item_id=2, price=None), row(item_id=3, change="moved"), row(item_id=4, new=1), 7),
    )
    assert [each.item_id for each in event.rows] == [1, 4]
    assert len(event.rejects) == 3
    assert event.unknown_fields == {"new": 1}
    assert event.seen_at.isoformat() == "2026-06-01T12:00:00+00:00"


@pytest.mark.parametrize(
    ("seen", "heard"),
    [
        ((), 1.0),
        ((1.5,), 1.5),  # another event of a moment later may be under way
        ((1.5, 0.5), 1.5),  # a late one
        ((9.0,), 2.0),  # a clock that is ahead
        ((1.5, None), 3.0),  # a comment: nothing was under way
    ],
)
def test_feed_is_known_up_to_its_last_event(seen: tuple[float | None, ...], heard: float) -> None:
    async def job(source: CS2Cap) -> float:
        times = [None if after is None else (NOON + timedelta(seconds=after)).isoformat() for after in seen]
        events = [("", None) if time is None else changed(row(), seen_at=time) for time in times]
        feed = Feed(source._client, FeedScope(ASKS), Told(READY, *events))  # type: ignore[arg-type]
        await feed.wait_until_ready()
        _ = [event async for event in feed.events()]
        return (feed.heard_at - NOON).total_seconds()

    assert run_with_connector("http://127.0.0.1:9", job) == heard


@pytest.mark.parametrize(
    "events",
    [
        (changed(row()),),  # before it is ready
        (("ready", {"providers": ["steam"], "item_ids_filter_count": 1}),),
        (READY, ("prices.changed", {"provider": "steam", "items": []})),
        (READY, changed(seen_at="0001-01-01T00:00:00+10:00")),
        (READY, changed(provider="")),
    ],
)
def test_what_is_no_event_ends_the_feed(events: tuple[tuple[str, object], ...]) -> None:
    with pytest.raises(UnexpectedResponse):
        parse(*events)
