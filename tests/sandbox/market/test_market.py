"""The seeded market: plausible, the same for one seed, and moved by exactly what was asked."""

from collections.abc import Callable
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from sandbox.clock import parse_iso
from sandbox.core import Sandbox
from sandbox.market import catalog
from sandbox.market.providers import KEYS
from sandbox.options import Options

NOON = parse_iso("2026-06-01T12:00:00Z")
KEY = ["provider", "item_id"]


def small(**options: object) -> Sandbox:
    return Sandbox(Options(**{"items": 120, "frozen": NOON, "refresh": 0.0, **options}))  # type: ignore[arg-type]


def test_a_seed_gives_the_same_market_again() -> None:
    assert_frame_equal(small(seed=7).ledger(), small(seed=7).ledger())
    assert not small(seed=7).ledger().equals(small(seed=8).ledger())


@pytest.mark.parametrize("size", [1, 2, 9, 20, 21, 300, 35_000])
def test_a_catalog_has_exactly_the_size_asked_for(size: int) -> None:
    items = catalog.build_catalog(size, seed=3).items
    assert [item.item_id for item in items] == list(range(1, size + 1))
    assert len({(item.name, item.phase) for item in items}) == size


@pytest.mark.parametrize("size", [0, -1, 10**6])
def test_a_size_without_a_catalog_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="a catalog has"):
        catalog.build_catalog(size, seed=1)


def test_names_are_of_every_kind() -> None:
    names = {item.name for item in catalog.build_catalog(300, seed=1).items}
    for part in ("StatTrak™ ", "Souvenir ", "★ ", "Sticker | ", "Case", "'", "龍王", "(Field-Tested)"):
        assert any(part in name for name in names), part


@given(count=st.integers(min_value=1, max_value=4000))
@settings(max_examples=10)
def test_a_catalog_has_exactly_the_quotes_asked_for(count: int) -> None:
    assert small(quotes=count).ledger().height == count


def test_more_quotes_than_places_are_refused() -> None:
    with pytest.raises(ValueError, match="quotes, not 99999"):
        small(quotes=99_999)


def test_rows_come_by_item_and_provider_with_plausible_moments() -> None:
    rows = small().ledger()
    assert_frame_equal(rows, rows.sort("item_id", "provider"))
    changed = rows["timestamp"]
    assert changed.max() <= NOON  # type: ignore[operator]
    whole = (changed.dt.microsecond() == 0).mean()
    assert 0.2 < float(whole) < 0.5  # type: ignore[arg-type]
    assert 0 < changed.null_count() < rows.height / 10
    assert rows["lowest_ask"].min() > 0  # type: ignore[operator]
    assert rows["quantity"].min() > 0  # type: ignore[operator]


