"""Cursors: opaque, in the request log, and on request expired, repeating or leading back."""

import io
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
from tests.support import patient
from tests.support.clocks import NOON
from tests.support.sandbox_series import CANDLES, HISTORY, ITEM, SALES, read_rows, small_sandbox
from tests.support.sandboxes import HttpGet, MakeSandbox

POSITIONS = st.lists(st.integers(-(10**17), 10**17), min_size=2, max_size=3).map(tuple)


@pytest.fixture
def sandbox(make_sandbox: MakeSandbox) -> Sandbox:
    """Return a sandbox that is built quickly."""
    return make_sandbox(items=20)


def request_with_cursor(cursor: str) -> ApiRequest:
    return ApiRequest("GET", HISTORY, (("cursor", cursor),))


@given(POSITIONS)
def test_cursor_round_trip(position: tuple[int, ...]) -> None:
    assert (
        cursors.decode_cursor(request_with_cursor(cursors.encode_cursor(position)), len(position)) == position
    )


@given(st.text())
def test_invalid_cursor_is_refused(text: str) -> None:
    with pytest.raises(ApiError) as refused:
        cursors.decode_cursor(request_with_cursor(text), 5)
    assert (refused.value.status, refused.value.detail) == (400, "invalid cursor format")


def follow_cursors(
    http_get: HttpGet, sandbox: Sandbox, path: str, max_pages: int, **query: Any
) -> tuple[list[Any], list[str | None]]:
    """Return the rows of at most so many pages, and the cursor of each next page."""
    rows: list[Any] = []
    next_cursors: list[str | None] = []
    while len(next_cursors) < max_pages and (not next_cursors or next_cursors[-1]):
        cursor = {"cursor": next_cursors[-1]} if next_cursors else {}
        page = http_get(sandbox, path, **query, **cursor).json()
        rows += page["items"]
        next_cursors.append(page["pagination"]["next_cursor"])
    return rows, next_cursors


def test_paused_extraction_misses_no_earlier_rows(sandbox: Sandbox, http_get: HttpGet) -> None:
    start = (NOON - timedelta(days=2)).isoformat()
    expected = read_rows(sandbox, HISTORY, item_id=ITEM, start=start)
    first = http_get(sandbox, HISTORY, item_id=ITEM, start=start, limit=50).json()
    sandbox.advance(7)
    sandbox.move(5, item_ids=[ITEM])
    sandbox.advance(900)
    cursor = first["pagination"]["next_cursor"]
    rest = read_rows(sandbox, HISTORY, item_id=ITEM, start=start, limit=1000, cursor=cursor)
    assert first["items"] + rest == expected


def test_request_log_has_the_cursors(sandbox: Sandbox, http_get: HttpGet) -> None:
    _, next_cursors = follow_cursors(http_get, sandbox, HISTORY, 3, item_id=ITEM, limit=5)
    requested = [httpx.QueryParams(entry.query).get("cursor") for entry in sandbox.requests.of_path(HISTORY)]
    assert requested == [None, *next_cursors[:2]]


@pytest.mark.parametrize("path", [HISTORY, SALES])
def test_cursor_expires(sandbox: Sandbox, http_get: HttpGet, path: str) -> None:
    sandbox.fault("cursor_expired", after=1)
    query = {"item_id": ITEM, "limit": 2}
    _, next_cursors = follow_cursors(http_get, sandbox, path, 2, **query)
    refused = http_get(sandbox, path, **query, cursor=next_cursors[-1])
    assert (refused.status_code, refused.json()) == (400, {"detail": "cursor has expired"})
    assert http_get(sandbox, path, **query, cursor=next_cursors[-1]).status_code == 200


@pytest.mark.parametrize("path", [HISTORY, SALES])
def test_cursor_repeats(sandbox: Sandbox, http_get: HttpGet, path: str) -> None:
    sandbox.fault("cursor_repeats", after=1, times=None)
    rows, next_cursors = follow_cursors(http_get, sandbox, path, 5, item_id=ITEM, limit=2)
    assert next_cursors[0] != next_cursors[1] == next_cursors[2] == next_cursors[3]
    assert rows[4:6] == rows[6:8] == rows[8:10]


