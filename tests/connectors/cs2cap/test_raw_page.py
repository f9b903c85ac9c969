"""A page that is passed on as it came: a row a line, however the server writes its answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from connectors.cs2cap.contract import ASKS
from connectors.cs2cap.query import PageQuery
from connectors.cs2cap.raw_page import parse_raw_page
from connectors.cs2cap.typed_page import parse_typed_page
from connectors.pages import RawPage
from connectors.pagination import PageInfo
from tests.support.clocks import NOON
from tests.support.stream_rows import ROW, UNUSUAL_FIELDS

QUESTION = PageQuery("cs2cap", ASKS, 0, "USD", frozenset({"steam"}), None)
WRITTEN: dict[str, Callable[[Any], str]] = {
    "compact": lambda answer: json.dumps(answer, separators=(",", ":")),
    "with blanks": json.dumps,
    "indented": lambda answer: json.dumps(answer, indent=2),
    "with carriage returns": lambda answer: json.dumps(answer, indent=1).replace("\n", "\r\n"),
}


def rows(*changed: dict[str, Any]) -> list[dict[str, Any]]:
    listed = ({**ROW, "item_id": number, "provider": "steam", **one} for number, one in enumerate(changed, 1))
    return [{name: value for name, value in row.items() if value is not ...} for row in listed]


def body(listed: list[dict[str, Any]], form: str) -> bytes:
    footer = {"limit": 50, "offset": 0, "total": len(listed), "has_next": False}
    return WRITTEN[form]({"meta": {"currency": "USD"}, "items": listed, "pagination": footer}).encode()


def told(answer: bytes) -> tuple[RawPage, PageInfo]:
    return parse_raw_page(QUESTION, 0, lambda: answer, NOON)


def lines_of(page: RawPage) -> list[Any]:
    return [json.loads(line) for line in b"\n".join(page.rows).split(b"\n") if page.rows]


@pytest.mark.parametrize("form", WRITTEN)
@pytest.mark.parametrize("name", ["AWP", 'a "},{" b', "a\n},{\r\n b", "★ 龍王"])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_each_row_is_a_line_of_its_own(form: str, name: str, count: int) -> None:
    listed = rows(*({"market_hash_name": name} for _ in range(count)))
    page, sheet = told(body(listed, form))
    assert lines_of(page) == listed
    assert (len(page.rows), page.exact, len(sheet.keys), sheet.others) == (count, True, count, 0)


def test_braces_in_a_name_are_not_taken_for_the_end_of_a_row() -> None:
    listed = rows({}, {"market_hash_name": "a},{b"}, {"market_hash_name": "c},{"})
    page, _ = told(body(listed, "with blanks"))
    assert lines_of(page) == listed


@pytest.mark.parametrize("form", WRITTEN)
@pytest.mark.parametrize(
    "odd", UNUSUAL_FIELDS, ids=lambda odd: ",".join(f"{k}={v!r}"[:40] for k, v in odd.items())
)
def test_an_odd_row_leaves_the_others_what_they_are(form: str, odd: dict[str, Any]) -> None:
    listed = rows({}, {"item_id": 2, **odd}, {})
    answer = body(listed, form)
    page, sheet = told(answer)
    assert lines_of(page) == listed
    typed, known = parse_typed_page(QUESTION, 0, lambda: answer, NOON)
    if page.exact and not typed.rejects:
        assert sheet == known
    if not page.exact:
        assert (list(sheet.keys), sheet.others) == (list(known.keys), known.others)
