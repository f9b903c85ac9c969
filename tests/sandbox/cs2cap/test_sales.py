"""Sales of the sandbox: at what was asked then, known up to a day later, some of them told twice."""

from collections import Counter
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from sandbox.cs2cap.series.sales import SELLERS
from sandbox.market.money import RATES, convert
from sandbox.market.providers import KEYS
from tests.support.clocks import NOON
from tests.support.sandbox_series import DOPPLER, ITEM, SALES, Row, ask, ledger, moment, pages, small, walk

DAY = timedelta(days=1)
RARELY = 100_000.0  # seconds between changes of the past, which is quicker
NAMES = ("provider", "item_id", "market_hash_name", "phase", "date", "price", "float", "paint_seed")


def as_sales(rows: list[Row]) -> list[tuple[Any, ...]]:
    """Return rows as the sandbox's truth has them."""
    return [tuple(moment(row[name]) if name == "date" else row.get(name) for name in NAMES) for row in rows]


def market(**options: Any) -> Sandbox:
    return small(**{"history_every": RARELY, **options})


def test_a_walk_is_the_truth_newest_first() -> None:
    box = market()
    rows = walk(box, SALES)
    assert as_sales(rows) == box.sales().drop("told_at").rows()
    dates = [row["date"] for row in rows]
    assert dates == sorted(dates, reverse=True)
    assert len(rows) > 300
    assert NOON - 30 * DAY <= moment(dates[-1]) < NOON - 29 * DAY
    assert {row["provider"] for row in rows} == {KEYS[position] for position in SELLERS}


@given(seconds=st.lists(st.integers(1, 100_000), min_size=1, max_size=3), share=st.sampled_from([0.0, 0.3]))
@settings(max_examples=15)
def test_a_sale_is_made_at_what_was_asked_then(seconds: list[int], share: float) -> None:
    box = market(refresh=300, moving=share)
    for step in seconds:
        box.advance(step)
    for row in ask(box, SALES, limit=20)[1]["items"]:
        asked = ledger(box, row["item_id"], moment(row["date"]))
        assert asked[row["provider"]][0] == row["price"]


def test_a_sale_is_known_within_a_day_and_from_then_on() -> None:
    box = market()
    before = box.sales()
    lags = (before["told_at"] - before["time"]).dt.total_seconds()
    assert 0 < lags.min() < 3600  # type: ignore[operator]
    assert 82_800 < lags.max() <= 86_400  # type: ignore[operator]
    assert before["told_at"].max() <= NOON  # type: ignore[operator]
    box.advance(6 * 3600)
    after = box.sales()
    new = after.filter(pl.col("told_at") > NOON)
    late = new.filter(pl.col("time") < before["time"].max())
    assert 0 < late.height < new.height
    assert box.sales(NOON).rows() == before.rows()[: box.sales(NOON).height]
    kept = before.filter(pl.col("time") >= NOON - 29 * DAY)
    assert set(kept.rows()) <= set(after.rows())


def test_some_sales_are_told_twice_with_the_same_fields() -> None:
    rows = walk(market(), SALES)
    seen = Counter(str(row) for row in rows)
    assert set(seen.values()) == {1, 2}
    assert 0.03 < sum(count == 2 for count in seen.values()) / len(seen) < 0.15


def test_what_was_not_listed_is_not_sold() -> None:
    box = market()
    box.set_provider_dark("youpin")
    box.advance(3 * 86_400)
    newest = box.sales().filter(pl.col("provider") == "youpin")["time"].max()
    assert newest <= NOON  # type: ignore[operator]
    assert box.sales()["time"].max() > NOON + DAY  # type: ignore[operator]


def test_sales_of_one_item_are_those_of_all() -> None:
    box = market()
    rows = walk(box, SALES)
    assert walk(box, SALES, item_id=ITEM, limit=7) == [row for row in rows if row["item_id"] == ITEM]
    name = box.market.board.catalog.by_id[ITEM].name
    assert walk(box, SALES, item_id=ITEM) == walk(box, SALES, market_hash_name=name)
    assert box.sales(item_ids=[ITEM]).rows() == box.sales().filter(pl.col("item_id") == ITEM).rows()


