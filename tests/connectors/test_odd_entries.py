"""One odd entry of a response costs itself, by every route alike; the entries beside it are kept.

New, for each route that has pages: the entries that are no JSON, which used to fail the page. Guards: the
streams, and what is JSON but does not fit.
"""

from __future__ import annotations

import json

import pytest

from common.errors import UnexpectedResponse
from common.shards import Item
from tests.support.odd_entries import (
    ITEM,
    NAME,
    ODD_ENTRIES,
    ODD_MEMBERS,
    ODD_VALUES,
    ROUTES,
    Parsed,
    Route,
    parse_batch,
)

routes = pytest.mark.parametrize("route", ROUTES.values(), ids=list(ROUTES))
LINE_BREAK = "a line break in a text"


def parse_between(route: Route, odd: bytes) -> Parsed:
    """Parse a response with an odd entry between two regular ones."""
    return route.parse([route.raw(1), odd, route.raw(2)])


@routes
@pytest.mark.parametrize("kind", ODD_MEMBERS)
def test_entry_that_is_no_json_is_one_reject(route: Route, kind: str) -> None:
    odd = route.with_member(3, ODD_MEMBERS[kind])
    parsed = parse_between(route, odd)
    in_stream = route is ROUTES["stream"] and kind == LINE_BREAK
    # a line break ends a line of a stream: there are two odd lines
    assert (parsed.rows, len(parsed.rejects)) == (2, 2 if in_stream else 1)
    if kind != LINE_BREAK and route is not ROUTES["batch"]:
        assert parsed.rejects == (odd.decode(),)


@routes
@pytest.mark.parametrize("kind", ODD_ENTRIES)
def test_entry_of_another_type_is_one_reject(route: Route, kind: str) -> None:
    parsed = parse_between(route, ODD_ENTRIES[kind])
    assert (parsed.rows, len(parsed.rejects)) == (2, 1)


@routes
@pytest.mark.parametrize("kind", ODD_VALUES)
@pytest.mark.parametrize("which", [0, 1], ids=["number", "text"])
def test_entry_with_an_odd_value_is_one_reject(route: Route, kind: str, which: int) -> None:
    parsed = parse_between(route, route.with_value(3, route.fields[which], ODD_VALUES[kind]))
    assert (parsed.rows, len(parsed.rejects)) == (2, 1)


@routes
@pytest.mark.parametrize("which", [0, 1], ids=["number", "text"])
def test_entry_that_lacks_a_field_is_one_reject(route: Route, which: int) -> None:
    fields = {name: value for name, value in route.entry(3).items() if name != route.fields[which]}
    parsed = parse_between(route, json.dumps(fields).encode())
    assert (parsed.rows, len(parsed.rejects)) == (2, 1)


@routes
def test_all_kinds_at_once(route: Route) -> None:
    odd = [route.with_member(3, member) for kind, member in ODD_MEMBERS.items() if kind != LINE_BREAK]
    odd += [
        *ODD_ENTRIES.values(),
        *(route.with_value(3, route.fields[0], value) for value in ODD_VALUES.values()),
    ]
    parsed = route.parse([route.raw(1), *odd, route.raw(2)])
    assert (parsed.rows, len(parsed.rejects)) == (2, len(odd))


@routes
def test_response_without_one_regular_entry_has_rejects_only(route: Route) -> None:
    parsed = route.parse([b"null", b"NaN"])
    assert (parsed.rows, parsed.rejects) == (0, ("null", "NaN"))


@pytest.mark.parametrize("name", ["history", "sales", "item", "catalog", "batch", "candles", "listing"])
@pytest.mark.parametrize("end", [b"", b'"', b"]}}", b", null"])
def test_page_that_is_no_page_is_unexpected(name: str, end: bytes) -> None:
    route = ROUTES[name]
    with pytest.raises(UnexpectedResponse):
        route.parse([route.raw(1), b"{" + end])


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
@pytest.mark.parametrize("name", ["item", "batch", "stream"])
def test_timestamp_outside_of_the_calendar_is_one_reject(name: str, time: str) -> None:
    route = ROUTES[name]
    parsed = parse_between(route, json.dumps({**route.entry(3), "timestamp": time}).encode())
    assert (parsed.rows, len(parsed.rejects)) == (2, 1)


OTHER = Item("2", "AWP", None)
GOOD = {"item_id": 1, "market_hash_name": NAME, "quotes": [{"provider": "a", "lowest_ask": 1, "quantity": 1}]}


@pytest.mark.parametrize(
    "odd",
    [
        b"null", b"[]", b"7",
        b'{"item_id": 2, "market_hash_name": "AWP", "quotes": null}',
        b'{"item_id": 2, "market_hash_name": "AWP"}',
        rb'{"item_id": 2, "market_hash_name": "AWP", "phase": "\ud83d", "quotes": []}',
        b'{"item_id": "2", "market_hash_name": "AWP", "quotes": []}',
        b'{"item_id": 2, "market_hash_name": "AWP", "phase": NaN, "quotes": []}',
        b'{"item_id": 2, "market_hash_name": null, "quotes": []}',
        b'{"item_id": null, "market_hash_name": "AWP", "quotes": []}',
    ],
)  # fmt: skip
def test_odd_item_of_a_batch_is_one_reject(odd: bytes) -> None:
    parsed = parse_batch([json.dumps(GOOD).encode(), odd], ITEM, OTHER)
    assert parsed == Parsed(1, (odd.decode(),))


@pytest.mark.parametrize("odd", [b"null", b'"2"', b"2.5", b"NaN", b"[2]", b"{}", b"9" * 5_000])
def test_odd_id_that_a_batch_did_not_find_is_one_reject(odd: bytes) -> None:
    """It names no item: the quotes of every item of the request stay."""
    parsed = parse_batch([json.dumps(GOOD).encode()], ITEM, OTHER, not_found=b"[" + odd + b"]")
    assert parsed == Parsed(1, (odd.decode(),))


def test_odd_item_of_a_batch_stands_for_no_other_item() -> None:
    """The reject keeps the quotes of the item that it names: those of the missing one would close."""
    odd = b'{"item_id": 9, "market_hash_name": "M4", "quotes": null}'
    with pytest.raises(UnexpectedResponse, match="lacks 1 of"):
        parse_batch([json.dumps(GOOD).encode(), odd], ITEM, OTHER)


@pytest.mark.parametrize("name", ["item", "catalog", "stream", "history", "sales"])
def test_empty_phase_is_none(name: str) -> None:
    route = ROUTES[name]
    assert route.parse([json.dumps({**route.entry(1), "phase": ""}).encode()]) == Parsed(1, ())
