"""Across marketplaces: the lowest ask of all sources, and what buying here and selling there leaves."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from connectors.schemas import PROVIDERS
from sandbox.core import Sandbox
from tests.support.skinshark import both, sharks
from tests.support.snapshots import catalog_of
from tests.support.warehouse import Quote, header, home_in, load, look, minute, name_of, rows, snapshot
from warehouse.landing.writer import LandingWriter
from warehouse.paths import WarehousePaths

KNIFE = "★ Karambit | Doppler (Factory New)"
FEES = {"steam": 0.15, "c5": 0.05, "ecosteam": 0.01, "buff163": 0.025}
BEST = (
    "SELECT market_hash_name, phase, source, provider, delivery, price, quantity FROM best_ask ORDER BY ALL"
)
EDGES = "SELECT bought_at, sold_at, sold_by, proceeds, profit FROM spreads ORDER BY ALL"


def know(
    home: WarehousePaths,
    fees: Mapping[str, float],
    at: float = -1,
    source: str = "cs2cap",
    insta: float | None = None,
) -> None:
    """Land a run that fetched the source's providers, and load it."""
    columns: dict[str, object] = {name: [None] * len(fees) for name in PROVIDERS}
    known = {"provider": list(fees), "sell_fee": list(fees.values()), "insta_sell_fee": [insta] * len(fees)}
    with LandingWriter(home.landing, header(f"fees-{source}-{at}", minute(at), source=source)) as landing:
        landing.add_catalog("providers", pl.DataFrame({**columns, **known}, schema=PROVIDERS))
        landing.finish("done")
    load(home)


def ask(cents: int, provider: str, item: str = "1", quantity: int | None = 1, **told: str) -> Quote:
    return Quote(item, cents, quantity, provider, **told)  # type: ignore[arg-type]


def market(home: WarehousePaths, run_id: str, at: float, *quotes: Quote, **told: object) -> None:
    """One look at everything that these quotes' providers list."""
    providers = tuple(sorted({quote.provider for quote in quotes}))
    snapshot(home, run_id, look(minute(at), *quotes, providers=providers), **told)


def shark(home: WarehousePaths, run_id: str, at: float, *quotes: Quote) -> None:
    """One look at all that SkinShark lists."""
    whole = look(
        minute(at), *quotes, providers=("skinshark",), deliveries=("standard", "instant"), listing=True
    )
    snapshot(home, run_id, whole, source="skinshark", basket="shark")


@pytest.fixture
def home(tmp_path: Path) -> WarehousePaths:
    """Return a warehouse that knows the fees of four marketplaces."""
    home = home_in(tmp_path)
    know(home, FEES)
    return home


def test_it_is_the_lowest_of_all_providers(home: WarehousePaths) -> None:
    market(
        home, "a", 0, ask(120, "steam", quantity=9), ask(110, "buff163", quantity=3), ask(90, "steam", "2")
    )
    assert rows(home, BEST) == [
        (name_of("1"), None, "cs2cap", "buff163", "standard", Decimal("1.1"), 3),
        (name_of("2"), None, "cs2cap", "steam", "standard", Decimal("0.9"), 1),
    ]


def test_two_sources_meet_by_name_and_phase(home: WarehousePaths) -> None:
    ruby = ask(900, "steam", "11", name=KNIFE, phase="Ruby")
    market(home, "a", 0, ask(120, "steam"), ruby)
    shark(
        home,
        "b",
        1,
        ask(115, "skinshark", "shark-1", None, name=name_of("1")),
        ask(118, "skinshark", "shark-1", None, name=name_of("1"), delivery="instant"),
        ask(880, "skinshark", "shark-9", None, name=KNIFE, phase="Ruby"),
    )
    assert rows(home, BEST) == [
        (name_of("1"), None, "skinshark", "skinshark", "standard", Decimal("1.15"), None),
        (KNIFE, "Ruby", "skinshark", "skinshark", "standard", Decimal("8.8"), None),
    ]
    market(home, "c", 2, ask(114, "steam"), ruby)
    assert rows(home, BEST)[0][2:] == ("cs2cap", "steam", "standard", Decimal("1.14"), 1)


