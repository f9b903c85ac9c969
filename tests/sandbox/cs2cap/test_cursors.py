"""Cursors of the sandbox: opaque, kept in the log, and on request expired, repeating or going round."""

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from sandbox.core import Sandbox
from sandbox.cs2cap.series import cursors
from sandbox.http_types import ApiError, ApiRequest
from tests.support.clocks import NOON
from tests.support.sandbox_series import CANDLES, HISTORY, ITEM, SALES, small, walk
from tests.support.sandboxes import HttpGet

PLACES = st.lists(st.integers(-(10**17), 10**17), min_size=2, max_size=3).map(tuple)


@pytest.fixture
def sandbox(make_sandbox: Callable[..., Sandbox]) -> Sandbox:
    """Return one that is quickly made."""
    return make_sandbox(items=20)


def holding(cursor: str) -> ApiRequest:
    return ApiRequest("GET", HISTORY, (("cursor", cursor),))


@given(PLACES)
def test_a_cursor_is_read_as_it_was_written(place: tuple[int, ...]) -> None:
    assert cursors.decode_cursor(holding(cursors.encode_cursor(place)), len(place)) == place


@given(st.text())
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(ApiError) as refused:
        cursors.decode_cursor(holding(text), 5)
    assert (refused.value.status, refused.value.detail) == (400, "invalid cursor format")


def walked(
    http_get: HttpGet, box: Sandbox, path: str, most: int, **query: Any
) -> tuple[list[Any], list[str | None]]:
    """Return the rows of at most so many pages, and every cursor that they lead to."""
    rows: list[Any] = []
    following: list[str | None] = []
    while len(following) < most and (not following or following[-1]):
        cursor = {"cursor": following[-1]} if following else {}
        page = http_get(box, path, **query, **cursor).json()
        rows += page["items"]
        following.append(page["pagination"]["next_cursor"])
    return rows, following


def test_a_walk_that_stood_still_misses_nothing_that_was_there(sandbox: Sandbox, http_get: HttpGet) -> None:
    start = (NOON - timedelta(days=2)).isoformat()
    expected = walk(sandbox, HISTORY, item_id=ITEM, start=start)
    first = http_get(sandbox, HISTORY, item_id=ITEM, start=start, limit=50).json()
    sandbox.advance(7)
    sandbox.move(5, item_ids=[ITEM])
    sandbox.advance(900)
    cursor = first["pagination"]["next_cursor"]
    rest = walk(sandbox, HISTORY, item_id=ITEM, start=start, limit=1000, cursor=cursor)
    assert first["items"] + rest == expected


def test_the_log_holds_the_cursors(sandbox: Sandbox, http_get: HttpGet) -> None:
    _, following = walked(http_get, sandbox, HISTORY, 3, item_id=ITEM, limit=5)
    asked = [httpx.QueryParams(entry.query).get("cursor") for entry in sandbox.requests.of_path(HISTORY)]
    assert asked == [None, *following[:2]]


@pytest.mark.parametrize("path", [HISTORY, SALES])
def test_a_cursor_expires(sandbox: Sandbox, http_get: HttpGet, path: str) -> None:
    sandbox.fault("cursor_expired", after=1)
    query = {"item_id": ITEM, "limit": 2}
    _, following = walked(http_get, sandbox, path, 2, **query)
    refused = http_get(sandbox, path, **query, cursor=following[-1])
    assert (refused.status_code, refused.json()) == (400, {"detail": "cursor has expired"})
    assert http_get(sandbox, path, **query, cursor=following[-1]).status_code == 200


@pytest.mark.parametrize("path", [HISTORY, SALES])
def test_a_cursor_repeats_itself(sandbox: Sandbox, http_get: HttpGet, path: str) -> None:
    sandbox.fault("cursor_repeats", after=1, times=None)
    rows, following = walked(http_get, sandbox, path, 5, item_id=ITEM, limit=2)
    assert following[0] != following[1] == following[2] == following[3]
    assert rows[4:6] == rows[6:8] == rows[8:10]


