"""Answers that tell of everything, passed on as they came: pieces of a stream, the rows of a walk's page.

Each row is looked at once, to see that it is what the contract says; those of a page also for what they are
about, because their walk depends on it.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Raw

from connectors.base import Piece, Told
from connectors.cs2cap_answers import decode, read_answer, sort_out
from connectors.cs2cap_lines import Ending, Reading, Stream
from connectors.cs2cap_page import Question, check_answer, check_providers
from connectors.cs2cap_rows import OFFERS, Offers, Row
from connectors.frames import NO_PHASE, fingerprint_of, providers_of
from connectors.inflate import Inflate
from connectors.paging import Sheet

_ROWS: Final = {name: msgspec.json.Decoder(offers.row) for name, offers in OFFERS.items()}
_LISTS: Final = {name: msgspec.json.Decoder(list[offers.row]) for name, offers in OFFERS.items()}  # type: ignore[name-defined]
_RAWS: Final = msgspec.json.Decoder(list[Raw])


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


def tell_page(question: Question, offset: int, inflate: Inflate, moment: datetime) -> tuple[Told, Sheet]:
    """Pass on the rows of an answer that `inflate` gives and that the server sent at `moment` (UTC).

    Raises ContractBroken, WalkBroken, and Disconnected where the body was cut.
    """
    source, offers = question.source, question.offers
    answer = read_answer(inflate(), source, offers)
    footer = answer.pagination
    check_answer(question, offset, answer.meta.currency, footer.offset)
    lines, rows = _taken_apart(answer.items, offers, source)
    keys, providers, others = _of_rows(rows) if rows is not None else _of_odd(lines, offers, source)
    check_providers(providers, question.providers, source)
    fingerprint, distinct = fingerprint_of(keys), len(set(keys))
    told = Told(
        *(question.place, footer.offset, footer.total, moment, fingerprint, lines, offers.written),
        *(lines.count(b"\n"), rows is not None, providers),
    )
    sheet = Sheet(
        *(footer.offset, footer.limit, footer.total, footer.has_next),
        *(list(dict.fromkeys(keys)) if distinct < len(keys) else keys, fingerprint),
        others=others + len(keys) - distinct,
    )
    return told, sheet


def nothing(question: Question, offset: int, total: int, moment: datetime) -> tuple[Told, Sheet]:
    """What takes the place of a page that is no more."""
    fingerprint = fingerprint_of([])
    told = Told(
        *(question.place, offset, total, moment, fingerprint, b"", question.offers.written),
        *(0, True, frozenset()),
    )
    return told, Sheet(offset, 1, total, False, [], fingerprint)


def _taken_apart(items: Raw, offers: Offers, source: str) -> tuple[bytes, list[Row] | None]:
    """Put each row on a line of its own; and the rows, if all of them are exact.

    What is exact has nothing nested: where no text has a brace that closes, each of them ends a row. As a
    rule, no blank stands behind it.
    """
    with suppress(msgspec.DecodeError, UnicodeDecodeError):
        rows = _LISTS[offers.delivery].decode(items)
        lines = bytes(items)[1:-1].replace(b"},{", b"}\n{") + b"\n"
        if lines.count(b"}") == lines.count(b"\n") == len(rows):
            return lines, rows
    raws = decode(_RAWS, bytes(items), offers.path, source)
    # between the values of a row, a line may have ended
    lines = b"".join(b" ".join(bytes(raw).splitlines()) + b"\n" for raw in raws)
    return lines, exact_rows(lines, offers)


def exact_rows(lines: bytes, offers: Offers) -> list[Row] | None:
    """The rows of whole lines, if each has the fields of the contract and no others, each of its kind."""
    try:
        return _ROWS[offers.delivery].decode_lines(lines)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _of_rows(rows: Sequence[Row]) -> tuple[list[str], frozenset[str], int]:
    """What rows are about, as `frames.joined` has it, and whom they are from."""
    keys = [f"{row.item_id}\t{NO_PHASE if row.phase is None else row.phase}\t{row.provider}" for row in rows]
    return keys, frozenset({row.provider for row in rows}), 0


def _of_odd(lines: bytes, offers: Offers, source: str) -> tuple[list[str], frozenset[str], int]:
    """The same of rows that are not all as they should be, and how many of them do not fit at all."""
    rows = sort_out(lines.split(b"\n")[:-1], offers, source)
    return list(rows.keys), providers_of(rows.frame), len(rows.rejects) + rows.surplus
