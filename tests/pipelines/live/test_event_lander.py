"""What a feed tells is landed in as few micro-batches as a load can take."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from common.clock import SystemClock
from connectors.cs2cap.feed import FeedEvent, FeedRow
from pipelines.live.event_lander import EventLander
from tests.support.clocks import NOON
from tests.support.snapshots import Bench, catalog_of
from warehouse.landing.inventory import list_landings
from warehouse.landing.reader import read_run

Told = tuple[int, dict[int, int]]  # the second in which a marketplace was seen, and the prices of items


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench.create(tmp_path, {"cs2cap": "http://127.0.0.1:9"}, catalog_of("steam", live=True))
    bench.prepare()
    return bench


def land(bench: Bench, told: Sequence[Told]) -> None:
    """Land events at once, as those of a feed that has just sent them."""
    settings = bench.settings
    landed: list[None] = []

    async def main() -> None:
        lander = EventLander(
            settings,
            settings.baskets[0],
            "standard",
            SystemClock(),
            on_landed=lambda: landed.append(None),
            count_requests=lambda: 0,
        )
        for second, prices in told:
            rows = tuple(
                FeedRow(item_id=item, market_hash_name=f"Item {item}", change="updated", price=price, qty=1)
                for item, price in prices.items()
            )
            await lander.add(FeedEvent("steam", NOON + timedelta(seconds=second), rows, (), {}))
        landing = asyncio.create_task(lander.run())
        await asyncio.sleep(0)
        landing.cancel()
        await asyncio.gather(landing, return_exceptions=True)
        await asyncio.sleep(0)

    asyncio.run(main())
    assert len(landed) == 1


def rows_of(bench: Bench) -> list[list[tuple[int, int, int]]]:
    """Return the second, the item and the price of each row, by landing."""
    landings = []
    for folder in list_landings(bench.paths.landing):
        rows = [
            ((meta.observed_at - NOON).seconds, int(item.as_py()), price.as_py())
            for shard in read_run(folder).shards
            for meta, batch in shard.batches()
            for item, price in zip(batch["item_id"], batch["lowest_ask"], strict=True)
        ]
        landings.append(sorted(rows))
    return sorted(landings)


def test_what_is_told_anew_of_quotes_shares_a_landing(bench: Bench) -> None:
    """Quotes that change twice within a micro-batch, one after the other, need one landing more."""
    land(bench, [(second, {item: 100 + second}) for item in range(50) for second in range(2)])
    assert rows_of(bench) == [[(second, item, 100 + second) for item in range(50)] for second in range(2)]


def test_repeated_events_are_landed_once(bench: Bench) -> None:
    first, second = (1, {1: 100, 2: 200}), (2, {1: 101})
    land(bench, [first, second, first, second])
    assert rows_of(bench) == [[(1, 1, 100), (1, 2, 200)], [(2, 1, 101)]]
