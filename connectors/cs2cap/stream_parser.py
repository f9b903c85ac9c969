"""The text of a stream, typed: pieces of its body in, a page of whole lines out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from common.errors import UnexpectedResponse
from common.shards import Item
from connectors.cs2cap.contract import BookSide, check_providers
from connectors.cs2cap.parser import parse_ndjson
from connectors.cs2cap.raw_page import decode_exact_rows
from connectors.cs2cap.typed_page import filter_items
from connectors.http.compression import Decompressor
from connectors.pages import RawChunk, TypedPage
from connectors.pagination import PageInfo
from connectors.schemas import providers_in

# What comes after a piece: another one; nothing, and the body is whole; nothing, because it broke off.
StreamEnd = Literal["more", "whole", "torn"]
_LONGEST_LINE: Final = 2**20


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """One answer that streams `offers`: what was asked for and what its headers say.

    `total` is -1 where it was not told. The rows of other items than those `wanted` are dropped, if there are
    such.
    """

    source: str
    offers: BookSide
    providers: frozenset[str]
    wanted: tuple[Item, ...] | None
    encoding: str
    moment: datetime
    total: int


class NdjsonReader:
    """A body that comes in pieces: between two of them stay the inflater and a line that was cut."""

    def __init__(self, stream: StreamInfo) -> None:
        self._what, self._source = f"POST {stream.offers.path}", stream.source
        self.inflater = Decompressor(stream.encoding, self._what, self._source)
        self._cut = b""

    def feed(self, raw: bytes, ending: StreamEnd) -> Iterator[bytes]:
        """Return the lines that `raw` completes, some at a time; those of a whole body all have an end."""
        for told in self.inflater.feed(raw):
            text = self._cut + told
            end = text.rfind(b"\n") + 1
            self._cut = text[end:]
            if len(self._cut) > _LONGEST_LINE:
                raise UnexpectedResponse(f"{self._what}: a line without end", self._source)
            if end:
                yield text[:end]
        if ending == "whole" and self.inflater.at_end and self._cut:
            last, self._cut = self._cut, b""
            yield last + b"\n"


class TypedStreamParser:
    """Makes pages of a body that comes in pieces."""

    def __init__(self, stream: StreamInfo) -> None:
        self._stream = stream
        self._reading = NdjsonReader(stream)
        self._rows = 0

    def feed(self, raw: bytes, ending: StreamEnd) -> tuple[TypedPage, PageInfo]:
        """Make the page of the lines that `raw`, the next piece of the body, completes.

        Its sheet counts all rows, also those of no wanted item, and says `has_next` for as long as the body
        has not ended. Raises ContractBroken, and Disconnected for what cannot be inflated.
        """
        stream, offset = self._stream, self._rows
        rows = parse_ndjson(b"".join(self._reading.feed(raw, ending)), stream.offers, stream.source)
        check_providers(providers_in(rows.frame), stream.providers, stream.source)
        count = rows.frame.height + rows.surplus + len(rows.rejects)
        self._rows += count
        # its total is no listing's: nothing else can be asked for from an offset
        page = TypedPage(
            *(0, offset, -1, stream.moment, filter_items(rows.frame, stream.wanted)),
            *(rows.rejects, rows.unknown_fields, ""),
        )
        more = ending != "whole" or not self._reading.inflater.at_end
        return page, PageInfo(offset, max(count, 1), stream.total, more, (), "", count)


class RawStreamParser:
    """Makes pieces of a body that arrives; `keys` are the providers to look out for."""

    def __init__(self, stream: StreamInfo, keys: Iterable[str]) -> None:
        self._stream = stream
        self._reading = NdjsonReader(stream)
        self._unseen = {key: f'"{key}"'.encode() for key in keys}
        self._rows = 0

    def feed(self, raw: bytes, ending: StreamEnd) -> tuple[RawChunk, PageInfo]:
        """Make the next piece; its sheet is that of a page of the lines which it completes.

        Raises ContractBroken, and Disconnected for what cannot be inflated.
        """
        stream, count, exact, seen = self._stream, 0, True, set[str]()
        parts = []
        for lines in self._reading.feed(raw, ending):
            parts.append(lines)
            rows = decode_exact_rows(lines, stream.offers)
            exact = exact and rows is not None
            count += lines.count(b"\n") if rows is None else len(rows)
            seen |= {key for key, quoted in self._unseen.items() if quoted in lines}
        for key in seen:
            del self._unseen[key]
        offset, self._rows = self._rows, self._rows + count
        piece = RawChunk(
            *(tuple(parts), stream.offers.wire_names, stream.moment, stream.total, offset, count, exact),
            providers=frozenset(seen),
        )
        more = ending != "whole" or not self._reading.inflater.at_end
        return piece, PageInfo(offset, max(count, 1), stream.total, more, (), "", count)
