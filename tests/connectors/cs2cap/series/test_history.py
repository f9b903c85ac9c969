"""Raw history: the points of a walk equal the sandbox's own, and whatever goes wrong is named."""

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
from common.shards import Item, SeriesShard
from connectors.base import ExtractResult
from connectors.cs2cap.contract import MAX_MINOR_UNITS
from connectors.cs2cap.series.history import parse
from connectors.cs2cap.series.parser import SeriesQuery
from connectors.schemas import POINTS, provider_keys_by_name
from sandbox.core import Sandbox
from tests.support.clocks import NOON
from tests.support.cs2cap_series import NAMES, REDLINE, Body, body_of, item_of, paged, told, walk
from tests.support.sandboxes import MakeSandbox

DAY = timedelta(days=1)
ASK = SeriesShard("USD", NOON - DAY, NOON, REDLINE)
QUERY = SeriesQuery("cs2cap", ASK, NAMES, now=NOON)
PATH = "/v1/prices/history"


@pytest.fixture
def quant(make_sandbox: MakeSandbox) -> Sandbox:
    """Return a sandbox whose tier has history."""
    return make_sandbox(tier="quant", items=100)


def ledger(sandbox: Sandbox, ask: SeriesShard) -> list[tuple[Any, ...]]:
    assert ask.item is not None
    points = sandbox.history(
        [int(ask.item.item_id or 0)], start=ask.start, end=ask.end, currency=ask.currency
    )
    mine = points if ask.provider is None else points.filter(pl.col("provider") == ask.provider)
    return sorted(mine.with_columns(pl.col("item_id").cast(pl.String)).select(*NAMED).rows(), key=str)


NAMED = ("item_id", "market_hash_name", "phase", "provider", "time", "price", "quantity")


def landed(rows: pl.DataFrame) -> list[tuple[Any, ...]]:
    assert rows.schema == POINTS
    assert (rows["price"] * 100 == rows["lowest_ask"].cast(pl.Decimal(20, 8))).all()
    return sorted(rows.with_columns(price="lowest_ask").select(*NAMED).rows(), key=str)


def point(**more: Any) -> Body:
    usual = {
        "item_id": 156,
        "market_hash_name": REDLINE.market_hash_name,
        "provider": "Steam Community Market",
        "time": "2026-06-01T11:00:00Z",
        "price": 2550,
        "currency": "USD",
        "quantity": 142,
    }
    return {**usual, **more}


@pytest.mark.parametrize(("currency", "provider"), [("USD", None), ("EUR", "csfloat")])
def test_points_equal_the_ledger(quant: Sandbox, currency: str, provider: str | None) -> None:
    item = item_of(quant.url, 6)
    ask = SeriesShard(currency, NOON - 14 * DAY, NOON, item, provider)
    pages, outcome = walk("points", quant.url, ask, limit=None if provider is None else 20)
    rows = pages.rows()
    assert landed(rows) == ledger(quant, ask) != []
    assert outcome == ExtractResult(len(pages.all), rows.height, 0)
    assert len(pages.all) > 1
    assert [page.number for page in pages.all] == list(range(len(pages.all)))
    assert [page.cursor for page in pages.all] == [None, *(page.next_cursor for page in pages.all[:-1])]
    assert pages.all[-1].next_cursor is None
    assert [page.oldest for page in pages.all] == [page.rows["time"].min() for page in pages.all]
    assert {page.observed_at for page in pages.all} == {NOON}
    assert not any(page.unknown_fields or page.rejects for page in pages.all)


def test_phases_keep_their_own_ids(quant: Sandbox) -> None:
    phased = item_of(quant.url, pl.col("phase").is_not_null())
    assert phased.phase
    ask = SeriesShard("USD", NOON - 5 * DAY, NOON, phased)
    pages, _ = walk("points", quant.url, ask)
    assert landed(pages.rows()) == ledger(quant, ask) != []


def test_windows_side_by_side_bring_each_point_once(quant: Sandbox) -> None:
    ask = SeriesShard("USD", NOON - 2 * DAY, NOON, item_of(quant.url, 6))
    cut = walk("points", quant.url, ask)[0].rows()["time"][40]
    parts = [replace(ask, end=cut), replace(ask, start=cut)]
    rows = pl.concat([walk("points", quant.url, part)[0].rows() for part in parts])
    assert landed(rows) == ledger(quant, ask)


