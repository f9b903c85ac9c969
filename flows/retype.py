"""Lines of a landing that the warehouse could not take as they are: a connector's careful reading of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from connectors.cs2cap_answers import read_rows
from connectors.cs2cap_rows import OFFERS
from connectors.errors import FloorlineError
from connectors.frames import Reject
from warehouse.landed import Unreadable
from warehouse.lines import LandedLines
from warehouse.marks import PageMark


def retype(shard: LandedLines) -> Iterator[tuple[PageMark, pl.DataFrame, Mapping[str, int]]]:
    """Type lines: pages in their order, and how many of their rows carry which unknown field.

    Of what was torn, all that is whole. Raises Unreadable.
    """
    offers, seen = OFFERS[shard.header.deliveries[0]], 0
    try:
        for mark, lines in shard.parts():
            rows = read_rows([line for line in lines.split(b"\n") if line.strip()], offers, "")
            place = mark if shard.head.paged else dataclasses.replace(mark, offset=seen)
            seen += lines.count(b"\n")
            yield _with_rejects(place, rows.rejects), rows.frame, rows.unknown_fields
    except FloorlineError as error:
        raise Unreadable(shard.path.parent, f"{shard.path.name}: {error.detail}") from None


def _with_rejects(mark: PageMark, rejects: Sequence[Reject]) -> PageMark:
    return dataclasses.replace(mark, rejects=tuple((reject.reason, reject.raw) for reject in rejects))
