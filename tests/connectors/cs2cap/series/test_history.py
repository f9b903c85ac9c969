"""Price history: the points equal those of the sandbox, and each failure has its own error."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import errors
from common.clock import is_ahead
from common.shards import Item, SeriesShard
from connectors.base import ExtractResult
from connectors.cs2cap.contract import MAX_MINOR_UNITS
from connectors.cs2cap.series.history import parse
from connectors.cs2cap.series.parser import SeriesQuery
from connectors.schemas import POINTS, provider_keys_by_name
from sandbox.core import Sandbox
from tests.support.clocks import NOON
from tests.support.cs2cap_series import (
    PROVIDER_NAMES,
    REDLINE,
    Body,
    cursor_page,
    encode_json,
    extract_from_stub,
    extract_series,
    find_item,
)
from tests.support.sandboxes import MakeSandbox

DAY = timedelta(days=1)
SHARD = SeriesShard("USD", NOON - DAY, NOON, item=REDLINE)
QUERY = SeriesQuery("cs2cap", SHARD, PROVIDER_NAMES, now=NOON, is_ahead=lambda time: is_ahead(time, NOON))
PATH = "/v1/prices/history"
COLUMNS = ("item_id", "market_hash_name", "phase", "provider", "time", "price", "quantity")


@pytest.fixture
def quant(make_sandbox: MakeSandbox) -> Sandbox:
    """Return a sandbox whose tier has history."""
    return make_sandbox(tier="quant", items=100)


def expected_rows(sandbox: Sandbox, shard: SeriesShard) -> list[tuple[Any, ...]]:
    assert shard.item is not None
    points = sandbox.history(
        [int(shard.item.item_id or 0)], start=shard.start, end=shard.end, currency=shard.currency
    )
    expected = points if shard.provider is None else points.filter(pl.col("provider") == shard.provider)
    return sorted(expected.with_columns(pl.col("item_id").cast(pl.String)).select(*COLUMNS).rows(), key=str)


def comparable_points(rows: pl.DataFrame) -> list[tuple[Any, ...]]:
    assert rows.schema == POINTS
    assert (rows["price"] * 100 == rows["lowest_ask"].cast(pl.Decimal(20, 8))).all()
    return sorted(rows.with_columns(price="lowest_ask").select(*COLUMNS).rows(), key=str)


def point(**fields: Any) -> Body:
    default = {
        "item_id": 156,
        "market_hash_name": REDLINE.market_hash_name,
        "provider": "Steam Community Market",
        "time": "2026-06-01T11:00:00Z",
        "price": 2550,
        "currency": "USD",
        "quantity": 142,
    }
    return {**default, **fields}


@pytest.mark.parametrize(("currency", "provider"), [("USD", None), ("EUR", "csfloat")])
def test_points_equal_the_expected_rows(quant: Sandbox, currency: str, provider: str | None) -> None:
    item = find_item(quant.url, 6)
    shard = SeriesShard(currency, NOON - 14 * DAY, NOON, item=item, provider=provider)
    collector, result = extract_series("points", quant.url, shard, limit=None if provider is None else 20)
    rows = collector.rows
    assert comparable_points(rows) == expected_rows(quant, shard) != []
    assert result == ExtractResult(len(collector.pages), rows.height, 0)
    assert len(collector.pages) > 1
    assert [page.number for page in collector.pages] == list(range(len(collector.pages)))
    assert [page.cursor for page in collector.pages] == [
        None,
        *(page.next_cursor for page in collector.pages[:-1]),
    ]
    assert collector.pages[-1].next_cursor is None
    assert [page.oldest for page in collector.pages] == [page.rows["time"].min() for page in collector.pages]
    assert {page.observed_at for page in collector.pages} == {NOON}
    assert not any(page.unknown_fields or page.rejects for page in collector.pages)


def test_points_of_a_phase_have_its_own_id(quant: Sandbox) -> None:
    phased = find_item(quant.url, pl.col("phase").is_not_null())
    assert phased.phase
    shard = SeriesShard("USD", NOON - 5 * DAY, NOON, item=phased)
    collector, _ = extract_series("points", quant.url, shard)
    assert comparable_points(collector.rows) == expected_rows(quant, shard) != []


def test_adjacent_windows_have_each_point_once(quant: Sandbox) -> None:
    shard = SeriesShard("USD", NOON - 2 * DAY, NOON, item=find_item(quant.url, 6))
    cut = extract_series("points", quant.url, shard)[0].rows["time"][40]
    parts = [replace(shard, end=cut), replace(shard, start=cut)]
    rows = pl.concat([extract_series("points", quant.url, part)[0].rows for part in parts])
    assert comparable_points(rows) == expected_rows(quant, shard)


def test_extraction_resumes_from_any_of_its_cursors(quant: Sandbox) -> None:
    shard = SeriesShard("USD", NOON - 2 * DAY, NOON, item=find_item(quant.url, 6))
    complete, _ = extract_series("points", quant.url, shard, limit=60)
    assert len(complete.pages) > 3
    for count, page in enumerate(complete.pages[:-1], 1):
        before = len(quant.requests)
        rest, _ = extract_series(
            "points", quant.url, shard, limit=60, cursor=page.next_cursor, number=page.number + 1
        )
        assert [each.number for each in rest.pages] == list(range(count, len(complete.pages)))
        rows = pl.concat([*(each.rows for each in complete.pages[:count]), rest.rows])
        assert rows.equals(complete.rows)
        assert len(quant.requests) - before == len(rest.pages) + 1, "one request more for the providers"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("cursor_expired", "was refused: cursor has expired"),
        ("cursor_repeats", "which was requested before"),
        ("cursor_goes_round", "had reached"),
    ],
)
def test_unusable_cursor_is_a_pagination_error(quant: Sandbox, kind: str, message: str) -> None:
    shard = SeriesShard("USD", NOON - 2 * DAY, NOON, item=find_item(quant.url, 6))
    complete, _ = extract_series("points", quant.url, shard, limit=50)
    quant.fault(kind, path=PATH, after=1, times=None)
    collector, error = extract_series("points", quant.url, shard, limit=50)
    assert isinstance(error, errors.PaginationError)
    assert message in error.detail
    assert (error.detail.count("cursor ") - ("cursor has" in message)) == 2, "the detail names both cursors"
    assert error.detail.startswith("cursor ")
    assert 2 <= len(collector.pages) <= 3
    assert collector.rows.equals(complete.rows.head(collector.rows.height)), "no row is landed twice"


@pytest.mark.parametrize("status", ["400 Bad Request", "410 Gone", "422 Unprocessable Entity"])
def test_rejected_request_is_a_pagination_error_only_with_a_cursor(status: str) -> None:
    rejection = (status, {"code": "BAD_REQUEST", "detail": "no \x1b[31mgood"})

    def reject_second(query: dict[str, str]) -> Any:
        return rejection if "cursor" in query else cursor_page([point()], "a%3D+&/\u00e9")

    with pytest.raises(errors.PaginationError) as broken:
        extract_from_stub("points", reject_second, SHARD)
    assert broken.value.detail == (
        "cursor a%3D+&/\u00e9, to which the first page led, was refused: no \\x1b[31mgood"
    )
    with pytest.raises(errors.RequestRejected, match=r"no .*good"):
        extract_from_stub("points", lambda _: rejection, SHARD)


def test_cursor_is_sent_back_unchanged() -> None:
    cursor = "a%3D+&/\u00e9 b"
    _, _, queries = extract_from_stub(
        "points", lambda query: cursor_page([point()], None if "cursor" in query else cursor), SHARD
    )
    assert [query.get("cursor") for query in queries] == [None, cursor]
    assert queries[0] | {"cursor": cursor} == queries[1]
    assert queries[0] == {
        "item_id": "156",
        "start": "2026-05-31T12:00:00Z",
        "end": "2026-06-01T12:00:00Z",
        "currency": "USD",
        "limit": "1000",
    }


def test_item_without_an_id_is_requested_by_name_and_phase() -> None:
    shard = replace(SHARD, item=Item(None, "Karambit", "Ruby"), provider="steam")
    row = point(market_hash_name="Karambit", phase="Ruby", provider="steam")
    collector, _, queries = extract_from_stub("points", lambda _: cursor_page([row]), shard)
    assert {name: queries[0].get(name) for name in ("market_hash_name", "phase", "provider", "item_id")} == {
        "market_hash_name": "Karambit",
        "phase": "Ruby",
        "provider": "steam",
        "item_id": None,
    }
    assert collector.rows["phase"].to_list() == ["Ruby"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (point(provider="Bazaar\n"), "unknown provider Bazaar"),
        (point(currency="EUR"), "requested prices in USD, received EUR"),
        (point(price=25.5), "Expected `int`, got `float` - at `$.price`"),
        (point(price=-1), "Expected `int` >= 0 - at `$.price`"),
        (point(price=MAX_MINOR_UNITS + 1), f"Expected `int` <= {MAX_MINOR_UNITS} - at `$.price`"),
        (point(time="2026-06-01T11:00:00"), "Expected `datetime` with a timezone component"),
        (point(time="0001-01-01T00:00:00+14:00"), "the time is outside the calendar in UTC"),
        (point(time="2027-06-01T14:00:00+02:00"), "its time, 2027-06-01 12:00 UTC, lies ahead"),
        (point(quantity=None), "Expected `int`, got `null` - at `$.quantity`"),
        (point(market_hash_name=""), "Expected `str` of length >= 1 - at `$.market_hash_name`"),
        ({"price": 1}, "Object missing required field `item_id`"),
        (7, "Expected `object`, got `int`"),
        (point(phase=["deep"]), "Expected `str | null`, got `array`"),
    ],
)
def test_row_that_does_not_fit_is_rejected_with_its_text(row: Any, reason: str) -> None:
    collector, result, _ = extract_from_stub(
        "points", lambda _: cursor_page([point(quantity=1), row, point(quantity=2)]), SHARD
    )
    (reject,) = collector.pages[0].rejects
    assert reject.reason.startswith(reason)
    assert reject.raw == encode_json(row).decode()
    assert collector.rows["quantity"].to_list() == [1, 2]
    assert result.rows == 2


def test_deeply_nested_response_is_unexpected() -> None:
    deep = "[" * 50_000 + "]" * 50_000
    body = encode_json(cursor_page([point()])).replace(b'"quantity"', f'"deep":{deep},"quantity"'.encode())
    with pytest.raises(errors.UnexpectedResponse, match=PATH):
        parse(body, QUERY)


def test_unknown_fields_are_counted() -> None:
    rows = [point(), point(volume=1), point(volume=1, **{"\x07": 2})]
    collector, _, _ = extract_from_stub("points", lambda _: cursor_page(rows), SHARD)
    assert collector.pages[0].unknown_fields == {"volume": 2, r"\x07": 1}
    assert collector.rows.height == 3


@pytest.mark.parametrize(
    ("response", "shard", "message"),
    [
        (cursor_page([point()], currency="EUR"), SHARD, "requested prices in USD, received EUR"),
        (
            cursor_page(
                [
                    point(),
                    point(market_hash_name="M4A4", item_id=9),
                    *[point(item_id=9, market_hash_name="M4A4")] * 2,
                ]
            ),
            SHARD,
            "3 of 4 rows answer another request; item not requested: M4A4",
        ),
        (
            cursor_page([point(provider="Skinport")] * 2),
            replace(SHARD, provider="steam"),
            "not requested: skinport",
        ),
        ({"meta": {}, "items": [], "pagination": {}}, SHARD, f"{PATH}: Object missing required field `curr"),
        (cursor_page([point()], "x" * 4097), SHARD, f"{PATH}: Expected `str` of length <= 4096"),
    ],
)
def test_response_to_another_request_is_unexpected(response: Body, shard: SeriesShard, message: str) -> None:
    with pytest.raises(errors.UnexpectedResponse, match=message):
        extract_from_stub("points", lambda _: response, shard)


def test_points_outside_of_the_window_are_dropped() -> None:
    """One of the two descriptions of `end` in the API's documentation includes it."""
    times = [
        "2026-06-01T12:00:00Z",
        "2026-06-01T14:59:59.5+03:00",
        "2026-05-31T12:00:00Z",
        "2026-05-31T11:55:00Z",
    ]
    collector, result, queries = extract_from_stub(
        "points", lambda _: cursor_page([point(time=time) for time in times], "more"), SHARD
    )
    assert collector.rows["time"].to_list() == [NOON - timedelta(seconds=0.5), NOON - DAY]
    assert (result.rows, len(queries)) == (2, 1), "later pages are older than the window"
    assert collector.pages[0].next_cursor is None
    assert collector.pages[0].oldest == NOON - DAY


