"""Lines of a landing that the warehouse could not take as they are: a connector's careful reading of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import polars as pl

from connectors.cs2cap_answers import read_rows
from connectors.cs2cap_lines import Ending, Stream, Typing
from connectors.cs2cap_rows import OFFERS
from connectors.errors import Disconnected, FloorlineError
from connectors.frames import Reject
from warehouse.landed import Unreadable
from warehouse.lines import LandedLines
from warehouse.pages import PageMark

_PIECE: Final = 384 * 2**10


def retype(shard: LandedLines) -> Iterator[tuple[PageMark, pl.DataFrame, Mapping[str, int]]]:
    """Type lines: pages in their order, and how many of their rows carry which unknown field.

    Of what was torn, all that is whole. Raises Unreadable.
    """
    try:
        yield from _of_pages(shard) if shard.head.paged else _of_stream(shard)
    except Disconnected:  # the gzip was torn: what came before it is typed
        return
    except FloorlineError as error:
        raise Unreadable(shard.path.parent, f"{shard.path.name}: {error.detail}") from None


def _of_pages(shard: LandedLines) -> Iterator[tuple[PageMark, pl.DataFrame, Mapping[str, int]]]:
    offers = OFFERS[shard.header.deliveries[0]]
    for mark, lines in shard.members():
        rows = read_rows(lines.split(b"\n")[:-1], offers, "")
        yield _with_rejects(mark, rows.rejects), rows.frame, rows.unknown_fields


def _of_stream(shard: LandedLines) -> Iterator[tuple[PageMark, pl.DataFrame, Mapping[str, int]]]:
    head = shard.head
    encoding = "gzip" if head.gzip else ""
    offers = OFFERS[head.header.deliveries[0]]
    typing = Typing(Stream("", offers, frozenset(), None, encoding, head.mark.observed_at, -1))
    for raw, ending in _pieces(shard):
        page, _ = typing.page(raw, ending)
        mark = dataclasses.replace(head.mark, offset=page.offset)
        yield _with_rejects(mark, page.rejects), page.rows, page.unknown_fields


def _with_rejects(mark: PageMark, rejects: Sequence[Reject]) -> PageMark:
    return dataclasses.replace(mark, rejects=tuple((reject.reason, reject.raw) for reject in rejects))


def _pieces(shard: LandedLines) -> Iterator[tuple[bytes, Ending]]:
    with shard.path.open("rb") as file:
        while raw := file.read(_PIECE):
            yield raw, "more"
    yield b"", "whole" if shard.complete else "torn"
