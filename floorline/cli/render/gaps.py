"""What `floorline gaps` prints: what is missing, why, and what the API can still give."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from textwrap import fill
from typing import Any, Final

from common.text import format_duration, sanitize
from floorline.console import format_cell, print_line, print_table, to_json
from pipelines.backfill.gaps import Gap

WIDTH: Final = 100
COLUMNS: Final = ("basket", "currency", "from", "to", "length", "what", "cause", "runs")


def print_gaps(found: Sequence[Gap], command: str, *, as_json: bool) -> None:
    """The gaps, piece by piece, and the `command` that fills what can be filled. Times are UTC."""
    fillable = any(gap.of("fillable") for gap in found)
    if as_json:
        gaps = [dataclasses.asdict(gap) for gap in found]
        print_line(to_json({"gaps": gaps, "fill": command if fillable else None}))
        return
    if not found:
        print_line("no gap: every basket was looked at in time")
        return
    print_table(COLUMNS, [row for gap in found for row in _rows(gap)])
    for remark in dict.fromkeys(remark for gap in found for remark in gap_notes(gap)):
        print_line(fill(remark, WIDTH, initial_indent="  ", subsequent_indent="    "))
    if fillable:
        print_line(f"`{command}` fills what can be filled; with --dry-run it shows the cost")


def gap_notes(gap: Gap) -> Iterator[str]:
    """What a person should know of a gap beyond its span: why it is there, and what is lost for good."""
    named = f"{gap.basket}, {gap.currency}"
    for reason in gap.reasons:
        yield f"{named}, from {format_cell(gap.start)}: {sanitize(reason)}"
    for piece in gap.of("lost"):
        yield f"{named}: lost from {format_cell(piece.start)} to {format_cell(piece.end)}: {piece.why}"
    if gap.bids_lost:
        yield f"{gap.basket}: the bids in its gaps are lost: the API keeps no history of them"


def _rows(gap: Gap) -> Iterator[tuple[Any, ...]]:
    for piece in gap.pieces:
        yield (
            *(
                gap.basket,
                gap.currency,
                piece.start,
                piece.end,
                format_duration(piece.end - piece.start),
                piece.what,
            ),
            *(gap.cause, ", ".join(gap.runs)),
        )