@pytest.mark.parametrize("path", [HISTORY, SALES])
def test_a_cursor_goes_round(sandbox: Sandbox, http_get: HttpGet, path: str) -> None:
    sandbox.fault("cursor_goes_round", after=1, times=None)
    rows, following = walked(http_get, sandbox, path, 5, item_id=ITEM, limit=2)
    assert rows[6:8] == rows[:2]
    assert following[2] not in following[:2]
    assert following[3] == following[2]
    assert http_get(sandbox, path, item_id=ITEM, limit=2, cursor=following[2]).json()["items"] == rows[:2]


def test_a_fault_is_for_one_item_and_for_walks_alone(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.fault("cursor_repeats", match={"item_id": str(ITEM)}, times=None)
    start = (NOON - timedelta(hours=12)).isoformat()
    for item_id, ended in ((ITEM, False), (ITEM + 1, True)):
        _, following = walked(http_get, sandbox, HISTORY, 30, item_id=item_id, start=start, limit=10)
        assert (following[-1] is None) is ended
        assert len(following) > 3
    assert http_get(sandbox, "/v1/prices", item_id=ITEM).json()["pagination"]["has_next"] is False
    assert all(fault.seen for fault in sandbox.faults.active)


def test_a_last_page_that_leads_on_is_a_fault_too(sandbox: Sandbox, http_get: HttpGet) -> None:
    start = (NOON - timedelta(hours=3)).isoformat()
    page = http_get(sandbox, HISTORY, item_id=ITEM, start=start, limit=2).json()
    query = {"item_id": ITEM, "start": start, "cursor": page["pagination"]["next_cursor"]}
    assert http_get(sandbox, HISTORY, **query).json()["pagination"]["has_next"] is False
    sandbox.fault("cursor_goes_round")
    assert http_get(sandbox, HISTORY, **query).json()["pagination"]["has_next"] is True


@pytest.mark.parametrize(("path", "field"), [(HISTORY, "price"), (CANDLES, "t"), (SALES, "date")])
def test_a_row_of_a_series_is_broken(sandbox: Sandbox, http_get: HttpGet, path: str, field: str) -> None:
    sandbox.fault("broken_row", path=path, field=field, value="many", row=1)
    page = http_get(sandbox, path, item_id=ITEM).json()
    told = [row[field] for row in page.get("items") or page["data"]]
    assert told.count("many") == 1
    assert told[1] == "many"


@pytest.mark.parametrize("path", ["history", "sales"])
def test_the_whole_truth_is_told_by_the_control(sandbox: Sandbox, path: str) -> None:
    query: dict[str, Any] = {"item_id": [ITEM, ITEM + 1], "currency": "EUR"}
    if path == "history":
        query |= {"start": (NOON - timedelta(days=1)).isoformat(), "end": NOON.isoformat()}
        expected = sandbox.history([ITEM, ITEM + 1], start=NOON - timedelta(days=1), end=NOON, currency="EUR")
    else:
        query |= {"at": NOON.isoformat()}
        expected = sandbox.sales(NOON, item_ids=[ITEM, ITEM + 1], currency="EUR")
    told = httpx.get(f"{sandbox.url}/_sandbox/{path}", params=query)
    rows = pl.read_ndjson(io.BytesIO(told.content), infer_schema_length=None)
    plain = ["provider", "item_id", "price"]
    assert expected.height > 20
    assert_frame_equal(rows.select(plain), expected.select(plain))
    assert rows.columns == expected.columns


def test_the_ledger_of_the_past_is_told_by_the_control() -> None:
    box = small()
    at = NOON - timedelta(days=20)
    assert box.ledger(at, item_ids=[ITEM]).height == box.ledger(item_ids=[ITEM]).height
    assert not box.ledger(at).equals(box.ledger())
