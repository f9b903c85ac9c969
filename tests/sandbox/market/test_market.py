"""The seeded market: plausible, the same for the same seed, changed exactly as requested."""

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


def small_sandbox(**options: object) -> Sandbox:
    return Sandbox(Options(**{"items": 120, "frozen": NOON, "refresh": 0.0, **options}))  # type: ignore[arg-type]


def test_same_seed_generates_the_same_market() -> None:
    assert_frame_equal(small_sandbox(seed=7).ledger(), small_sandbox(seed=7).ledger())
    assert not small_sandbox(seed=7).ledger().equals(small_sandbox(seed=8).ledger())


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 2, 9, 20, 21, 300, 35_000])
def test_catalog_has_exactly_the_requested_size(size: int) -> None:
    items = catalog.build_catalog(size, seed=3).items
    assert [item.item_id for item in items] == list(range(1, size + 1))
    assert len({(item.name, item.phase) for item in items}) == size


@pytest.mark.parametrize("size", [0, -1, 10**6])
def test_impossible_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="a catalog has"):
        catalog.build_catalog(size, seed=1)


def test_catalog_has_names_of_every_kind() -> None:
    names = {item.name for item in catalog.build_catalog(300, seed=1).items}
    for part in ("StatTrak™ ", "Souvenir ", "★ ", "Sticker | ", "Case", "'", "龍王", "(Field-Tested)"):
        assert any(part in name for name in names), part


@given(count=st.integers(min_value=1, max_value=4000))
@settings(max_examples=10)
def test_market_has_exactly_the_requested_quotes(count: int) -> None:
    assert small_sandbox(quotes=count).ledger().height == count


def test_more_quotes_than_places_are_refused() -> None:
    with pytest.raises(ValueError, match="quotes, not 99999"):
        small_sandbox(quotes=99_999)


def test_rows_are_sorted_and_have_plausible_times() -> None:
    rows = small_sandbox().ledger()
    assert_frame_equal(rows, rows.sort("item_id", "provider"))
    changed_prices = rows["timestamp"]
    assert changed_prices.max() <= NOON  # type: ignore[operator]
    aggregate = (changed_prices.dt.microsecond() == 0).mean()
    assert 0.2 < float(aggregate) < 0.5  # type: ignore[arg-type]
    assert 0 < changed_prices.null_count() < rows.height / 10
    assert rows["lowest_ask"].min() > 0  # type: ignore[operator]
    assert rows["quantity"].min() > 0  # type: ignore[operator]


