"""`best_ask` is the lowest ask over all sources; `spreads` are the profits between two marketplaces."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from connectors.schemas import PROVIDERS
from sandbox.core import Sandbox
from tests.support.skinshark import configure_both_sources, skinshark_basket
from tests.support.snapshots import catalog_of
from tests.support.warehouse import (
    Quote,
    copy_warehouse,
    create_warehouse,
    item_name,
    land_and_load,
    load,
    minute,
    observe,
    query_rows,
    run_header,
)
from warehouse.landing.writer import LandingWriter
from warehouse.paths import WarehousePaths

KNIFE = "★ Karambit | Doppler (Factory New)"
FEES = {"steam": 0.15, "c5": 0.05, "ecosteam": 0.01, "buff163": 0.025}
BEST = (
    "SELECT market_hash_name, phase, source, provider, delivery, price, quantity FROM best_ask ORDER BY ALL"
)
SPREADS = "SELECT bought_at, sold_at, sold_by, proceeds, profit FROM spreads ORDER BY ALL"


def load_fees(
    paths: WarehousePaths,
    fees: Mapping[str, float],
    at: float = -1,
    source: str = "cs2cap",
    insta_sell_fee: float | None = None,
) -> None:
    """Land a run that fetched the source's providers, and load it."""
    columns: dict[str, object] = {name: [None] * len(fees) for name in PROVIDERS}
    providers = {
        "provider": list(fees),
        "sell_fee": list(fees.values()),
        "insta_sell_fee": [insta_sell_fee] * len(fees),
    }
    with LandingWriter(
        paths.landing, run_header(f"fees-{source}-{at}", minute(at), source=source)
    ) as landing:
        landing.add_catalog("providers", pl.DataFrame({**columns, **providers}, schema=PROVIDERS))
        landing.finish("done")
    load(paths)


def ask(cents: int, provider: str, item: str = "1", quantity: int | None = 1, **fields: str) -> Quote:
    return Quote(item, cents, quantity, provider, **fields)  # type: ignore[arg-type]


def observe_cs2cap(paths: WarehousePaths, run_id: str, at: float, *quotes: Quote, **fields: object) -> None:
    """Load a complete observation of the providers of these quotes."""
    providers = tuple(sorted({quote.provider for quote in quotes}))
    land_and_load(paths, run_id, observe(minute(at), *quotes, providers=providers), **fields)


def observe_skinshark(paths: WarehousePaths, run_id: str, at: float, *quotes: Quote) -> None:
    """Load a complete observation of SkinShark."""
    listing = observe(
        minute(at), *quotes, providers=("skinshark",), deliveries=("standard", "instant"), listing=True
    )
    land_and_load(paths, run_id, listing, source="skinshark", basket="shark")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> WarehousePaths:
    """Return a warehouse with the fees of four marketplaces."""
    paths = create_warehouse(tmp_path_factory.mktemp("warehouse"))
    load_fees(paths, FEES)
    return paths


@pytest.fixture
def paths(template: WarehousePaths, tmp_path: Path) -> WarehousePaths:
    return copy_warehouse(template, tmp_path)


def test_best_ask_is_the_lowest_of_all_providers(paths: WarehousePaths) -> None:
    observe_cs2cap(
        paths, "a", 0, ask(120, "steam", quantity=9), ask(110, "buff163", quantity=3), ask(90, "steam", "2")
    )
    assert query_rows(paths, BEST) == [
        (item_name("1"), None, "cs2cap", "buff163", "standard", Decimal("1.1"), 3),
        (item_name("2"), None, "cs2cap", "steam", "standard", Decimal("0.9"), 1),
    ]


