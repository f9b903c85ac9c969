"""Sales: at the asks of their time, known up to a day later, some of them reported twice."""

from collections import Counter
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from sandbox.market.money import RATES, convert
from sandbox.market.providers import KEYS, SELLERS
from tests.support.clocks import NOON
from tests.support.sandbox_series import (
    DOPPLER,
    ITEM,
    SALES,
    Row,
    asks_at,
    get_json,
    parse_time,
    read_pages,
    read_rows,
    small_sandbox,
)

DAY = timedelta(days=1)
SECONDS_BETWEEN_CHANGES = 100_000.0  # seconds between changes of the past, which is quicker
NAMES = ("provider", "item_id", "market_hash_name", "phase", "date", "price", "float", "paint_seed")


def as_sales(rows: list[Row]) -> list[tuple[Any, ...]]:
    """Return rows of sales in the columns of the ground truth."""
    return [
        tuple(parse_time(row[name]) if name == "date" else row.get(name) for name in NAMES) for row in rows
    ]


def sandbox_with_sales(**options: Any) -> Sandbox:
    return small_sandbox(**{"history_every": SECONDS_BETWEEN_CHANGES, **options})


def test_pages_equal_the_ground_truth_newest_first() -> None:
    sandbox = sandbox_with_sales()
    rows = read_rows(sandbox, SALES)
    assert as_sales(rows) == sandbox.sales().drop("told_at").rows()
    dates = [row["date"] for row in rows]
    assert dates == sorted(dates, reverse=True)
    assert len(rows) > 300
    assert NOON - 30 * DAY <= parse_time(dates[-1]) < NOON - 29 * DAY
    assert {row["provider"] for row in rows} == {KEYS[position] for position in SELLERS}


@given(seconds=st.lists(st.integers(1, 100_000), min_size=1, max_size=3), moving=st.sampled_from([0.0, 0.3]))
@settings(max_examples=15)
def test_sale_has_the_price_of_the_ask_at_its_time(seconds: list[int], moving: float) -> None:
    sandbox = sandbox_with_sales(refresh=300, moving=moving)
    for step in seconds:
        sandbox.advance(step)
    for row in get_json(sandbox, SALES, limit=20)[1]["items"]:
        asks = asks_at(sandbox, row["item_id"], parse_time(row["date"]))
        assert asks[row["provider"]][0] == row["price"]


def test_sale_is_known_within_a_day_and_afterwards() -> None:
    sandbox = sandbox_with_sales()
    before = sandbox.sales()
    delays = (before["told_at"] - before["time"]).dt.total_seconds()
    assert 0 < delays.min() < 3600  # type: ignore[operator]
    assert 82_800 < delays.max() <= 86_400  # type: ignore[operator]
    assert before["told_at"].max() <= NOON  # type: ignore[operator]
    sandbox.advance(6 * 3600)
    after = sandbox.sales()
    new = after.filter(pl.col("told_at") > NOON)
    late = new.filter(pl.col("time") < before["time"].max())
    assert 0 < late.height < new.height
    assert sandbox.sales(NOON).rows() == before.rows()[: sandbox.sales(NOON).height]
    retained = before.filter(pl.col("time") >= NOON - 29 * DAY)
    assert set(retained.rows()) <= set(after.rows())


def test_some_sales_are_reported_twice_with_the_same_fields() -> None:
    rows = read_rows(sandbox_with_sales(), SALES)
    counts = Counter(str(row) for row in rows)
    assert set(counts.values()) == {1, 2}
    assert 0.03 < sum(count == 2 for count in counts.values()) / len(counts) < 0.15


def test_unlisted_item_is_not_sold() -> None:
    sandbox = sandbox_with_sales()
    sandbox.set_provider_dark("youpin")
    sandbox.advance(3 * 86_400)
    newest = sandbox.sales().filter(pl.col("provider") == "youpin")["time"].max()
    assert newest <= NOON  # type: ignore[operator]
    assert sandbox.sales()["time"].max() > NOON + DAY  # type: ignore[operator]


def test_sales_of_one_item_are_part_of_all_sales() -> None:
    sandbox = sandbox_with_sales()
    rows = read_rows(sandbox, SALES)
    assert read_rows(sandbox, SALES, item_id=ITEM, limit=7) == [row for row in rows if row["item_id"] == ITEM]
    name = sandbox.market.board.catalog.by_id[ITEM].name
    assert read_rows(sandbox, SALES, item_id=ITEM) == read_rows(sandbox, SALES, market_hash_name=name)
    assert sandbox.sales(item_ids=[ITEM]).rows() == sandbox.sales().filter(pl.col("item_id") == ITEM).rows()