def test_each_currency_has_its_own(home: WarehousePaths) -> None:
    dollars = look(minute(0), ask(120, "steam"))
    snapshot(home, "a", dollars, look(minute(0), ask(90, "steam"), currency="EUR"))
    assert rows(home, "SELECT currency, lowest_ask FROM best_ask ORDER BY ALL") == [("EUR", 90), ("USD", 120)]


def test_what_several_phases_have_in_common_is_no_item(home: WarehousePaths) -> None:
    market(home, "a", 0, ask(900, "steam", "11", name=KNIFE, phase="Ruby"))
    aggregate = ask(100, "steam", "10", name=KNIFE)
    snapshot(home, "b", look(minute(0), aggregate, items=(("10", KNIFE, None),)))
    shark(home, "c", 0, ask(90, "skinshark", "shark-9", None, name=KNIFE))
    assert rows(home, "SELECT phase, price FROM best_ask") == [("Ruby", Decimal(9))]


def test_a_basket_that_was_removed_leaves_no_ghosts(home: WarehousePaths) -> None:
    market(home, "removed", 0, ask(50, "steam"), basket="removed")
    market(home, "a", 30, ask(120, "buff163"))
    assert rows(home, "SELECT price, observed_at FROM best_ask") == [(Decimal("0.5"), minute(0))]
    market(home, "b", 31, ask(120, "buff163"))
    assert rows(home, "SELECT price FROM best_ask") == [(Decimal("1.2"),)]
    assert rows(home, "SELECT count(*) FROM quotes") == [(2,)]


def test_a_slow_basket_counts_for_three_of_its_own_intervals(home: WarehousePaths) -> None:
    market(home, "slow", 0, ask(50, "steam"), basket="slow", interval_seconds=3600)
    market(home, "a", 180, ask(120, "buff163"))
    assert rows(home, "SELECT price FROM best_ask") == [(Decimal("0.5"),)]
    market(home, "b", 181, ask(120, "buff163"))
    assert rows(home, "SELECT price FROM best_ask") == [(Decimal("1.2"),)]


def test_a_look_that_finds_nothing_changed_keeps_a_quote_fresh(home: WarehousePaths) -> None:
    for at in (0, 20, 40):
        market(home, f"r{at}", at, ask(50, "steam"))
    market(home, "last", 70, ask(120, "buff163"))
    assert rows(home, "SELECT price, observed_at FROM best_ask") == [(Decimal("0.5"), minute(40))]


def test_equal_asks_are_told_in_a_fixed_order(home: WarehousePaths) -> None:
    market(home, "a", 0, *(ask(100, key) for key in ("steam", "ecosteam", "buff163", "c5")))
    assert rows(home, "SELECT provider FROM best_ask") == [("buff163",)]


def test_a_spread_is_what_a_sale_leaves_after_its_fee(home: WarehousePaths) -> None:
    market(home, "a", 0, ask(100, "buff163"), ask(120, "steam"))
    assert rows(home, EDGES) == [("buff163", "steam", "listing", Decimal("1.02"), Decimal("0.02"))]
    assert rows(home, "SELECT sold_fee, margin, observed_at FROM spreads") == [
        (Decimal("0.15"), pytest.approx(0.02), minute(0))
    ]


def test_what_the_fee_eats_is_no_spread(home: WarehousePaths) -> None:
    market(home, "a", 0, ask(100, "buff163"), ask(117, "steam"))
    assert rows(home, EDGES) == []


