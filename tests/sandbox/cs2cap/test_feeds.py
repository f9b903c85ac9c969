"""The live feeds: the vendor's client follows the market with them; their rules and limits."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import cs2cap
import httpx
import pytest

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import REVOKED_KEY, VALID_KEY
from sandbox.server import serve
from tests.support import patient
from tests.support.sandboxes import MakeSandbox, quiet

BEARER = {"Authorization": f"Bearer {VALID_KEY}"}
Listing = dict[tuple[str, int], tuple[int, int]]


@pytest.fixture
def quant(make_sandbox: MakeSandbox) -> Sandbox:
    return make_sandbox(tier="quant")


@pytest.fixture
def feed(quant: Sandbox) -> Iterator[cs2cap.FeedStream]:
    with cs2cap.ApiClient(cs2cap.Configuration(host=quant.url, access_token=VALID_KEY)) as client:
        yield cs2cap.FeedStream(client)


def listing(sandbox: Sandbox, *, bids: bool = False) -> Listing:
    """Return price and quantity of every quote that the API serves now."""
    columns = ("highest_bid", "num_bids") if bids else ("lowest_ask", "quantity")
    rows = sandbox.ledger(bids=bids).select("provider", "item_id", *columns).rows()
    return {(provider, item_id): (price, quantity) for provider, item_id, price, quantity in rows}


def apply(events: list[cs2cap.FeedEvent], quotes: Listing) -> None:
    """Apply events to a listing; each change must be what it says it is."""
    for event in events:
        assert event.provider is not None
        for item in event.items:
            key = event.provider, item.item_id
            assert (item.change == "added") == (key not in quotes)
            if item.change == "removed":
                assert (item.price, item.qty) == (None, 0)
                del quotes[key]
            else:
                assert item.price is not None
                assert item.qty is not None
                quotes[key] = item.price, item.qty


def change_market(sandbox: Sandbox) -> None:
    """Change quotes in every way, and revoke the key in the end, which ends its connections."""
    for change in (sandbox.move, sandbox.restock, sandbox.vanish, sandbox.appear):
        change(200)
        sandbox.advance(1)
    sandbox.set_provider_dark("steam")
    sandbox.move(100)
    sandbox.restore()
    sandbox.set_provider_dark("steam", dark=False)
    sandbox.key(VALID_KEY, "revoked")


@pytest.mark.parametrize("bids", [False, True])
def test_events_lead_from_one_listing_to_the_next(
    quant: Sandbox, feed: cs2cap.FeedStream, bids: bool
) -> None:
    stream = feed.stream_bids() if bids else feed.stream_prices()
    assert next(stream).event == "ready"
    quotes = listing(quant, bids=bids)
    change_market(quant)
    events = list(stream)
    assert {event.event for event in events} == {"bids.changed" if bids else "prices.changed"}
    assert {item.change for event in events for item in event.items} == {"added", "updated", "removed"}
    apply(events, quotes)
    assert quotes == listing(quant, bids=bids)
    sent = quant.feeds.connections[0].sent
    assert [len(event.items) for event in events] == [len(each.event.items) for each in sent]


def test_filters_are_a_union_of_items_at_some_providers(quant: Sandbox, feed: cs2cap.FeedStream) -> None:
    catalog = quant.market.board.catalog
    phases = catalog.phases(next(item for item in catalog.items if item.aggregate))
    stream = feed.stream_prices(["steam", "buff163"], [3, phases[0].item_id], [phases[0].name])
    assert next(stream).data == {
        "providers": ["buff163", "steam"],
        "item_ids_filter_count": 2,
        "market_hash_names_filter_count": 1,
    }
    ids = [3, *(phase.item_id for phase in phases)]
    listed = quant.ledger(providers=["steam", "buff163"], item_ids=ids)
    for provider in ("steam", "buff163", "csfloat"):
        quant.set_provider_dark(provider)
    quant.key(VALID_KEY, "revoked")
    removed = [(event.provider, item.item_id, item.phase) for event in stream for item in event.items]
    assert sorted(removed) == sorted(listed.select("provider", "item_id", "phase").rows())
    assert len(removed) > 4


def connect(sandbox: Sandbox, path: str = "/v1/feed/prices", **params: Any) -> httpx.Response:
    return patient.get(sandbox.url + path, headers=BEARER, params=params)


def test_refusals(quant: Sandbox) -> None:
    assert connect(quant, providers="nothing").json()["code"] == "VALIDATION_ERROR"
    assert connect(quant, item_ids="one").status_code == 422
    assert connect(quant, item_ids=list(range(60)), market_hash_names=["a"] * 41).status_code == 422
    quant.key(VALID_KEY, tier="pro")
    assert connect(quant).json()["code"] == "FORBIDDEN"
    revoked = patient.get(quant.url + "/v1/feed/bids", headers={"Authorization": f"Bearer {REVOKED_KEY}"})
    assert revoked.json()["code"] == "AUTH_API_KEY_REVOKED"
    quant.fault("unavailable", path="/v1/feed/bids")
    assert connect(quant, "/v1/feed/bids").json()["code"] == "SERVICE_UNAVAILABLE"


def test_third_connection_of_a_key_waits_for_the_end_of_another(quant: Sandbox) -> None:
    with (
        patient.stream("GET", quant.url + "/v1/feed/prices", headers=BEARER),
        patient.stream("GET", quant.url + "/v1/feed/bids", headers=BEARER),
    ):
        third = connect(quant)
        assert (third.status_code, third.json()["code"]) == (429, "RATE_LIMIT_FEED_CONNECTIONS_EXCEEDED")
        assert int(third.headers["Retry-After"]) > 0
        assert connect(quant, "/v1/prices", limit=1).status_code == 200
    while True:  # the server learns of the end of a connection a moment later
        with patient.stream("GET", quant.url + "/v1/feed/bids", headers=BEARER) as response:
            if response.status_code == 200:
                break


def test_silent_feed_sends_a_ping(quant: Sandbox) -> None:
    with patient.stream("GET", quant.url + "/v1/feed/prices", headers=BEARER) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        lines = response.iter_lines()
        while next(lines):  # the event `ready` ends with an empty line
            pass
        quant.advance(20)
        assert [next(lines), next(lines)] == [": ping", ""]


def test_server_that_stops_ends_its_open_feeds(caplog: pytest.LogCaptureFixture) -> None:
    with ExitStack() as clients:
        with serve(quiet(tier="quant")) as quant:
            clients.enter_context(patient.stream("GET", quant.url + "/v1/feed/prices", headers=BEARER))
        assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert quant.feeds.open_connections == []
