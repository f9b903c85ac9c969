"""Read single rows again from the landings on disk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from common.clock import MAX_CLOCK_SKEW
from warehouse.landing.model import PageMeta
from warehouse.landing.ndjson import RowParser
from warehouse.landing.reader import CorruptLanding, LandedRun, LandedShard, read_run, refuse_corrupt_files
from warehouse.loading.late_quotes import LateQuote
from warehouse.loading.timeline import State, Timeline

SELECT_NAMES: Final = """
SELECT quote_key, item_id, phase, base_name, provider, currency, delivery FROM late_key
"""
# The name of a row's identity, the order of duplicates (see load/remove_duplicates.sql), and its state.
IDENTITY: Final = ("item_id", "phase", "base_name", "provider", "currency", "delivery")
ORDER: Final = ("timestamp", "last_updated")
STATE: Final = ("lowest_ask", "price", "quantity", *ORDER)
Identity = tuple[str | None, ...]


class LandedRows:
    """The rows of late quotes in the landings of a folder."""

    def __init__(self, db: duckdb.DuckDBPyConnection, landings: Path, row_parser: RowParser) -> None:
        self._identities: dict[int, Identity] = {
            key: tuple(rest) for key, *rest in db.execute(SELECT_NAMES).fetchall()
        }
        self._landings = landings
        self._row_parser = row_parser
        self._missing: set[tuple[str, int]] = set()  # run_id and quote_key

    def complete(self, quotes: Mapping[int, LateQuote], timelines: Mapping[int, Timeline]) -> set[int]:
        """Give the sightings that are changes now their rows; return the keys of the quotes with new ones."""
        wanted: dict[str, dict[Identity, LateQuote]] = defaultdict(dict)
        for key, timeline in timelines.items():
            quote = quotes[key]
            for position in quote.find_unknown_rows(timeline):
                run_id = quote.sightings[position].run_id
                if (run_id, key) not in self._missing:
                    self._missing.add((run_id, key))
                    wanted[run_id][self._identities[key]] = quote
        return {key for run_id, by_name in wanted.items() for key in self._read_run(run_id, by_name)}

    def _read_run(self, run_id: str, quotes: Mapping[Identity, LateQuote]) -> set[int]:
        folder = self._landings / run_id
        try:
            with refuse_corrupt_files(folder):
                rows = dict(self._find_rows(read_run(folder), quotes))
        except (OSError, CorruptLanding):
            return set()
        for (identity, at), state in rows.items():
            quote = quotes[identity]
            quote.sightings = [
                sighting._replace(state=state)
                if sighting.run_id == run_id and sighting.at == at
                else sighting
                for sighting in quote.sightings
            ]
        return {quotes[identity].quote_key for identity, _ in rows}

    def _find_rows(
        self, run: LandedRun, quotes: Mapping[Identity, LateQuote]
    ) -> Iterator[tuple[tuple[Identity, int], State]]:
        """Yield the rows of the quotes, of duplicates the one that counts last."""
        latest = run.landed_to + MAX_CLOCK_SKEW
        names = pl.DataFrame([*quotes], schema=dict.fromkeys(IDENTITY, pl.String), orient="row")
        pages = [
            rows.with_columns(
                base_name=pl.col("market_hash_name").str.split(" | ").list.first(),
                currency=pl.lit(currency),
                at=pl.lit(meta.moment),
            ).join(names, on=IDENTITY, how="semi", nulls_equal=True)
            for currency, meta, rows in self._pages(run)
        ]
        if not pages:
            return
        frame = pl.concat(pages).with_columns(
            pl.when(pl.col(name) <= latest).then(pl.col(name)).alias(name) for name in ORDER
        )
        frame = frame.sort(*ORDER, nulls_last=False).with_columns(
            pl.col(name).dt.epoch("us") for name in ("at", *ORDER)
        )
        for *identity, at, lowest_ask, price, quantity, changed_at, updated_at in frame.select(
            *IDENTITY, "at", *STATE
        ).iter_rows():
            yield (tuple(identity), at), State(lowest_ask, price, quantity, changed_at, updated_at)

    def _pages(self, run: LandedRun) -> Iterator[tuple[str, PageMeta, pl.DataFrame]]:
        for shard in run.all_shards:
            if isinstance(shard, LandedShard):
                for meta, batch in shard.batches():
                    yield shard.header.currency, meta, pl.DataFrame(batch)
            else:
                for meta, rows, _ in self._row_parser(shard):
                    yield shard.header.currency, meta, rows