def test_spreads_follow_the_fees(home: WarehousePaths) -> None:
    market(home, "a", 0, ask(100, "buff163"), ask(120, "steam"))
    know(home, {"steam": 0.2}, at=1)
    assert rows(home, EDGES) == []
    know(home, {"steam": 0.1}, at=2)
    assert rows(home, "SELECT proceeds FROM spreads") == [(Decimal("1.08"),)]


def test_fees_that_come_late_do_not_replace_newer_ones(home: WarehousePaths) -> None:
    market(home, "a", 0, ask(100, "buff163"), ask(120, "steam"))
    know(home, {"steam": 0.9}, at=-60)
    assert rows(home, "SELECT sell_fee FROM providers WHERE provider = 'steam'") == [(0.15,)]


def test_nothing_is_sold_where_no_fee_is_known(home: WarehousePaths) -> None:
    market(home, "a", 0, ask(100, "buff163"), ask(900, "dmarket"))
    assert rows(home, EDGES) == []


def test_one_marketplace_is_never_both_sides(home: WarehousePaths) -> None:
    know(home, {"skinshark": 0.0}, source="skinshark")
    market(home, "a", 0, ask(300, "c5"), ask(290, "ecosteam"), ask(280, "steam"))
    shark(home, "b", 0, ask(100, "skinshark", "shark-1", None, name=name_of("1")))
    assert rows(home, "SELECT bought_at, sold_at FROM spreads ORDER BY ALL") == [
        ("skinshark", "steam"),
        ("steam", "c5"),
        ("steam", "ecosteam"),
    ]


def test_one_marketplace_told_of_by_two_sources_is_one(home: WarehousePaths) -> None:
    market(home, "a", 0, ask(300, "c5"))
    know(home, {"c5": 0.0}, source="skinshark")
    market(home, "b", 0, ask(100, "c5"), source="skinshark")
    assert rows(home, EDGES) == []


def test_a_bid_is_sold_into_at_the_usual_fee_or_its_own(home: WarehousePaths) -> None:
    market(home, "a", 0, ask(100, "buff163"), ask(110, "steam"))
    snapshot(home, "b", look(minute(0), ask(130, "steam", quantity=4, delivery="bid"), deliveries=("bid",)))
    assert rows(home, EDGES) == [("buff163", "steam", "bid", Decimal("1.105"), Decimal("0.105"))]
    assert rows(home, "SELECT sold_quantity FROM spreads") == [(4,)]
    know(home, {"steam": 0.15}, at=1, insta=0.2)
    assert rows(home, EDGES) == [("buff163", "steam", "bid", Decimal("1.04"), Decimal("0.04"))]


def test_a_ghost_is_neither_bought_nor_sold(home: WarehousePaths) -> None:
    market(home, "removed", 0, ask(50, "buff163"), ask(500, "c5"), basket="removed")
    market(home, "a", 31, ask(120, "steam"))
    assert rows(home, EDGES) == []


def test_both_apis_in_one_database(sandbox: Sandbox, tmp_path: Path) -> None:
    bench = both(tmp_path, sandbox, catalog_of("steam", "csfloat", "c5"), sharks())
    assert [result.exit_code for result in bench.snapshot()] == [0, 0]
    phased = {name for (name,) in bench.ask("SELECT market_hash_name FROM items WHERE phase IS NOT NULL")}
    lowest: dict[tuple[str, str | None], Decimal] = {}
    for name, phase, price in bench.ask("SELECT market_hash_name, phase, price FROM quotes"):
        if phase or name not in phased:
            lowest[name, phase] = min(price, lowest.get((name, phase), price))
    best = bench.ask("SELECT market_hash_name, phase, price, source FROM best_ask")
    assert {(name, phase): price for name, phase, price, _ in best} == lowest
    assert {source for *_, source in best} == {"cs2cap", "skinshark"}

    sold = bench.ask("SELECT DISTINCT sold_at FROM spreads WHERE bought_at = 'skinshark' ORDER BY ALL")
    assert sold == [("csfloat",), ("steam",)]
