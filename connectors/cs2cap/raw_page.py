"""The pages of a walk through everything, passed on as they came.

Each row is looked at once, to see that it is what the contract says, and for what it is about: the walk
depends on it. Nothing here needs more than that, so that a process of its own is soon ready for it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Raw

from connectors.cs2cap.contract import (
    BOOK_SIDES,
    BookSide,
    PageQuery,
    Row,
    check_providers,
    check_response,
    decode_listing,
)
from connectors.http.compression import Decompress
from connectors.pages import NO_PHASE, RawPage, fingerprint_keys
from connectors.pagination import PageInfo

_ROWS: Final = {name: msgspec.json.Decoder(offers.row) for name, offers in BOOK_SIDES.items()}


def parse_raw_page(
    question: PageQuery, offset: int, inflate: Decompress, moment: datetime
) -> tuple[RawPage, PageInfo]:
    """Pass on the rows of an answer that `inflate` gives and that the server sent at `moment` (UTC).

    Raises ContractBroken, WalkBroken, and Disconnected where the body was cut.
    """
    source, offers = question.source, question.offers
    body = inflate()
    listing = decode_listing(body, source, offers)
    footer = listing.pagination
    check_response(question, offset, listing.meta.currency, footer.offset)
    raws = _strip_newlines(listing.items) if b"\n" in body else listing.items
    rows = decode_exact_rows(b"\n".join(raws), offers)
    keys, providers, others = (
        _keys_and_providers(rows) if rows is not None else _keys_and_providers_leniently(raws, offers, source)
    )
    check_providers(providers, question.providers, source)
    fingerprint, distinct = fingerprint_keys(keys), len(set(keys))
    told = RawPage(
        *(question.place, footer.offset, footer.total, moment, fingerprint, raws, offers.wire_names),
        *(rows is not None, providers),
    )
    sheet = PageInfo(
        *(footer.offset, footer.limit, footer.total, footer.has_next),
        *(list(dict.fromkeys(keys)) if distinct < len(keys) else keys, fingerprint),
        others=others + len(keys) - distinct,
    )
    return told, sheet


def empty_raw_page(
    question: PageQuery, offset: int, total: int, moment: datetime
) -> tuple[RawPage, PageInfo]:
    """What takes the place of a page that is no more."""
    fingerprint = fingerprint_keys([])
    told = RawPage(
        *(question.place, offset, total, moment, fingerprint, (), question.offers.wire_names),
        *(True, frozenset()),
    )
    return told, PageInfo(offset, 1, total, False, [], fingerprint)


def _strip_newlines(raws: Sequence[Raw]) -> Sequence[Raw]:
    """The same rows where between the values of one a line may have ended: in a text, none does."""
    return [Raw(b" ".join(bytes(raw).splitlines())) for raw in raws]


def decode_exact_rows(lines: bytes, offers: BookSide) -> list[Row] | None:
    """The rows of whole lines, if each has the fields of the contract and no others, each of its kind."""
    try:
        return _ROWS[offers.delivery].decode_lines(lines)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _keys_and_providers(rows: Sequence[Row]) -> tuple[list[str], frozenset[str], int]:
    """What rows are about, as `frames.joined` has it, and whom they are from."""
    keys = [f"{row.item_id}\t{NO_PHASE if row.phase is None else row.phase}\t{row.provider}" for row in rows]
    return keys, frozenset({row.provider for row in rows}), 0


def _keys_and_providers_leniently(
    raws: Sequence[Raw], offers: BookSide, source: str
) -> tuple[list[str], frozenset[str], int]:
    """The same of rows that are not all as they should be, and how many of them do not fit at all."""
    from connectors.cs2cap.parser import parse_rows_individually
    from connectors.schemas import providers_in

    rows = parse_rows_individually(raws, offers, source)
    return list(rows.keys), providers_in(rows.frame), len(rows.rejects) + rows.surplus
