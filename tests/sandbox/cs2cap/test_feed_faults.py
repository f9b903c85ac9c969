"""Faults of the live feeds: events twice, late, never, in parts, too large; connections that break."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx
import pytest

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support import patient
from tests.support.sandboxes import MakeSandbox

BEARER = {"Authorization": f"Bearer {VALID_KEY}"}
END = "end"  # the body ended as it should
BROKEN = "broken"


@pytest.fixture
def quant(make_sandbox: MakeSandbox) -> Sandbox:
    return make_sandbox(tier="quant")


def read_lines(response: httpx.Response) -> Iterator[str]:
    """Yield the lines of a body, and how the body ended."""
    try:
        yield from response.iter_lines()
        yield END
    except httpx.RemoteProtocolError:
        yield BROKEN


def follow(sandbox: Sandbox, path: str = "/v1/feed/prices") -> tuple[list[dict[str, Any]], str]:
    """Return the events of five changes at steam, a second apart, and how the connection ended."""
    with patient.stream("GET", sandbox.url + path, headers=BEARER) as response:
        lines = read_lines(response)
        assert next(lines) == "event: ready"
        for _ in range(5):
            sandbox.move(1, provider="steam")
            sandbox.advance(1)
        sandbox.key(VALID_KEY, "revoked")
        *body, end = lines
    texts = [line.removeprefix("data: ") for line in body if line.startswith("data: ")]
    return [json.loads(text) for text in texts[1:] if text.endswith("}")], end


def seconds(events: list[dict[str, Any]], sandbox: Sandbox) -> list[float]:
    """Return the times of events, in seconds since the start of the market."""
    start = sandbox.changes()["seen_at"][0]
    return [(datetime.fromisoformat(event["seen_at"]) - start).total_seconds() for event in events]


@pytest.mark.parametrize(
    ("kind", "fields", "expected", "end"),
    [
        ("feed_repeat", {"after_events": 1}, [0, 1, 1, 2, 3, 4], END),
        ("feed_repeat", {"every": 2}, [0, 0, 1, 2, 2, 3, 4, 4], END),
        ("feed_late", {"after_events": 1}, [0, 2, 1, 3, 4], END),
        ("feed_late", {"every": 3}, [1, 0, 2, 4, 3], END),
        ("feed_late", {"after_events": 4, "seconds": 0}, [0, 1, 2, 3, 4], END),
        ("feed_split", {}, [0, 1, 2, 3, 4], END),
        ("feed_silence", {"provider": "steam"}, [], END),
        ("feed_silence", {"provider": "youpin"}, [0, 1, 2, 3, 4], END),
        ("feed_break", {}, [], BROKEN),
        ("feed_break", {"after_events": 2}, [0, 1], BROKEN),
        ("feed_break", {"after_events": 3, "how": "middle"}, [0, 1, 2], BROKEN),
        ("feed_break", {"after_events": 4, "how": "close"}, [0, 1, 2, 3], END),
        ("feed_revoke", {"after_events": 3}, [0, 1, 2], END),
    ],
)
def test_what_arrives(
    quant: Sandbox, kind: str, fields: dict[str, Any], expected: list[float], end: str
) -> None:
    quant.fault(kind, **fields)
    events, ended = follow(quant)
    assert (seconds(events, quant), ended) == (expected, end)
    sent = quant.sent_items()
    assert sent.group_by("event", maintain_order=True).len()["len"].to_list() == [1] * len(expected)


def test_flood_lists_all_quotes_in_one_event_after_what_led_to_them(quant: Sandbox) -> None:
    quant.fault("feed_flood", after_events=4, items=20_000)
    *changes, flood = follow(quant)[0]
    assert seconds(changes, quant) == [0, 1, 2, 3, 4]
    assert len(flood["items"]) == 20_000
    listed = quant.ledger(providers=["steam"]).select("item_id", "lowest_ask", "quantity").rows()
    assert {(item["item_id"], item["price"], item["qty"]) for item in flood["items"]} == set(listed)
    assert {item["change"] for item in flood["items"]} == {"updated"}


def test_stalled_connection_is_silent_but_open(quant: Sandbox) -> None:
    quant.fault("feed_stall", after_events=2)
    with patient.stream("GET", quant.url + "/v1/feed/bids", headers=BEARER) as response:
        lines = read_lines(response)
        assert next(lines) == "event: ready"
        while len(quant.sent_items()) < 2:
            quant.move(10, provider="steam")
        quant.advance(60)
        quant.key(VALID_KEY, "revoked")
        assert quant.break_feeds("close") == 1
        body = list(lines)
    assert body.count("event: bids.changed") == 2
    assert ": ping" not in body


def test_all_connections_of_a_key_seem_to_be_open(quant: Sandbox) -> None:
    quant.fault("feed_connections", retry_after=9)
    refused = patient.get(quant.url + "/v1/feed/bids", headers=BEARER)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "9")
    assert refused.json()["code"] == "RATE_LIMIT_FEED_CONNECTIONS_EXCEEDED"


def test_changes_have_what_a_broken_feed_did_not_tell(quant: Sandbox) -> None:
    quant.fault("feed_break", after_events=2)
    events, _ = follow(quant)
    changes = quant.changes()
    assert changes["provider"].to_list() == ["steam"] * 5
    sent = quant.sent_items().drop("connection", "event", "sent_at")
    assert sent.rows() == changes.rows()[: len(events)]


def test_open_connection_breaks_in_the_middle_of_its_next_event(quant: Sandbox) -> None:
    with patient.stream("GET", quant.url + "/v1/feed/prices", headers=BEARER) as response:
        lines = read_lines(response)
        assert next(lines) == "event: ready"
        assert quant.break_feeds("middle") == 1
        quant.move(40, provider="steam")
        *_, last, end = lines  # without the half of the line of data
    assert (last, end) == ("event: prices.changed", BROKEN)
    assert quant.sent_items().is_empty()