@pytest.mark.slow
def test_items_of_two_sources_are_matched_by_name_and_phase(paths: WarehousePaths) -> None:
    ruby = ask(900, "steam", "11", name=KNIFE, phase="Ruby")
    observe_cs2cap(paths, "a", 0, ask(120, "steam"), ruby)
    observe_skinshark(
        paths,
        "b",
        1,
        ask(115, "skinshark", "shark-1", None, name=item_name("1")),
        ask(118, "skinshark", "shark-1", None, name=item_name("1"), delivery="instant"),
        ask(880, "skinshark", "shark-9", None, name=KNIFE, phase="Ruby"),
    )
    assert query_rows(paths, BEST) == [
        (item_name("1"), None, "skinshark", "skinshark", "standard", Decimal("1.15"), None),
        (KNIFE, "Ruby", "skinshark", "skinshark", "standard", Decimal("8.8"), None),
    ]
    observe_cs2cap(paths, "c", 2, ask(114, "steam"), ruby)
    assert query_rows(paths, BEST)[0][2:] == ("cs2cap", "steam", "standard", Decimal("1.14"), 1)


def test_each_currency_has_its_own_best_ask(paths: WarehousePaths) -> None:
    dollars = observe(minute(0), ask(120, "steam"))
    land_and_load(paths, "a", dollars, observe(minute(0), ask(90, "steam"), currency="EUR"))
    assert query_rows(paths, "SELECT currency, lowest_ask FROM best_ask ORDER BY ALL") == [
        ("EUR", 90),
        ("USD", 120),
    ]


@pytest.mark.slow
def test_quotes_without_a_phase_of_items_with_phases_are_left_out(paths: WarehousePaths) -> None:
    observe_cs2cap(paths, "a", 0, ask(900, "steam", "11", name=KNIFE, phase="Ruby"))
    aggregate = ask(100, "steam", "10", name=KNIFE)
    land_and_load(paths, "b", observe(minute(0), aggregate, items=(("10", KNIFE, None),)))
    observe_skinshark(paths, "c", 0, ask(90, "skinshark", "shark-9", None, name=KNIFE))
    assert query_rows(paths, "SELECT phase, price FROM best_ask") == [("Ruby", Decimal(9))]


@pytest.mark.slow
def test_quotes_of_a_removed_basket_go_stale(paths: WarehousePaths) -> None:
    observe_cs2cap(paths, "removed", 0, ask(50, "steam"), basket="removed")
    observe_cs2cap(paths, "a", 30, ask(120, "buff163"))
    assert query_rows(paths, "SELECT price, observed_at FROM best_ask") == [(Decimal("0.5"), minute(0))]
    observe_cs2cap(paths, "b", 31, ask(120, "buff163"))
    assert query_rows(paths, "SELECT price FROM best_ask") == [(Decimal("1.2"),)]
    assert query_rows(paths, "SELECT count(*) FROM quotes") == [(2,)]


@pytest.mark.slow
def test_quote_is_fresh_for_three_intervals_of_its_own_basket(paths: WarehousePaths) -> None:
    observe_cs2cap(paths, "slow", 0, ask(50, "steam"), basket="slow", interval_seconds=3600)
    observe_cs2cap(paths, "a", 180, ask(120, "buff163"))
    assert query_rows(paths, "SELECT price FROM best_ask") == [(Decimal("0.5"),)]
    observe_cs2cap(paths, "b", 181, ask(120, "buff163"))
    assert query_rows(paths, "SELECT price FROM best_ask") == [(Decimal("1.2"),)]


@pytest.mark.slow
def test_observation_without_changes_keeps_a_quote_fresh(paths: WarehousePaths) -> None:
    for at in (0, 20, 40):
        observe_cs2cap(paths, f"r{at}", at, ask(50, "steam"))
    observe_cs2cap(paths, "last", 70, ask(120, "buff163"))
    assert query_rows(paths, "SELECT price, observed_at FROM best_ask") == [(Decimal("0.5"), minute(40))]


def test_equal_asks_have_a_fixed_order(paths: WarehousePaths) -> None:
    observe_cs2cap(paths, "a", 0, *(ask(100, key) for key in ("steam", "ecosteam", "buff163", "c5")))
    assert query_rows(paths, "SELECT provider FROM best_ask") == [("buff163",)]


