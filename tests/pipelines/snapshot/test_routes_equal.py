"""All routes return the same quotes, equal to the market, for random shards of random markets."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from common.shards import Item
from connectors.base import ExtractResult
from connectors.shards import ASK_DELIVERIES, BID_DELIVERIES, Route, Shard
from sandbox.core import Sandbox
from sandbox.options import Options
from sandbox.server import serve
from tests.support.clocks import NOON
from tests.support.cs2cap import extract

BUYERS = ("steam", "buff163", "csfloat", "youpin")


def catalog(box: Sandbox) -> list[Item]:
    """Return every entry of a listing: the phases of a phased item, and no aggregate."""
    rows = box.ledger().select("item_id", "market_hash_name", "phase").unique(maintain_order=True).rows()
    return [Item(str(item_id), name, phase) for item_id, name, phase in rows]


def extract_rows(box: Sandbox, shard: Shard) -> list[tuple[object, ...]]:
    """Return the rows of a shard by its route, with times in whole seconds as in a batch."""
    parts = [shard]
    if shard.route == "catalog":
        parts = [replace(shard, providers=(key,)) for key in shard.providers]
    rows = []
    for part in parts:
        landing, outcome = extract(box.url, part, limit=30)
        assert isinstance(outcome, ExtractResult), outcome
        rows.append(landing.rows)
    return comparable(pl.concat(rows).with_columns(pl.col("price").cast(pl.String)))


def comparable(rows: pl.DataFrame) -> list[tuple[object, ...]]:
    """Return sorted rows without the URLs, which a batch does not have."""
    times = [pl.col(name).dt.truncate("1s") for name in ("timestamp", "last_updated")]
    names = ("provider", "item_id", "market_hash_name", "phase", "delivery", "lowest_ask", "price")
    return sorted(rows.select(*names, "quantity", *times).rows(), key=str)


def ledger(box: Sandbox, shard: Shard) -> list[tuple[object, ...]]:
    """Return the rows of a shard in the market of the sandbox."""
    items = None if shard.items is None else [int(item.item_id or 0) for item in shard.items]
    bids = shard.deliveries == BID_DELIVERIES
    expected = box.ledger(currency=shard.currency, providers=shard.providers, item_ids=items, bids=bids)
    ours = {"highest_bid": "lowest_ask", "highest_bid_decimal": "lowest_ask_decimal", "num_bids": "quantity"}
    return comparable(
        expected.rename(ours if bids else {}).with_columns(
            pl.col("item_id").cast(pl.String),
            pl.lit(shard.deliveries[0]).alias("delivery"),
            price=pl.col("lowest_ask_decimal").cast(pl.Decimal(20, 8)).cast(pl.String),
        )
    )


def routes(shard: Shard) -> Sequence[Route]:
    """Return the routes that can fetch a shard."""
    listing: tuple[Route, ...] = ("catalog", "stream") if shard.currency == "USD" else ("catalog",)
    return listing if shard.items is None else ("item", "batch", *listing)


@pytest.mark.slow
@settings(max_examples=12)
@given(
    seed=st.integers(0, 10_000),
    share=st.floats(0, 1),
    providers=st.lists(st.sampled_from(BUYERS), min_size=1, unique=True),
    deliveries=st.sampled_from([ASK_DELIVERIES, BID_DELIVERIES]),
    currency=st.sampled_from(["USD", "EUR", "BTC"]),
    moved=st.integers(0, 40),
)
def test_all_routes_return_the_rows_of_the_market(
    seed: int,
    share: float,
    providers: list[str],
    deliveries: tuple[str, ...],
    currency: str,
    moved: int,
) -> None:
    with serve(Options(items=40, frozen=NOON, refresh=0, limits=False, seed=seed, tier="pro")) as box:
        box.advance(7.25)
        box.move(moved, seed=seed)
        box.vanish(moved, seed=seed + 1)
        entries = catalog(box)
        items = tuple(entries[: round(share * len(entries))]) or None
        shard = Shard(0, "cs2cap", currency, tuple(providers), items, deliveries)
        expected = ledger(box, shard)
        for route in routes(shard):
            assert extract_rows(box, replace(shard, route=route)) == expected, route


@pytest.mark.parametrize("route", ["item", "batch"])
def test_aggregate_is_requested_by_name(sandbox: Sandbox, route: Route) -> None:
    phased = next(item for item in catalog(sandbox) if item.phase is not None)
    by_name = Item(None, phased.market_hash_name, None)
    landing, outcome = extract(sandbox.url, Shard(0, "cs2cap", "USD", BUYERS, (by_name,), route=route))
    assert isinstance(outcome, ExtractResult)
    assert set(landing.rows["market_hash_name"]) == {phased.market_hash_name}
    assert set(landing.rows["phase"]) == {None}
    assert landing.rows.height > 1


def test_listing_route_of_other_sources_is_refused(sandbox: Sandbox) -> None:
    _, error = extract(sandbox.url, Shard(0, "cs2cap", "USD", BUYERS, None, route="listing"))
    assert "no route that lists everything at once" in str(error)
    assert len(sandbox.requests) == 0
