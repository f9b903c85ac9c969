"""Quotes as the JSON text of pages and streams."""

import json
from decimal import Decimal

from sandbox.clock import iso
from sandbox.market.catalog import Catalog, Item
from sandbox.market.market import Index
from sandbox.market.money import convert
from sandbox.market.rows import Row
from sandbox.market.sides import BookSide

LINK = "https://cs2c.app/r"


class RowRenderer:
    """Renders rows; an item without a phase has no `phase`, or null where `nulls`."""

    def __init__(self, catalog: Catalog, *, nulls: bool = False) -> None:
        self._item_fields = [item_fields(item, nulls=nulls) for item in catalog.items]  # by item_id, from 1

    def render(self, row: Row, side: BookSide, index: Index, *, rate: Decimal, url: bool) -> str:
        """Return one row, with a link where the side has links, and the raw `url` where requested."""
        item_id, provider, quote = row.item.item_id, row.provider, row.quote
        minor, decimal = convert(quote.price, rate)
        changed = "null" if quote.changed is None else f'"{iso(quote.changed)}"'
        raw = f',"url":"https://{provider}.example/item/{item_id}"' if url else ""
        links = f'"link":"{LINK}/{provider}/{item_id}"{raw},' if side.links else ""
        return (
            f'{{"provider":"{provider}",{self._item_fields[item_id - 1]},"{side.price}":{minor},'
            f'"{side.decimal}":"{decimal}","{side.quantity}":{quote.quantity},{links}'
            f'"timestamp":{changed},"last_updated":"{iso(index.updated(quote))}"}}'
        )


def item_fields(item: Item, *, nulls: bool = False) -> str:
    """Return the fields of a row that identify its item."""
    phase = f',"phase":{json.dumps(item.phase)}' if item.phase or nulls else ""
    return f'"item_id":{item.item_id},"market_hash_name":{json.dumps(item.name, ensure_ascii=False)}{phase}'