def changed(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    both = before.join(after, on=KEY, suffix="_after")
    return both.filter(pl.col("lowest_ask_decimal") != pl.col("lowest_ask_decimal_after"))


@given(
    count=st.integers(min_value=0, max_value=60),
    seed=st.integers(),
    code=st.sampled_from(["USD", "KWD", "BTC"]),
)
@settings(max_examples=20)
def test_a_move_changes_exactly_so_many_prices_in_every_currency(count: int, seed: int, code: str) -> None:
    box = small()
    before = box.ledger(currency=code)
    box.advance(61)
    touched = box.move(count, seed=seed)
    moved = changed(before, box.ledger(currency=code))
    assert moved.height == len(touched) == count
    assert set(moved.select(KEY).rows()) == {(quote.provider, quote.item_id) for quote in touched}
    assert set(moved["timestamp_after"]) <= {NOON + timedelta(seconds=61)}


def test_a_move_keeps_to_its_provider_items_and_factor() -> None:
    box = small()
    touched = box.move(3, provider="steam", item_ids=range(1, 40), factor=2.0)
    assert {quote.provider for quote in touched} == {"steam"}
    assert all(quote.item_id < 40 and quote.after == 2 * (quote.before or 0) for quote in touched)


@pytest.mark.parametrize("verb", ["move", "vanish", "appear", "restock"])
def test_more_than_there_is_cannot_be_touched(verb: str) -> None:
    with pytest.raises(ValueError, match="can be changed, not 10000"):
        getattr(small(), verb)(10_000)


def test_a_restock_changes_quantities_alone() -> None:
    box = small()
    before = box.ledger()
    box.advance(1)
    box.restock(5)
    after = before.join(box.ledger(), on=KEY, suffix="_after")
    assert after.filter(pl.col("quantity") != pl.col("quantity_after")).height == 5
    assert changed(before, box.ledger()).height == 0


def test_what_vanished_comes_back_as_it_was() -> None:
    box = small()
    before = box.ledger()
    box.vanish(10)
    box.vanish(5, provider="steam")
    assert box.ledger().height == before.height - 15
    box.restore()
    assert_frame_equal(box.ledger(), before)


def test_what_appears_was_not_listed() -> None:
    box = small()
    before = box.ledger()
    box.vanish(10)
    fresh = {(quote.provider, quote.item_id) for quote in box.appear(7)}
    assert len(fresh) == 7
    assert not fresh & set(before.select(KEY).rows())


def test_a_dark_provider_has_no_rows_until_it_is_back() -> None:
    box = small()
    before = box.ledger()
    box.set_provider_dark("steam")
    assert_frame_equal(box.ledger(), before.filter(pl.col("provider") != "steam"))
    box.set_provider_dark("steam", dark=False)
    assert_frame_equal(box.ledger(), before)


VERBS: list[Callable[[Sandbox], object]] = [
    lambda box: box.move(4),
    lambda box: box.vanish(4),
    lambda box: box.appear(2),
    lambda box: box.restore(),
    lambda box: box.set_provider_dark("steam"),
    lambda box: box.set_provider_dark("steam", dark=False),
    lambda box: box.fx({"EUR": "0.91"}),
    lambda box: box.drift_fx(),
    lambda box: box.refresh(),
    lambda box: box.restock(1),
]


@given(
    verbs=st.lists(st.sampled_from(range(len(VERBS))), max_size=8),
    refresh=st.sampled_from([0.0, 300.0]),
    currency=st.sampled_from(["USD", "EUR", "BTC"]),
)
@settings(max_examples=25)
def test_the_ledger_of_a_past_moment_is_what_was_served_then(
    verbs: list[int], refresh: float, currency: str
) -> None:
    box = small(items=40, refresh=refresh)
    served = []
    for verb in verbs:
        box.advance(97)
        VERBS[verb](box)
        served.append((box.clock.now(), box.ledger(currency=currency)))
    for moment, rows in served:
        assert_frame_equal(box.ledger(moment, currency=currency), rows)


def test_the_index_shows_a_move_at_its_next_refresh() -> None:
    box = small(refresh=300.0)
    before = box.ledger()
    box.advance(100)
    box.move(5)
    assert_frame_equal(box.ledger(), before)
    box.advance(199)
    assert_frame_equal(box.ledger(), before)
    box.advance(1)
    after = box.ledger()
    assert changed(before, after).height == 5
    assert set(after["last_updated"]) == {NOON + timedelta(seconds=300)}


def test_a_moving_market_moves_its_share_at_each_refresh() -> None:
    box = small(refresh=300.0, moving=0.1, moving_fx=True)
    before = box.ledger()
    rates = dict(box.market.rates)
    box.advance(300)
    assert changed(before, box.ledger()).height == round(before.height * 0.1)
    assert all(rate != rates[code] for code, rate in box.market.rates.items() if code != "USD")


def test_last_updated_is_never_before_the_last_change() -> None:
    box = small()
    box.advance(90.5)
    box.move(20)
    rows = box.ledger().drop_nulls("timestamp")
    assert (rows["last_updated"] >= rows["timestamp"]).all()


def test_a_phaseless_entry_sums_its_phases_and_is_not_in_the_walk() -> None:
    box = small()
    entries = box.market.board.catalog.by_name["★ Karambit | Doppler (Factory New)"]
    whole, phases = entries[0], [entry.item_id for entry in entries[1:]]
    assert whole.phase is None
    assert len(phases) == 7
    rows = box.ledger()
    assert whole.item_id not in set(rows["item_id"])
    expected = (
        rows.filter(pl.col("item_id").is_in(phases))
        .group_by("provider")
        .agg(pl.col("lowest_ask").min(), pl.col("quantity").sum(), pl.col("timestamp").max())
        .sort("provider")
    )
    assert 1 < expected.height < len(KEYS)
    assert_frame_equal(box.ledger(item_ids=[whole.item_id]).select(expected.columns), expected)
