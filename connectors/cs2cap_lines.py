"""The text of a stream, typed: pieces of its body in, a page of whole lines out."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from connectors.base import Page
from connectors.cs2cap_answers import read_lines
from connectors.cs2cap_page import of_items
from connectors.cs2cap_question import check_providers
from connectors.cs2cap_rows import Offers
from connectors.errors import ContractBroken
from connectors.frames import providers_of
from connectors.inflate import Inflater
from connectors.paging import Sheet
from connectors.plan import Item

# What comes after a piece: another one; nothing, and the body is whole; nothing, because it broke off.
Ending = Literal["more", "whole", "torn"]

_LONGEST_LINE: Final = 2**20


@dataclass(frozen=True, slots=True)
class Stream:
    """One answer that streams `offers`: what was asked for and what its headers say.

    `total` is -1 where it was not told. The rows of other items than those `wanted` are dropped, if there are
    such.
    """

    source: str
    offers: Offers
    providers: frozenset[str]
    wanted: tuple[Item, ...] | None
    encoding: str
    moment: datetime
    total: int


class Reading:
    """A body that comes in pieces: between two of them stay the inflater and a line that was cut."""

    def __init__(self, stream: Stream) -> None:
        self._what, self._source = f"POST {stream.offers.path}", stream.source
        self.inflater = Inflater(stream.encoding, self._what, self._source)
        self._cut = b""

    def lines(self, raw: bytes, ending: Ending) -> Iterator[bytes]:
        """Return the lines that `raw` completes, some at a time; those of a whole body all have an end."""
        for told in self.inflater.parts(raw):
            text = self._cut + told
            end = text.rfind(b"\n") + 1
            self._cut = text[end:]
            if len(self._cut) > _LONGEST_LINE:
                raise ContractBroken(f"{self._what}: a line without end", self._source)
            if end:
                yield text[:end]
        if ending == "whole" and self.inflater.ended and self._cut:
            last, self._cut = self._cut, b""
            yield last + b"\n"


class Typing:
    """Makes pages of a body that comes in pieces."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._reading = Reading(stream)
        self._rows = 0

    def page(self, raw: bytes, ending: Ending) -> tuple[Page, Sheet]:
        """Make the page of the lines that `raw`, the next piece of the body, completes.

        Its sheet counts all rows, also those of no wanted item, and says `has_next` for as long as the body
        has not ended. Raises ContractBroken, and Disconnected for what cannot be inflated.
        """
        stream, offset = self._stream, self._rows
        rows = read_lines(b"".join(self._reading.lines(raw, ending)), stream.offers, stream.source)
        check_providers(providers_of(rows.frame), stream.providers, stream.source)
        count = rows.frame.height + rows.surplus + len(rows.rejects)
        self._rows += count
        # its total is no listing's: nothing else can be asked for from an offset
        page = Page(
            *(0, offset, -1, stream.moment, of_items(rows.frame, stream.wanted)),
            *(rows.rejects, rows.unknown_fields, ""),
        )
        more = ending != "whole" or not self._reading.inflater.ended
        return page, Sheet(offset, max(count, 1), stream.total, more, (), "", count)
