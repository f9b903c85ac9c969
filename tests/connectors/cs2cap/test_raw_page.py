"""A raw page has one row per line, however the server formats its response."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from common.errors import UnexpectedResponse
from connectors.cs2cap.contract import ASKS
from connectors.cs2cap.query import PageQuery
from connectors.cs2cap.raw_page import parse_raw_page
from connectors.cs2cap.typed_page import parse_typed_page
from connectors.pages import RawPage
from connectors.pagination import PageInfo
from tests.support.clocks import NOON
from tests.support.stream_rows import ROW, UNUSUAL_FIELDS

QUERY = PageQuery("cs2cap", ASKS, 0, currency="USD", providers=frozenset({"steam"}), item=None)
FORMATS: dict[str, Callable[[Any], str]] = {
    "compact": lambda response: json.dumps(response, separators=(",", ":")),
    "with blanks": json.dumps,
    "indented": lambda response: json.dumps(response, indent=2),
    "with carriage returns": lambda response: json.dumps(response, indent=1).replace("\n", "\r\n"),
}


def make_rows(*changes: dict[str, Any]) -> list[dict[str, Any]]:
    rows = (
        {**ROW, "item_id": number, "provider": "steam", **change} for number, change in enumerate(changes, 1)
    )
    return [{name: value for name, value in row.items() if value is not ...} for row in rows]


def encode_page(rows: list[dict[str, Any]], format_name: str) -> bytes:
    footer = {"limit": 50, "offset": 0, "total": len(rows), "has_next": False}
    return FORMATS[format_name]({"meta": {"currency": "USD"}, "items": rows, "pagination": footer}).encode()


def parse(body: bytes) -> tuple[RawPage, PageInfo]:
    return parse_raw_page(QUERY, 0, lambda: body, observed_at=NOON)


def decode_lines(page: RawPage) -> list[Any]:
    return [json.loads(line) for line in b"\n".join(page.rows).split(b"\n") if page.rows]


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("name", ["AWP", 'a "},{" b', "a\n},{\r\n b", "★ 龍王"])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_each_row_is_on_one_line(format_name: str, name: str, count: int) -> None:
    rows = make_rows(*({"market_hash_name": name} for _ in range(count)))
    page, info = parse(encode_page(rows, format_name))
    assert decode_lines(page) == rows
    assert (len(page.rows), page.exact, len(info.keys), info.others) == (count, True, count, 0)


def test_braces_in_a_name_do_not_end_a_row() -> None:
    rows = make_rows({}, {"market_hash_name": "a},{b"}, {"market_hash_name": "c},{"})
    page, _ = parse(encode_page(rows, "with blanks"))
    assert decode_lines(page) == rows


def test_deeply_nested_response_is_unexpected() -> None:
    nested = f'"new": {"[" * 50_000}{"]" * 50_000}, "item_id"'.encode()
    with pytest.raises(UnexpectedResponse, match="/v1/prices: "):
        parse(encode_page(make_rows({}), "compact").replace(b'"item_id"', nested))


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize(
    "fields", UNUSUAL_FIELDS, ids=lambda fields: ",".join(f"{k}={v!r}"[:40] for k, v in fields.items())
)
def test_unusual_row_does_not_change_the_others(format_name: str, fields: dict[str, Any]) -> None:
    rows = make_rows({}, {"item_id": 2, **fields}, {})
    body = encode_page(rows, format_name)
    page, info = parse(body)
    assert decode_lines(page) == rows
    typed, typed_info = parse_typed_page(QUERY, 0, lambda: body, observed_at=NOON)
    if page.exact and not typed.rejects:
        assert info == typed_info
    if not page.exact:
        assert (list(info.keys), info.others) == (list(typed_info.keys), typed_info.others)
