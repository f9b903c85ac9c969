"""What a killed follower had on disk: the rows of its landings."""

from __future__ import annotations

from collections.abc import Iterator

from bench.live_feed.timeline import Change
from warehouse.landing.inventory import list_landings
from warehouse.landing.reader import read_run
from warehouse.paths import WarehousePaths

COLUMNS = ("provider", "item_id", "lowest_ask", "quantity")


def read_landed(paths: WarehousePaths) -> Iterator[Change]:
    """Yield the rows that a feed told, of all landings; what was written in part only is no row."""
    for folder in list_landings(paths.landing):
        run = read_run(folder)
        for shard in run.shards if run.header.flow == "live" else ():
            for meta, batch in shard.batches(COLUMNS):
                for row in batch.to_pylist():
                    ask = row["lowest_ask"]
                    state = None if ask is None else (ask, row["quantity"])
                    yield Change(meta.observed_at, (row["provider"], row["item_id"]), state)