def changed_prices(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    joined = before.join(after, on=KEY, suffix="_after")
    return joined.filter(pl.col("lowest_ask_decimal") != pl.col("lowest_ask_decimal_after"))


@given(
    count=st.integers(min_value=0, max_value=60),
    seed=st.integers(),
    currency=st.sampled_from(["USD", "KWD", "BTC"]),
)
@settings(max_examples=20)
def test_move_changes_exactly_so_many_prices_in_every_currency(count: int, seed: int, currency: str) -> None:
    sandbox = small_sandbox()
    before = sandbox.ledger(currency=currency)
    sandbox.advance(61)
    changes = sandbox.move(count, seed=seed)
    moved = changed_prices(before, sandbox.ledger(currency=currency))
    assert moved.height == len(changes) == count
    assert set(moved.select(KEY).rows()) == {(quote.provider, quote.item_id) for quote in changes}
    assert set(moved["timestamp_after"]) <= {NOON + timedelta(seconds=61)}


def test_move_applies_its_provider_items_and_factor() -> None:
    sandbox = small_sandbox()
    changes = sandbox.move(3, provider="steam", item_ids=range(1, 40), factor=2.0)
    assert {quote.provider for quote in changes} == {"steam"}
    assert all(quote.item_id < 40 and quote.after == 2 * (quote.before or 0) for quote in changes)


@pytest.mark.parametrize("method", ["move", "vanish", "appear", "restock"])
def test_change_of_more_quotes_than_exist_is_refused(method: str) -> None:
    with pytest.raises(ValueError, match="can be changed, not 10000"):
        getattr(small_sandbox(), method)(10_000)


def test_restock_changes_only_quantities() -> None:
    sandbox = small_sandbox()
    before = sandbox.ledger()
    sandbox.advance(1)
    sandbox.restock(5)
    after = before.join(sandbox.ledger(), on=KEY, suffix="_after")
    assert after.filter(pl.col("quantity") != pl.col("quantity_after")).height == 5
    assert changed_prices(before, sandbox.ledger()).height == 0


def test_vanished_quotes_return_unchanged() -> None:
    sandbox = small_sandbox()
    before = sandbox.ledger()
    sandbox.vanish(10)
    sandbox.vanish(5, provider="steam")
    assert sandbox.ledger().height == before.height - 15
    sandbox.restore()
    assert_frame_equal(sandbox.ledger(), before)


def test_appearing_quotes_were_not_listed() -> None:
    sandbox = small_sandbox()
    before = sandbox.ledger()
    sandbox.vanish(10)
    appeared = {(quote.provider, quote.item_id) for quote in sandbox.appear(7)}
    assert len(appeared) == 7
    assert not appeared & set(before.select(KEY).rows())


def test_dark_provider_has_no_rows_until_it_is_served_again() -> None:
    sandbox = small_sandbox()
    before = sandbox.ledger()
    sandbox.set_provider_dark("steam")
    assert_frame_equal(sandbox.ledger(), before.filter(pl.col("provider") != "steam"))
    sandbox.set_provider_dark("steam", dark=False)
    assert_frame_equal(sandbox.ledger(), before)


CHANGES: list[Callable[[Sandbox], object]] = [
    lambda sandbox: sandbox.move(4),
    lambda sandbox: sandbox.vanish(4),
    lambda sandbox: sandbox.appear(2),
    lambda sandbox: sandbox.restore(),
    lambda sandbox: sandbox.set_provider_dark("steam"),
    lambda sandbox: sandbox.set_provider_dark("steam", dark=False),
    lambda sandbox: sandbox.fx({"EUR": "0.91"}),
    lambda sandbox: sandbox.drift_fx(),
    lambda sandbox: sandbox.refresh(),
    lambda sandbox: sandbox.restock(1),
]


@pytest.mark.slow
@given(
    numbers=st.lists(st.sampled_from(range(len(CHANGES))), max_size=8),
    refresh=st.sampled_from([0.0, 300.0]),
    currency=st.sampled_from(["USD", "EUR", "BTC"]),
)
@settings(max_examples=25)
def test_past_ledger_is_what_was_served_then(numbers: list[int], refresh: float, currency: str) -> None:
    sandbox = small_sandbox(items=40, refresh=refresh)
    served = []
    for method in numbers:
        sandbox.advance(97)
        CHANGES[method](sandbox)
        served.append((sandbox.clock.now(), sandbox.ledger(currency=currency)))
    for at, rows in served:
        assert_frame_equal(sandbox.ledger(at, currency=currency), rows)


def test_index_shows_a_move_at_its_next_refresh() -> None:
    sandbox = small_sandbox(refresh=300.0)
    before = sandbox.ledger()
    sandbox.advance(100)
    sandbox.move(5)
    assert_frame_equal(sandbox.ledger(), before)
    sandbox.advance(199)
    assert_frame_equal(sandbox.ledger(), before)
    sandbox.advance(1)
    after = sandbox.ledger()
    assert changed_prices(before, after).height == 5
    assert set(after["last_updated"]) == {NOON + timedelta(seconds=300)}


def test_moving_market_moves_its_share_at_each_refresh() -> None:
    sandbox = small_sandbox(refresh=300.0, moving=0.1, moving_fx=True)
    before = sandbox.ledger()
    rates = dict(sandbox.market.rates)
    sandbox.advance(300)
    assert changed_prices(before, sandbox.ledger()).height == round(before.height * 0.1)
    assert all(
        rate != rates[currency] for currency, rate in sandbox.market.rates.items() if currency != "USD"
    )


def test_last_updated_is_never_before_the_last_change() -> None:
    sandbox = small_sandbox()
    sandbox.advance(90.5)
    sandbox.move(20)
    rows = sandbox.ledger().drop_nulls("timestamp")
    assert (rows["last_updated"] >= rows["timestamp"]).all()


def test_aggregate_sums_its_phases_and_is_not_listed() -> None:
    sandbox = small_sandbox()
    items = sandbox.market.board.catalog.by_name["★ Karambit | Doppler (Factory New)"]
    aggregate, phases = items[0], [item.item_id for item in items[1:]]
    assert aggregate.phase is None
    assert len(phases) == 7
    rows = sandbox.ledger()
    assert aggregate.item_id not in set(rows["item_id"])
    expected = (
        rows.filter(pl.col("item_id").is_in(phases))
        .group_by("provider")
        .agg(pl.col("lowest_ask").min(), pl.col("quantity").sum(), pl.col("timestamp").max())
        .sort("provider")
    )
    assert 1 < expected.height < len(KEYS)
    assert_frame_equal(sandbox.ledger(item_ids=[aggregate.item_id]).select(expected.columns), expected)