def test_a_phaseless_name_has_the_sales_of_its_phases() -> None:
    box = market(items=40)
    whole = box.market.board.catalog.by_name[DOPPLER][0]
    rows = walk(box, SALES, market_hash_name=DOPPLER)
    assert rows == [row for row in walk(box, SALES) if row["market_hash_name"] == DOPPLER]
    assert rows == walk(box, SALES, item_id=whole.item_id, phase="Ruby")
    assert len({row["phase"] for row in rows}) > 3
    ruby = [row for row in rows if row["phase"] == "Ruby"]
    assert walk(box, SALES, market_hash_name=DOPPLER, phase="Ruby") == ruby
    assert ruby
    everywhere = walk(box, SALES, phase="Ruby")
    assert {row["phase"] for row in everywhere} == {"Ruby"}
    assert len(everywhere) > len(ruby)


@pytest.mark.parametrize(
    ("query", "fits"),
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
    ids=lambda told: None if callable(told) else str(told),
)
def test_filters_narrow_the_feed(query: dict[str, Any], fits: Any) -> None:
    box = market()
    rows = walk(box, SALES)
    narrowed = walk(box, SALES, **query)
    assert narrowed == [row for row in rows if fits(row)]
    assert len(narrowed) < len(rows)


def test_pieces_are_told_as_far_as_they_are_known() -> None:
    rows = walk(market(), SALES)
    worn = [row for row in rows if "(Field-Tested)" in row["market_hash_name"]]
    assert all(0.15 <= row["float"] <= 0.38 and 0 <= row["paint_seed"] <= 1000 for row in worn)
    cases = [row for row in rows if row["market_hash_name"].endswith(" Case")]
    assert cases
    assert all(row[name] is None for row in cases for name in ("float", "paint_seed", "stickers", "inspect"))
    assert any(row["inspect"] for row in rows)


@pytest.mark.parametrize(("tier", "most"), [("pro", 100), ("quant", 1000)])
def test_a_plan_caps_the_page(tier: str, most: int) -> None:
    box = market(tier=tier)
    page = next(pages(box, SALES))
    assert page["meta"]["result_count"] == min(most, box.sales().height)
    assert page["pagination"].items() >= {"limit": most, "offset": 0, "total": -1, "has_prev": False}.items()
    status, body = ask(box, SALES, limit=most + 1)
    assert (status, body["detail"][0]["loc"]) == (422, ["query", "limit"])


def test_prices_are_converted_as_quotes_are() -> None:
    box = market()
    dollars, crowns = (walk(box, SALES, item_id=ITEM, currency=code) for code in ("USD", "SEK"))
    assert {row["currency"] for row in crowns} == {"SEK"}
    assert [row["price"] for row in crowns] == [convert(row["price"], RATES["SEK"]).minor for row in dollars]


def test_a_page_repeats_the_question() -> None:
    asked = {"item_id": ITEM, "providers": ["youpin"], "min_float": 0.1, "limit": 5}
    meta = ask(market(), SALES, **asked)[1]["meta"]
    assert meta["filters"] == {
        "item_id": ITEM,
        "requested_providers": ["youpin"],
        "min_float": 0.1,
        "limit": 5,
    }
    assert meta["providers_queried"] == ["youpin"]


@pytest.mark.parametrize(
    ("query", "status", "told"),
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
def test_a_wrong_question_is_refused(query: dict[str, Any], status: int, told: Any) -> None:
    answered, body = ask(market(), SALES, **query)
    assert answered == status
    assert body["code"] == ("BAD_REQUEST" if status == 400 else "VALIDATION_ERROR")
    assert (body["detail"] if status == 400 else body["detail"][0]["loc"]) == told


def test_an_unknown_item_is_a_404_without_a_code() -> None:
    refused = ask(market(), SALES, market_hash_name="AK-47 | Nothing")
    assert refused == (404, {"detail": "Item not found: AK-47 | Nothing"})


@pytest.mark.parametrize("tier", ["free", "starter"])
def test_the_smaller_plans_have_no_sales(tier: str) -> None:
    box = market(tier=tier)
    detail = "Access to /v1/sales is not enabled for this tier."
    assert ask(box, SALES) == (403, {"code": "FORBIDDEN", "detail": detail})
    box.key(VALID_KEY, tier="pro")
    assert ask(box, SALES)[0] == 200