def test_retention_error_with_a_cursor_is_a_rejected_request() -> None:
    def reject_second(query: dict[str, str]) -> Any:
        rejection = ("400 Bad Request", {"detail": "start must be within the last 14 days"})
        return rejection if "cursor" in query else cursor_page([point()], "c")

    with pytest.raises(errors.RequestRejected, match="within the last 14 days"):
        extract_from_stub("points", reject_second, replace(SHARD, start=NOON - 30 * DAY))


@pytest.mark.parametrize("kind", ["drop", "rate_limited"])
def test_transient_failures_change_nothing(quant: Sandbox, kind: str) -> None:
    shard = SeriesShard("USD", NOON - DAY, NOON, item=find_item(quant.url, 6))
    quant.fault(kind, path=PATH, times=2, after=1)
    collector, result = extract_series("points", quant.url, shard, limit=60)
    assert comparable_points(collector.rows) == expected_rows(quant, shard)
    assert isinstance(result, ExtractResult)


def test_tier_without_history_is_plan_forbids(make_sandbox: MakeSandbox) -> None:
    collector, error = extract_series("points", make_sandbox(tier="starter").url, SHARD)
    assert isinstance(error, errors.PlanForbids)
    assert collector.pages == []


@given(st.lists(st.integers(0, MAX_MINOR_UNITS), max_size=20))
def test_prices_are_exact(amounts: list[int]) -> None:
    rows = parse(encode_json(cursor_page([point(price=amount) for amount in amounts])), QUERY).rows
    assert rows["lowest_ask"].to_list() == amounts
    assert rows["price"].to_list() == [Decimal(amount) / 100 for amount in amounts]


def test_provider_key_takes_precedence_over_a_display_name() -> None:
    providers = pl.DataFrame({"provider": ["a", "b"], "name": ["b", "B"]})
    assert provider_keys_by_name(providers) == {"a": "a", "b": "b", "B": "b"}