def test_a_walk_goes_on_from_any_of_its_cursors(quant: Sandbox) -> None:
    ask = SeriesShard("USD", NOON - 2 * DAY, NOON, item_of(quant.url, 6))
    whole, _ = walk("points", quant.url, ask, limit=60)
    assert len(whole.all) > 3
    for kept, page in enumerate(whole.all[:-1], 1):
        asked = len(quant.requests)
        rest, _ = walk("points", quant.url, ask, limit=60, cursor=page.next_cursor, number=page.number + 1)
        assert [each.number for each in rest.all] == list(range(kept, len(whole.all)))
        rows = pl.concat([*(each.rows for each in whole.all[:kept]), rest.rows()])
        assert rows.equals(whole.rows())
        assert len(quant.requests) - asked == len(rest.all) + 1, "and one for the providers"


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("cursor_expired", "was refused: cursor has expired"),
        ("cursor_repeats", "which was requested before"),
        ("cursor_goes_round", "had reached"),
    ],
)
def test_a_cursor_that_leads_nowhere_breaks_the_walk(quant: Sandbox, kind: str, told: str) -> None:
    ask = SeriesShard("USD", NOON - 2 * DAY, NOON, item_of(quant.url, 6))
    whole, _ = walk("points", quant.url, ask, limit=50)
    quant.fault(kind, path=PATH, after=1, times=None)
    pages, error = walk("points", quant.url, ask, limit=50)
    assert isinstance(error, errors.PaginationError)
    assert told in error.detail
    assert (error.detail.count("cursor ") - ("cursor has" in told)) == 2, "both are named"
    assert error.detail.startswith("cursor ")
    assert 2 <= len(pages.all) <= 3
    assert pages.rows().equals(whole.rows().head(pages.rows().height)), "nothing came twice"


@pytest.mark.parametrize("status", ["400 Bad Request", "410 Gone", "422 Unprocessable Entity"])
def test_what_a_refusal_means_depends_on_the_cursor(status: str) -> None:
    refusal = (status, {"code": "BAD_REQUEST", "detail": "no \x1b[31mgood"})

    def second(query: dict[str, str]) -> Any:
        return refusal if "cursor" in query else paged([point()], "a%3D+&/\u00e9")

    with pytest.raises(errors.PaginationError) as broken:
        told("points", second, ASK)
    assert broken.value.detail == (
        "cursor a%3D+&/\u00e9, to which the first page led, was refused: no [31mgood"
    )
    with pytest.raises(errors.RequestRejected, match=r"no .*good"):
        told("points", lambda _: refusal, ASK)


def test_a_cursor_comes_back_as_it_was_told() -> None:
    cursor = "a%3D+&/\u00e9 b"
    _, _, asked = told("points", lambda query: paged([point()], None if "cursor" in query else cursor), ASK)
    assert [query.get("cursor") for query in asked] == [None, cursor]
    assert asked[0] | {"cursor": cursor} == asked[1]
    assert asked[0] == {
        "item_id": "156",
        "start": "2026-05-31T12:00:00Z",
        "end": "2026-06-01T12:00:00Z",
        "currency": "USD",
        "limit": "1000",
    }


def test_an_item_without_an_id_goes_by_name_and_phase() -> None:
    ask = replace(ASK, item=Item(None, "Karambit", "Ruby"), provider="steam")
    row = point(market_hash_name="Karambit", phase="Ruby", provider="steam")
    pages, _, asked = told("points", lambda _: paged([row]), ask)
    assert {name: asked[0].get(name) for name in ("market_hash_name", "phase", "provider", "item_id")} == {
        "market_hash_name": "Karambit",
        "phase": "Ruby",
        "provider": "steam",
        "item_id": None,
    }
    assert pages.rows()["phase"].to_list() == ["Ruby"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (point(provider="Bazaar\n"), "unknown provider Bazaar"),
        (point(currency="EUR"), "asked for USD, got EUR"),
        (point(price=25.5), "Expected `int`, got `float` - at `$.price`"),
        (point(price=-1), "Expected `int` >= 0 - at `$.price`"),
        (point(price=MAX_MINOR_UNITS + 1), f"Expected `int` <= {MAX_MINOR_UNITS} - at `$.price`"),
        (point(time="2026-06-01T11:00:00"), "Expected `datetime` with a timezone component"),
        (point(time="0001-01-01T00:00:00+14:00"), "the time is outside the calendar in UTC"),
        (point(quantity=None), "Expected `int`, got `null` - at `$.quantity`"),
        (point(market_hash_name=""), "Expected `str` of length >= 1 - at `$.market_hash_name`"),
        ({"price": 1}, "Object missing required field `item_id`"),
        (7, "Expected `object`, got `int`"),
        (point(phase=["deep"]), "Expected `str | null`, got `array`"),
    ],
)
def test_a_row_that_does_not_fit_is_put_aside_with_its_text(row: Any, reason: str) -> None:
    pages, outcome, _ = told("points", lambda _: paged([point(quantity=1), row, point(quantity=2)]), ASK)
    (reject,) = pages.all[0].rejects
    assert reject.reason.startswith(reason)
    assert reject.raw == body_of(row).decode()
    assert pages.rows()["quantity"].to_list() == [1, 2]
    assert outcome.rows == 2


