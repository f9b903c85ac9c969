"""Odd entries of JSON lists, and the response of every route, parsed as an extraction parses it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, NamedTuple

from common.shards import Item, SeriesShard
from connectors.cs2cap.batch import parse_batch_page, split_into_batches
from connectors.cs2cap.contract import ASKS
from connectors.cs2cap.parser import parse_rows
from connectors.cs2cap.query import PageQuery
from connectors.cs2cap.raw_page import parse_raw_page
from connectors.cs2cap.series import candles, history, sales
from connectors.cs2cap.series.parser import SeriesQuery, SeriesResponse
from connectors.cs2cap.stream_parser import RawStreamParser, StreamInfo, TypedStreamParser
from connectors.cs2cap.typed_page import parse_typed_page
from connectors.http.auth import Key
from connectors.pages import TypedPage
from connectors.shards import Shard
from connectors.skinshark.envelope import unwrap
from connectors.skinshark.listing import WHOLE_LISTING, ListingQuery, PageRange, parse_page
from connectors.skinshark.markets import MARKETS
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.clocks import NOON

NAME: Final = "AK-47 | Redline (Field-Tested)"
ITEM: Final = Item("1", NAME, None)
# What spoils an entry when it is added to it as one more member.
ODD_MEMBERS: Final = {
    "half of a surrogate pair": rb'"note": "\ud83d"',
    "the other half": rb'"note": "\udc00"',
    "two first halves": rb'"note": "\ud83d\ud83d"',
    "NaN": b'"note": NaN',
    "Infinity": b'"note": Infinity',
    "minus Infinity": b'"note": -Infinity',
    "a control character": b'"note": "a\x01b"',
    "a line break in a text": b'"note": "a\nb"',
    "an escape that JSON lacks": rb'"note": "\x41"',
    "a number with a leading zero": b'"note": 007',
    "a hexadecimal number": b'"note": 0xff',
    "a Python value": b'"note": None',
    "a name that is no JSON": rb'"\ud83d": 1',
}  # fmt: skip
# What may stand in the place of an entry.
ODD_ENTRIES: Final = {
    "null": b"null",
    "a list": b"[]",
    "a list of objects": b'[{"item_id": 1}]',
    "a text": b'"row"',
    "a number": b"5",
    "true": b"true",
    "NaN alone": b"NaN",
    "an empty object": b"{}",
}
# Values that a field of an entry may have, where it should have a text or a number.
ODD_VALUES: Final = {
    "bytes that are no UTF-8": b'"\xff\xfe"',
    "4,300 digits": b"9" * 4_300,
    "5,000 digits": b"9" * 5_000,
    "-4,300 digits": b"-" + b"9" * 4_300,
    "1e400": b"1e400",
    "false": b"false",
    "an object": b'{"$gt": 0}',
    "a nested list": b"[[1]]",
    "NaN as a value": b"NaN",
    "a fraction": b"0.001",
}


class Parsed(NamedTuple):
    """How many rows of a response fit, and the raw text of its rejects."""

    rows: int
    rejects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """A route: a regular entry, the names of fields that spoil it, and how a body of entries is parsed."""

    entry: Callable[[int], dict[str, Any]]
    fields: tuple[str, ...]
    parse: Callable[[Sequence[bytes]], Parsed]

    def raw(self, number: int) -> bytes:
        """Return the JSON of a regular entry."""
        return json.dumps(self.entry(number)).encode()

    def with_member(self, number: int, member: bytes) -> bytes:
        """Return the JSON of an entry with one more member."""
        return self.raw(number)[:-1] + b", " + member + b"}"

    def with_value(self, number: int, field: str, value: bytes) -> bytes:
        """Return the JSON of an entry of which a field has this value."""
        return json.dumps({**self.entry(number), field: "@"}).encode().replace(b'"@"', value)


def _quote(number: int) -> dict[str, Any]:
    return {
        "provider": f"market{number}", "item_id": 1, "market_hash_name": NAME, "phase": None,
        "lowest_ask": 100 + number, "quantity": 3, "timestamp": "2026-06-01T11:00:00Z",
    }  # fmt: skip


def _batch_quote(number: int) -> dict[str, Any]:
    quote = _quote(number)
    return {name: quote[name] for name in ("provider", "lowest_ask", "quantity", "timestamp")}


def _point(number: int) -> dict[str, Any]:
    return {
        "item_id": 1, "market_hash_name": NAME, "provider": "steam", "currency": "USD",
        "time": f"2026-06-01T1{number}:00:00Z", "price": 100, "quantity": 3,
    }  # fmt: skip


def _sale(number: int) -> dict[str, Any]:
    point = _point(number)
    del point["quantity"]
    return {**point, "date": point.pop("time"), "float": 0.5, "stickers": [{"name": "x"}]}


def _candle(number: int) -> dict[str, Any]:
    start = int((NOON - timedelta(hours=number)).timestamp())
    return {"t": start, "o": 4, "h": 9, "l": 3, "c": 5, "v": 24, "providers": {"o": "steam"}}


def _listed(number: int) -> dict[str, Any]:
    return {"itemId": f"i{number}", "marketHashName": f"Item {number}", "standard": 1.5, "instant": None}


def _page(entries: Sequence[bytes], **others: object) -> bytes:
    head = {"meta": {"currency": "USD"}, **others}
    return json.dumps(head).encode()[:-1] + b', "items": [' + b", ".join(entries) + b"]}"


def _listing(entries: Sequence[bytes]) -> bytes:
    footer = {"limit": 50, "offset": 0, "total": len(entries), "has_next": False}
    return _page(entries, pagination=footer)


def _of_page(page: TypedPage) -> Parsed:
    return Parsed(page.rows.height, tuple(reject.raw for reject in page.rejects))


def _parse_item(entries: Sequence[bytes]) -> Parsed:
    query = PageQuery("cs2cap", ASKS, 0, currency="USD", providers=frozenset(), item=ITEM)
    return _of_page(parse_typed_page(query, 0, lambda: _listing(entries), NOON)[0])


def _parse_catalog(entries: Sequence[bytes]) -> Parsed:
    query = PageQuery("cs2cap", ASKS, 0, currency="USD", providers=frozenset(), item=None)
    page, info = parse_raw_page(query, 0, lambda: _listing(entries), NOON)
    parsed = _of_lines(page.rows)
    assert (parsed.rows, len(parsed.rejects)) == (len(info.keys), info.others), "the load reads the same"
    return parsed


def _of_lines(rows: Sequence[Any]) -> Parsed:
    """Parse raw rows as the load does: line by line."""
    lines = [line for line in b"\n".join(map(bytes, rows)).split(b"\n") if line.strip()]
    parsed = parse_rows(lines, ASKS, "cs2cap")
    return Parsed(parsed.rows.height, tuple(reject.raw for reject in parsed.rejects))


def _batch_shard() -> Shard:
    return Shard(0, "cs2cap", "USD", providers=(), items=(ITEM,), every_provider=True, route="batch")


def _parse_batch_quotes(entries: Sequence[bytes]) -> Parsed:
    head = json.dumps({"item_id": 1, "market_hash_name": NAME}).encode()[:-1]
    return parse_batch([head + b', "quotes": [' + b", ".join(entries) + b"]}"], ITEM)


def parse_batch(items: Sequence[bytes], *requested: Item, not_found: bytes = b"[]") -> Parsed:
    """Parse a batch with these entries, the response to a request of these items."""
    shard = Shard(0, "cs2cap", "USD", providers=(), items=requested, every_provider=True, route="batch")
    (request,) = split_into_batches(shard, "cs2cap")
    body = _page(items)[:-1] + b', "items_not_found": ' + not_found + b"}"
    return _of_page(parse_batch_page(request, lambda: body, NOON)[0])


def _stream(total: int) -> StreamInfo:
    return StreamInfo(
        source="cs2cap", side=ASKS, providers=frozenset(), selection=None, encoding="", observed_at=NOON,
        total=total,
        mask=Key(VALID_KEY).mask,
    )  # fmt: skip


def _parse_stream(entries: Sequence[bytes]) -> Parsed:
    body = b"".join(entry + b"\n" for entry in entries)
    chunk, _ = RawStreamParser(_stream(len(entries)), ()).feed(body, "complete")
    parsed = _of_page(TypedStreamParser(_stream(len(entries))).feed(body, "complete")[0])
    assert _of_lines(chunk.parts) == parsed
    return parsed


def _series_query() -> SeriesQuery:
    shard = SeriesShard("USD", NOON - timedelta(days=1), NOON, item=ITEM, interval="1h")
    return SeriesQuery("cs2cap", shard, {"steam": "steam"}, now=NOON, is_ahead=lambda _: False)


def _of_series(response: SeriesResponse) -> Parsed:
    return Parsed(response.rows.height, tuple(reject.raw for reject in response.rejects))


def _cursor_page(entries: Sequence[bytes]) -> bytes:
    return _page(entries, pagination={"has_next": False})


def _parse_candles(entries: Sequence[bytes]) -> Parsed:
    meta = {"item_id": 1, "market_hash_name": NAME, "currency": "USD", "interval": "1h"}
    body = json.dumps({"meta": meta}).encode()[:-1] + b', "data": [' + b", ".join(entries) + b"]}"
    return _of_series(candles.parse(body, _series_query()))


def _parse_skinshark(entries: Sequence[bytes]) -> Parsed:
    footer = {"total": len(entries), "page": 1, "limit": -1, "totalPages": 1}
    data = json.dumps(footer).encode()[:-1] + b', "items": [' + b", ".join(entries) + b"]}"
    content = unwrap(
        b'{"success": true, "requestId": "r1", "data": ' + data + b"}", "/market/prices", "shark"
    )
    query = ListingQuery("shark", MARKETS["all"], None)
    page, _ = parse_page(query, PageRange(0, WHOLE_LISTING), content.data, observed_at=NOON)
    return _of_page(page)


ROUTES: Final = {
    "item": Route(_quote, ("lowest_ask", "market_hash_name"), _parse_item),
    "catalog": Route(_quote, ("lowest_ask", "market_hash_name"), _parse_catalog),
    "batch": Route(_batch_quote, ("lowest_ask", "provider"), _parse_batch_quotes),
    "stream": Route(_quote, ("lowest_ask", "market_hash_name"), _parse_stream),
    "history": Route(
        _point,
        ("price", "time"),
        lambda entries: _of_series(history.parse(_cursor_page(entries), _series_query())),
    ),
    "sales": Route(
        _sale,
        ("price", "date"),
        lambda entries: _of_series(sales.parse(_cursor_page(entries), _series_query())),
    ),
    "candles": Route(_candle, ("c", "t"), _parse_candles),
    "listing": Route(_listed, ("standard", "marketHashName"), _parse_skinshark),
}
