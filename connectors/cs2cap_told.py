"""The pages of a walk through everything, passed on as they came.

Each row is looked at once, to see that it is what the contract says, and for what it is about: the walk
depends on it. Nothing here needs more than that, so that a process of its own is soon ready for it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Raw

from connectors.base import Told
from connectors.cs2cap_listing import read_listing
from connectors.cs2cap_question import Question, check_answer, check_providers
from connectors.cs2cap_rows import OFFERS, Offers, Row
from connectors.inflate import Inflate
from connectors.naming import NO_PHASE, fingerprint_of
from connectors.paging import Sheet

_ROWS: Final = {name: msgspec.json.Decoder(offers.row) for name, offers in OFFERS.items()}


def tell_page(question: Question, offset: int, inflate: Inflate, moment: datetime) -> tuple[Told, Sheet]:
    """Pass on the rows of an answer that `inflate` gives and that the server sent at `moment` (UTC).

    Raises ContractBroken, WalkBroken, and Disconnected where the body was cut.
    """
    source, offers = question.source, question.offers
    body = inflate()
    listing = read_listing(body, source, offers)
    footer = listing.pagination
    check_answer(question, offset, listing.meta.currency, footer.offset)
    raws = _each_on_a_line(listing.items) if b"\n" in body else listing.items
    rows = exact_rows(b"\n".join(raws), offers)
    keys, providers, others = _of_rows(rows) if rows is not None else _of_odd(raws, offers, source)
    check_providers(providers, question.providers, source)
    fingerprint, distinct = fingerprint_of(keys), len(set(keys))
    told = Told(
        *(question.place, footer.offset, footer.total, moment, fingerprint, raws, offers.written),
        *(rows is not None, providers),
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
        *(question.place, offset, total, moment, fingerprint, (), question.offers.written),
        *(True, frozenset()),
    )
    return told, Sheet(offset, 1, total, False, [], fingerprint)


def _each_on_a_line(raws: Sequence[Raw]) -> Sequence[Raw]:
    """The same rows where between the values of one a line may have ended: in a text, none does."""
    return [Raw(b" ".join(bytes(raw).splitlines())) for raw in raws]


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


def _of_odd(raws: Sequence[Raw], offers: Offers, source: str) -> tuple[list[str], frozenset[str], int]:
    """The same of rows that are not all as they should be, and how many of them do not fit at all."""
    from connectors.cs2cap_answers import sort_out
    from connectors.frames import providers_of

    rows = sort_out(raws, offers, source)
    return list(rows.keys), providers_of(rows.frame), len(rows.rejects) + rows.surplus