@pytest.mark.parametrize("path", [HISTORY, SALES])
def test_cursor_leads_back_to_the_first_page(sandbox: Sandbox, http_get: HttpGet, path: str) -> None:
    sandbox.fault("cursor_goes_round", after=1, times=None)
    rows, next_cursors = follow_cursors(http_get, sandbox, path, 5, item_id=ITEM, limit=2)
    assert rows[6:8] == rows[:2]
    assert next_cursors[2] not in next_cursors[:2]
    assert next_cursors[3] == next_cursors[2]
    assert http_get(sandbox, path, item_id=ITEM, limit=2, cursor=next_cursors[2]).json()["items"] == rows[:2]


def test_cursor_fault_affects_one_item_and_requests_with_a_cursor_only(
    sandbox: Sandbox, http_get: HttpGet
) -> None:
    sandbox.fault("cursor_repeats", match={"item_id": str(ITEM)}, times=None)
    start = (NOON - timedelta(hours=12)).isoformat()
    for item_id, complete in ((ITEM, False), (ITEM + 1, True)):
        _, next_cursors = follow_cursors(
            http_get, sandbox, HISTORY, 30, item_id=item_id, start=start, limit=10
        )
        assert (next_cursors[-1] is None) is complete
        assert len(next_cursors) > 3
    assert http_get(sandbox, "/v1/prices", item_id=ITEM).json()["pagination"]["has_next"] is False
    assert all(fault.seen for fault in sandbox.faults.active)


def test_cursor_fault_adds_a_next_page_to_the_last_one(sandbox: Sandbox, http_get: HttpGet) -> None:
    start = (NOON - timedelta(hours=3)).isoformat()
    page = http_get(sandbox, HISTORY, item_id=ITEM, start=start, limit=2).json()
    query = {"item_id": ITEM, "start": start, "cursor": page["pagination"]["next_cursor"]}
    assert http_get(sandbox, HISTORY, **query).json()["pagination"]["has_next"] is False
    sandbox.fault("cursor_goes_round")
    assert http_get(sandbox, HISTORY, **query).json()["pagination"]["has_next"] is True


@pytest.mark.parametrize(("path", "field"), [(HISTORY, "price"), (CANDLES, "t"), (SALES, "date")])
def test_row_of_a_series_is_broken(sandbox: Sandbox, http_get: HttpGet, path: str, field: str) -> None:
    sandbox.fault("broken_row", path=path, field=field, value="many", row=1)
    page = http_get(sandbox, path, item_id=ITEM).json()
    values = [row[field] for row in page.get("items") or page["data"]]
    assert values.count("many") == 1
    assert values[1] == "many"


@pytest.mark.parametrize("path", ["history", "sales"])
def test_control_returns_all_points_and_sales(sandbox: Sandbox, path: str) -> None:
    query: dict[str, Any] = {"item_id": [ITEM, ITEM + 1], "currency": "EUR"}
    if path == "history":
        query |= {"start": (NOON - timedelta(days=1)).isoformat(), "end": NOON.isoformat()}
        expected = sandbox.history([ITEM, ITEM + 1], start=NOON - timedelta(days=1), end=NOON, currency="EUR")
    else:
        query |= {"at": NOON.isoformat()}
        expected = sandbox.sales(NOON, item_ids=[ITEM, ITEM + 1], currency="EUR")
    values = patient.get(f"{sandbox.url}/_sandbox/{path}", params=query)
    rows = pl.read_ndjson(io.BytesIO(values.content), infer_schema_length=None)
    columns = ["provider", "item_id", "price"]
    assert expected.height > 20
    assert_frame_equal(rows.select(columns), expected.select(columns))
    assert rows.columns == expected.columns


def test_ledger_has_the_past_before_the_start() -> None:
    sandbox = small_sandbox()
    at = NOON - timedelta(days=20)
    assert sandbox.ledger(at, item_ids=[ITEM]).height == sandbox.ledger(item_ids=[ITEM]).height
    assert not sandbox.ledger(at).equals(sandbox.ledger())