def test_what_nests_without_end_is_put_aside_as_well() -> None:
    deep = "[" * 50_000 + "]" * 50_000
    body = body_of(paged([point()])).replace(b'"quantity"', f'"deep":{deep},"quantity"'.encode())
    with pytest.raises(errors.UnexpectedResponse, match=PATH):
        parse(body, QUERY)


def test_fields_that_nobody_knows_are_counted() -> None:
    rows = [point(), point(volume=1), point(volume=1, **{"\x07": 2})]
    pages, _, _ = told("points", lambda _: paged(rows), ASK)
    assert pages.all[0].unknown_fields == {"volume": 2, "": 1}
    assert pages.rows().height == 3


@pytest.mark.parametrize(
    ("answer", "ask", "reason"),
    [
        (paged([point()], currency="EUR"), ASK, "asked for USD, got EUR"),
        (paged([point(market_hash_name="M4A4", item_id=9)]), ASK, "asked for AK-47 .*, got other items"),
        (paged([point(provider="Skinport")]), replace(ASK, provider="steam"), "not asked for skinport"),
        ({"meta": {}, "items": [], "pagination": {}}, ASK, f"{PATH}: Object missing required field `curr"),
        (paged([point()], "x" * 4097), ASK, f"{PATH}: Expected `str` of length <= 4096"),
    ],
)
def test_an_answer_to_another_question_is_refused(answer: Body, ask: SeriesShard, reason: str) -> None:
    with pytest.raises(errors.UnexpectedResponse, match=reason):
        told("points", lambda _: answer, ask)


def test_what_lies_outside_of_the_window_is_left_out() -> None:
    """One of the API's two descriptions of `end` includes it."""
    times = [
        "2026-06-01T12:00:00Z",
        "2026-06-01T14:59:59.5+03:00",
        "2026-05-31T12:00:00Z",
        "2026-05-31T11:55:00Z",
    ]
    pages, outcome, asked = told("points", lambda _: paged([point(time=time) for time in times], "more"), ASK)
    assert pages.rows()["time"].to_list() == [NOON - timedelta(seconds=0.5), NOON - DAY]
    assert (outcome.rows, len(asked)) == (2, 1), "all that would follow is older still"
    assert pages.all[0].next_cursor is None
    assert pages.all[0].oldest == NOON - DAY


def test_a_retention_that_ends_a_walk_is_not_the_cursors_fault() -> None:
    def shorter(query: dict[str, str]) -> Any:
        """Keep a window until it has slid by."""
        refusal = ("400 Bad Request", {"detail": "start must be within the last 14 days"})
        return refusal if "cursor" in query else paged([point()], "c")

    with pytest.raises(errors.RequestRejected, match="within the last 14 days"):
        told("points", shorter, replace(ASK, start=NOON - 30 * DAY))


@pytest.mark.parametrize("kind", ["drop", "rate_limited"])
def test_what_passes_leaves_no_trace(quant: Sandbox, kind: str) -> None:
    ask = SeriesShard("USD", NOON - DAY, NOON, item_of(quant.url, 6))
    quant.fault(kind, path=PATH, times=2, after=1)
    pages, outcome = walk("points", quant.url, ask, limit=60)
    assert landed(pages.rows()) == ledger(quant, ask)
    assert isinstance(outcome, ExtractResult)


def test_a_tier_without_history_is_told_so(make_sandbox: MakeSandbox) -> None:
    pages, error = walk("points", make_sandbox(tier="starter").url, ASK)
    assert isinstance(error, errors.PlanForbids)
    assert pages.all == []


@given(st.lists(st.integers(0, MAX_MINOR_UNITS), max_size=20))
def test_money_is_exact(amounts: list[int]) -> None:
    rows = parse(body_of(paged([point(price=amount) for amount in amounts])), QUERY).rows
    assert rows["lowest_ask"].to_list() == amounts
    assert rows["price"].to_list() == [Decimal(amount) / 100 for amount in amounts]


def test_a_key_stands_before_a_display_name() -> None:
    providers = pl.DataFrame({"provider": ["a", "b"], "name": ["b", "B"]})
    assert provider_keys_by_name(providers) == {"a": "a", "b": "b", "B": "b"}