def test_spread_is_the_profit_of_a_sale_after_its_fee(paths: WarehousePaths) -> None:
    observe_cs2cap(paths, "a", 0, ask(100, "buff163"), ask(120, "steam"))
    assert query_rows(paths, SPREADS) == [("buff163", "steam", "listing", Decimal("1.02"), Decimal("0.02"))]
    assert query_rows(paths, "SELECT sold_fee, margin, observed_at FROM spreads") == [
        (Decimal("0.15"), pytest.approx(0.02), minute(0))
    ]


def test_sale_without_profit_after_its_fee_is_no_spread(paths: WarehousePaths) -> None:
    observe_cs2cap(paths, "a", 0, ask(100, "buff163"), ask(117, "steam"))
    assert query_rows(paths, SPREADS) == []


def test_spreads_use_the_newest_fees(paths: WarehousePaths) -> None:
    observe_cs2cap(paths, "a", 0, ask(100, "buff163"), ask(120, "steam"))
    load_fees(paths, {"steam": 0.2}, at=1)
    assert query_rows(paths, SPREADS) == []
    load_fees(paths, {"steam": 0.1}, at=2)
    assert query_rows(paths, "SELECT proceeds FROM spreads") == [(Decimal("1.08"),)]


def test_fees_of_a_late_run_do_not_replace_newer_fees(paths: WarehousePaths) -> None:
    observe_cs2cap(paths, "a", 0, ask(100, "buff163"), ask(120, "steam"))
    load_fees(paths, {"steam": 0.9}, at=-60)
    assert query_rows(paths, "SELECT sell_fee FROM providers WHERE provider = 'steam'") == [(0.15,)]


def test_provider_without_a_known_fee_is_no_selling_side(paths: WarehousePaths) -> None:
    observe_cs2cap(paths, "a", 0, ask(100, "buff163"), ask(900, "dmarket"))
    assert query_rows(paths, SPREADS) == []


def test_one_marketplace_is_never_both_sides(paths: WarehousePaths) -> None:
    load_fees(paths, {"skinshark": 0.0}, source="skinshark")
    observe_cs2cap(paths, "a", 0, ask(300, "c5"), ask(290, "ecosteam"), ask(280, "steam"))
    observe_skinshark(paths, "b", 0, ask(100, "skinshark", "shark-1", None, name=item_name("1")))
    assert query_rows(paths, "SELECT bought_at, sold_at FROM spreads ORDER BY ALL") == [
        ("skinshark", "steam"),
        ("steam", "c5"),
        ("steam", "ecosteam"),
    ]


@pytest.mark.slow
def test_marketplace_in_two_sources_is_one_marketplace(paths: WarehousePaths) -> None:
    observe_cs2cap(paths, "a", 0, ask(300, "c5"))
    load_fees(paths, {"c5": 0.0}, source="skinshark")
    observe_cs2cap(paths, "b", 0, ask(100, "c5"), source="skinshark")
    assert query_rows(paths, SPREADS) == []


@pytest.mark.slow
def test_sale_to_a_bid_pays_the_usual_fee_or_the_instant_fee(paths: WarehousePaths) -> None:
    observe_cs2cap(paths, "a", 0, ask(100, "buff163"), ask(110, "steam"))
    land_and_load(
        paths, "b", observe(minute(0), ask(130, "steam", quantity=4, delivery="bid"), deliveries=("bid",))
    )
    assert query_rows(paths, SPREADS) == [("buff163", "steam", "bid", Decimal("1.105"), Decimal("0.105"))]
    assert query_rows(paths, "SELECT sold_quantity FROM spreads") == [(4,)]
    load_fees(paths, {"steam": 0.15}, at=1, insta_sell_fee=0.2)
    assert query_rows(paths, SPREADS) == [("buff163", "steam", "bid", Decimal("1.04"), Decimal("0.04"))]


