"""The text of a stream, typed as it arrives: pieces of its body in, a page of whole lines out.

Between two pieces there is an inflater and a line that was cut. Both stay in the process that makes the
pages: what goes there is gzip, a tenth of the text that it holds.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from connectors.base import Page
from connectors.cs2cap_answers import Rows, sort_out
from connectors.cs2cap_page import check_providers, of_items
from connectors.cs2cap_rows import MOST_MINOR, TOLD, Offers, frame_of, typed_of
from connectors.errors import ContractBroken
from connectors.inflate import Inflater
from connectors.paging import Sheet
from connectors.plan import Item

# What comes after a piece: another one; nothing, and the body is whole; nothing, because it broke off.
Ending = Literal["more", "whole", "torn"]

_TEXT: Final = pa.large_string()
_LONGEST_LINE: Final = 2**20
_NEEDED: Final = ("item_id", "market_hash_name", "provider", "lowest_ask", "quantity")
# A thread more would take its time from the process that fetches.
_READ: Final = pj.ReadOptions(use_threads=False, block_size=1 << 20)


@dataclass(frozen=True, slots=True)
class Stream:
    """One answer that streams `offers`: what was asked for and what its headers say.

    `token` tells it from other streams of this process. `total` is -1 where it was not told. The rows of
    other items than those `wanted` are dropped, if there are such.
    """

    token: str
    source: str
    offers: Offers
    providers: frozenset[str]
    wanted: tuple[Item, ...] | None
    encoding: str
    moment: datetime
    total: int


class _Reading:
    """What stays of a stream between two pieces."""

    def __init__(self, stream: Stream) -> None:
        self._what, self._source = f"POST {stream.offers.path}", stream.source
        self.inflater = Inflater(stream.encoding, self._what, self._source)
        self.rows = 0
        self._cut = b""

    def lines(self, raw: bytes, ending: Ending) -> bytes:
        """Return the lines that `raw` completes."""
        text = self._cut + self.inflater.feed(raw)
        end = len(text) if ending == "whole" and self.inflater.ended else text.rfind(b"\n") + 1
        self._cut = text[end:]
        if len(self._cut) > _LONGEST_LINE:
            raise ContractBroken(f"{self._what}: a line without end", self._source)
        return text[:end]


# By token: what a piece needs and no pickle can bring.
_readings: Final[dict[str, _Reading]] = {}


def read_piece(stream: Stream, raw: bytes, ending: Ending) -> tuple[Page, Sheet]:
    """Make the page of the lines that `raw`, the next piece of the body, completes.

    Its sheet counts all rows, also those of no wanted item, and says `has_next` for as long as the body has
    not ended. Raises ContractBroken, and Disconnected for what cannot be inflated.
    """
    reading = _readings.pop(stream.token, None) or _Reading(stream)
    offset = reading.rows
    rows = typed(reading.lines(raw, ending), stream.offers, stream.source)
    check_providers(rows.frame, stream.providers, stream.source)
    count = rows.frame.height + rows.surplus + len(rows.rejects)
    reading.rows += count
    if ending == "more":
        _readings[stream.token] = reading
    # its total is no listing's: nothing else can be asked for from an offset
    page = Page(
        *(0, offset, -1, stream.moment, of_items(rows.frame, stream.wanted)),
        *(rows.rejects, rows.unknown_fields, ""),
    )
    more = ending != "whole" or not reading.inflater.ended
    return page, Sheet(offset, max(count, 1), stream.total, more, (), "", count)


def typed(text: bytes, offers: Offers, source: str) -> Rows:
    """Type whole lines, schema `QUOTES`; `keys` are left out.

    Arrow reads them all at once and is strict: of a chunk with anything that the contract does not have, a
    field nobody knows included, it takes nothing. Only such a chunk is looked at line by line.
    """
    with suppress(pa.ArrowInvalid):
        frame = _at_once(text, offers)
        if frame is not None:
            return Rows(frame, ())
    return sort_out(filter(bytes.strip, text.split(b"\n")), offers, source)


def _at_once(text: bytes, offers: Offers) -> pl.DataFrame | None:
    written = offers.written
    schema = pa.schema({there: TOLD.get(here, _TEXT) for here, there in written.items()})
    exactly = pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error")
    table = pj.read_json(pa.BufferReader(text), read_options=_READ, parse_options=exactly).combine_chunks()
    table.validate(full=True)  # of bytes that are no UTF-8, the reader says nothing
    told = {name: table[written[name]].combine_chunks() for name in TOLD}
    rows = typed_of(told, offers) if len(table) and _sound(told) else None
    return None if rows is None else frame_of(rows)


def _sound(told: Mapping[str, pa.Array]) -> bool:
    """See that nothing is missing or out of bounds."""
    if any(told[name].null_count for name in _NEEDED):
        return False
    if any(pc.any(pc.equal(told[name], "")).as_py() for name in ("market_hash_name", "provider")):
        return False
    least = (pc.min(told[name]).as_py() for name in ("lowest_ask", "quantity"))
    return all(number >= 0 for number in least) and pc.max(told["lowest_ask"]).as_py() <= MOST_MINOR
