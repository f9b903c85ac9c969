"""The pieces of a stream of everything, passed on as they came, each row looked at once."""

from collections.abc import Iterable

from connectors.base import Piece
from connectors.cs2cap_lines import Ending, Reading, Stream
from connectors.cs2cap_told import exact_rows
from connectors.paging import Sheet


class Telling:
    """Makes pieces of a body that arrives; `keys` are the providers to look out for."""

    def __init__(self, stream: Stream, keys: Iterable[str]) -> None:
        self._stream = stream
        self._reading = Reading(stream)
        self._unseen = {key: f'"{key}"'.encode() for key in keys}
        self._rows = 0

    def piece(self, raw: bytes, ending: Ending) -> tuple[Piece, Sheet]:
        """Make the next piece; its sheet is that of a page of the lines which it completes.

        Raises ContractBroken, and Disconnected for what cannot be inflated.
        """
        stream, count, exact, seen = self._stream, 0, True, set[str]()
        parts = []
        for lines in self._reading.lines(raw, ending):
            parts.append(lines)
            rows = exact_rows(lines, stream.offers)
            exact = exact and rows is not None
            count += lines.count(b"\n") if rows is None else len(rows)
            seen |= {key for key, quoted in self._unseen.items() if quoted in lines}
        for key in seen:
            del self._unseen[key]
        offset, self._rows = self._rows, self._rows + count
        piece = Piece(
            *(tuple(parts), stream.offers.written, stream.moment, stream.total, offset, count, exact),
            providers=frozenset(seen),
        )
        more = ending != "whole" or not self._reading.inflater.ended
        return piece, Sheet(offset, max(count, 1), stream.total, more, (), "", count)