def test_stale_quote_is_on_no_side_of_a_spread(paths: WarehousePaths) -> None:
    observe_cs2cap(paths, "removed", 0, ask(50, "buff163"), ask(500, "c5"), basket="removed")
    observe_cs2cap(paths, "a", 31, ask(120, "steam"))
    assert query_rows(paths, SPREADS) == []


@pytest.mark.parametrize("nothing", [ask(0, "steam"), ask(50, "steam", quantity=0)])
def test_ask_of_nothing_wins_no_best_ask_and_opens_no_spread(paths: WarehousePaths, nothing: Quote) -> None:
    observe_cs2cap(paths, "a", 0, nothing, ask(100, "buff163"), ask(101, "c5"))
    assert query_rows(paths, "SELECT provider, price FROM best_ask") == [("buff163", Decimal(1))]
    assert query_rows(paths, "SELECT bought_at FROM spreads WHERE bought_at = 'steam'") == []
    stays = query_rows(paths, "SELECT lowest_ask, quantity FROM quotes WHERE provider = 'steam'")
    assert stays == [(nothing.cents, nothing.quantity)]


def test_bid_of_nothing_is_no_selling_side(paths: WarehousePaths) -> None:
    observe_cs2cap(paths, "a", 0, ask(100, "buff163", quantity=None))
    bids = (ask(300, "steam", quantity=0, delivery="bid"), ask(0, "c5", delivery="bid"))
    land_and_load(paths, "b", observe(minute(0), *bids, deliveries=("bid",), providers=("steam", "c5")))
    assert query_rows(paths, SPREADS) == []
    assert query_rows(paths, "SELECT count(*) FROM bids") == [(2,)]


def test_amount_of_less_than_a_minor_unit_is_an_ask(paths: WarehousePaths) -> None:
    coin = Quote("1", 0, price=Decimal("0.00042"))
    land_and_load(paths, "a", observe(minute(0), coin, currency="BTC"))
    assert query_rows(paths, "SELECT lowest_ask, price FROM best_ask") == [(0, Decimal("0.00042"))]


def test_clock_of_one_source_makes_no_quote_of_another_source_stale(paths: WarehousePaths) -> None:
    observe_cs2cap(paths, "a", 0, ask(120, "steam"))
    observe_skinshark(paths, "b", 60, ask(115, "skinshark", "shark-1", None, name=item_name("2")))
    assert query_rows(paths, "SELECT source, fresh FROM quotes ORDER BY ALL") == [
        ("cs2cap", True),
        ("skinshark", True),
    ]
    assert query_rows(paths, "SELECT source FROM best_ask ORDER BY ALL") == [("cs2cap",), ("skinshark",)]
    assert query_rows(paths, "SELECT source, fresh FROM coverage ORDER BY ALL") == [
        ("cs2cap", 1),
        ("skinshark", 1),
    ]


def test_both_apis_in_one_database(sandbox: Sandbox, tmp_path: Path) -> None:
    bench = configure_both_sources(
        tmp_path, sandbox, catalog_of("steam", "csfloat", "c5"), skinshark_basket()
    )
    assert [result.exit_code for result in bench.snapshot()] == [0, 0]
    phased = {name for (name,) in bench.query("SELECT market_hash_name FROM items WHERE phase IS NOT NULL")}
    lowest: dict[tuple[str, str | None], Decimal] = {}
    for name, phase, price in bench.query("SELECT market_hash_name, phase, price FROM quotes"):
        if phase or name not in phased:
            lowest[name, phase] = min(price, lowest.get((name, phase), price))
    best = bench.query("SELECT market_hash_name, phase, price, source FROM best_ask")
    assert {(name, phase): price for name, phase, price, _ in best} == lowest
    assert {source for *_, source in best} == {"cs2cap", "skinshark"}

    sold_at = bench.query("SELECT DISTINCT sold_at FROM spreads WHERE bought_at = 'skinshark' ORDER BY ALL")
    assert sold_at == [("csfloat",), ("steam",)]