def test_aggregate_has_the_sales_of_its_phases() -> None:
    sandbox = sandbox_with_sales(items=40)
    aggregate = sandbox.market.board.catalog.by_name[DOPPLER][0]
    rows = read_rows(sandbox, SALES, market_hash_name=DOPPLER)
    assert rows == [row for row in read_rows(sandbox, SALES) if row["market_hash_name"] == DOPPLER]
    assert rows == read_rows(sandbox, SALES, item_id=aggregate.item_id, phase="Ruby")
    assert len({row["phase"] for row in rows}) > 3
    ruby = [row for row in rows if row["phase"] == "Ruby"]
    assert read_rows(sandbox, SALES, market_hash_name=DOPPLER, phase="Ruby") == ruby
    assert ruby
    all_rubies = read_rows(sandbox, SALES, phase="Ruby")
    assert {row["phase"] for row in all_rubies} == {"Ruby"}
    assert len(all_rubies) > len(ruby)


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ({"min_float": 0.2}, lambda row: row["float"] is not None and row["float"] >= 0.2),
        ({"max_float": 0.1}, lambda row: row["float"] is not None and row["float"] <= 0.1),
        ({"paint_seed": 500}, lambda row: row["paint_seed"] == 500),
        ({"providers": ["c5", "dmarket"]}, lambda row: row["provider"] in {"c5", "dmarket"}),
        (
            {"stickers": ["Sticker | Crown 0 (Foil)", "Sticker | Crown 1 (Foil)"]},
            lambda row: len(row["stickers"] or []) > 1,
        ),
        ({"charms": "Charm | Lil' Squirt"}, lambda row: row["charms"]),
    ],
    ids=lambda reported: None if callable(reported) else str(reported),
)
def test_filters_narrow_the_feed(query: dict[str, Any], matches: Any) -> None:
    sandbox = sandbox_with_sales()
    rows = read_rows(sandbox, SALES)
    narrowed = read_rows(sandbox, SALES, **query)
    assert narrowed == [row for row in rows if matches(row)]
    assert len(narrowed) < len(rows)


def test_traits_are_null_where_they_are_unknown() -> None:
    rows = read_rows(sandbox_with_sales(), SALES)
    field_tested = [row for row in rows if "(Field-Tested)" in row["market_hash_name"]]
    assert all(0.15 <= row["float"] <= 0.38 and 0 <= row["paint_seed"] <= 1000 for row in field_tested)
    cases = [row for row in rows if row["market_hash_name"].endswith(" Case")]
    assert cases
    assert all(row[name] is None for row in cases for name in ("float", "paint_seed", "stickers", "inspect"))
    assert any(row["inspect"] for row in rows)


@pytest.mark.parametrize(("tier", "max_rows"), [("pro", 100), ("quant", 1000)])
def test_plan_limits_the_page(tier: str, max_rows: int) -> None:
    sandbox = sandbox_with_sales(tier=tier)
    page = next(read_pages(sandbox, SALES))
    assert page["meta"]["result_count"] == min(max_rows, sandbox.sales().height)
    assert (
        page["pagination"].items() >= {"limit": max_rows, "offset": 0, "total": -1, "has_prev": False}.items()
    )
    status, body = get_json(sandbox, SALES, limit=max_rows + 1)
    assert (status, body["detail"][0]["loc"]) == (422, ["query", "limit"])


def test_prices_are_converted_like_quotes() -> None:
    sandbox = sandbox_with_sales()
    dollars, crowns = (read_rows(sandbox, SALES, item_id=ITEM, currency=code) for code in ("USD", "SEK"))
    assert {row["currency"] for row in crowns} == {"SEK"}
    assert [row["price"] for row in crowns] == [convert(row["price"], RATES["SEK"]).minor for row in dollars]


def test_page_repeats_the_query() -> None:
    asks = {"item_id": ITEM, "providers": ["youpin"], "min_float": 0.1, "limit": 5}
    meta = get_json(sandbox_with_sales(), SALES, **asks)[1]["meta"]
    assert meta["filters"] == {
        "item_id": ITEM,
        "requested_providers": ["youpin"],
        "min_float": 0.1,
        "limit": 5,
    }
    assert meta["providers_queried"] == ["youpin"]


@pytest.mark.parametrize(
    ("query", "status", "reported"),
    [
        ({"providers": ["avanmarket"]}, 400, "Providers do not support Recent Sales: avanmarket"),
        ({"cursor": "nonsense"}, 400, "invalid cursor format"),
        ({"providers": ["c5", "nobody"]}, 422, ["query", "providers", 1]),
        ({"min_float": 2}, 422, ["query", "min_float"]),
        ({"max_float": "low"}, 422, ["query", "max_float"]),
        ({"paint_seed": 1001}, 422, ["query", "paint_seed"]),
        ({"currency": "ZZZ"}, 422, ["query", "currency"]),
    ],
    ids=str,
)
def test_wrong_query_is_refused(query: dict[str, Any], status: int, reported: Any) -> None:
    status_code, body = get_json(sandbox_with_sales(), SALES, **query)
    assert status_code == status
    assert body["code"] == ("BAD_REQUEST" if status == 400 else "VALIDATION_ERROR")
    assert (body["detail"] if status == 400 else body["detail"][0]["loc"]) == reported


def test_unknown_item_is_a_404_without_a_code() -> None:
    refused = get_json(sandbox_with_sales(), SALES, market_hash_name="AK-47 | Nothing")
    assert refused == (404, {"detail": "Item not found: AK-47 | Nothing"})


@pytest.mark.parametrize("tier", ["free", "starter"])
def test_smaller_plans_have_no_sales(tier: str) -> None:
    sandbox = sandbox_with_sales(tier=tier)
    detail = "Access to /v1/sales is not enabled for this tier."
    assert get_json(sandbox, SALES) == (403, {"code": "FORBIDDEN", "detail": detail})
    sandbox.key(VALID_KEY, tier="pro")
    assert get_json(sandbox, SALES)[0] == 200
