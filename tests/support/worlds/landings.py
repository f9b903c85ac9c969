"""The landing of one run of a world: what the model reads, and the writer that puts it on disk."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from connectors.cs2cap.contract import BOOK_SIDES
from connectors.schemas import FX, ITEMS
from tests.support.warehouse import Quote, ShardSpec, quotes_frame
from warehouse.landing.model import RunHeader
from warehouse.landing.writer import LandingWriter, ShardWriter


@dataclasses.dataclass(frozen=True, slots=True)
class CatalogItem:
    """An item of a catalog, with two of its attributes."""

    item_id: str
    market_hash_name: str
    phase: str | None
    item_type: str
    rarity_name: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class RateTable:
    """A table of exchange rates: units of each currency for one US dollar, under its own time."""

    moment: datetime
    rates: Mapping[str, Decimal]


@dataclasses.dataclass(frozen=True, slots=True)
class Landing:
    """A run of a world. `facts` are further fields of done.json; with `state=None` the process died.

    A catalog or table that the run did not fetch is None. Shards of a `raw` landing are written as NDJSON.
    """

    header: RunHeader
    shards: Sequence[ShardSpec] = ()
    state: str | None = "done"
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    items: Sequence[CatalogItem] | None = None
    rates: RateTable | None = None
    raw: bool = False

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.header.run_id

    @property
    def source(self) -> str:
        """The source of the run."""
        return self.header.source


def write_landing(root: Path, landing: Landing) -> Path:
    """Write a landing as the product does; return its folder."""
    with LandingWriter(root, landing.header) as writer:
        for number, shard in enumerate(landing.shards, 1):
            shard_writer = writer.open_shard(shard.header(number))
            write = _write_raw_pages if landing.raw else _write_typed_pages
            write(shard_writer, shard)
            if landing.state is not None:
                shard_writer.finish(complete=shard.complete, reason=shard_reason(shard))
        if landing.items is not None:
            rows = [dataclasses.asdict(item) for item in landing.items]
            writer.add_catalog("items", pl.DataFrame(rows, schema=ITEMS))
        if landing.rates is not None:
            writer.add_catalog("fx", _rates_frame(landing.rates))
        if landing.state is not None:
            writer.finish(landing.state, **landing.facts)
    return writer.folder


def shard_reason(shard: ShardSpec) -> str | None:
    """Return the reason that a finished shard gives where it is not complete."""
    return None if shard.complete else "cut short"


def _write_typed_pages(writer: ShardWriter, shard: ShardSpec) -> None:
    for page in shard.pages:
        writer.append(page.meta(), quotes_frame(page.quotes))


def _write_raw_pages(writer: ShardWriter, shard: ShardSpec) -> None:
    (delivery,) = shard.deliveries
    names = BOOK_SIDES[delivery].wire_names
    for page in shard.pages:
        lines = [_to_line(quote, names) for quote in page.quotes]
        writer.ndjson_writer.append_page(page.meta(), lines, exact=True, written=names)


def _to_line(quote: Quote, names: Mapping[str, str]) -> bytes:
    row = quote.row()
    fields = {
        "provider": row["provider"],
        "item_id": int(row["item_id"]),
        "market_hash_name": row["market_hash_name"],
        "phase": row["phase"],
        "lowest_ask": row["lowest_ask"],
        "lowest_ask_decimal": f"{row['price']:f}",
        "quantity": row["quantity"],
        "url": row["url"],
        "timestamp": _to_iso(row["timestamp"]),
        "last_updated": _to_iso(row["last_updated"]),
    }
    return json.dumps({names[name]: value for name, value in fields.items()}, ensure_ascii=False).encode()


def _to_iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _rates_frame(table: RateTable) -> pl.DataFrame:
    rows = [(currency, rate, table.moment) for currency, rate in table.rates.items()]
    return pl.DataFrame(rows, schema=FX, orient="row")
