"""Print the result of `floorline gaps`: the gaps, their causes, and what the API can still provide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from common.text import format_duration, sanitize
from floorline.cli.json_output import print_result
from floorline.cli.outputs.plan import GapsOutput
from floorline.console import format_cell, print_line, print_table
from pipelines.backfill.gap_parts import Gap

COLUMNS: Final = ("basket", "currency", "from", "to", "length", "what", "cause", "runs")


def print_gaps(gaps: Sequence[Gap], fill_command: str, *, as_json: bool) -> None:
    """Print the parts of the gaps, and `fill_command` if a part can be filled. Times are UTC."""
    fillable = any(gap.parts("fillable") or gap.parts("fillable by day") for gap in gaps)
    if as_json:
        print_result("gaps", GapsOutput(tuple(gaps), fill_command if fillable else None))
        return
    if not gaps:
        print_line("no gap: every basket was observed in time")
        return
    print_table(COLUMNS, [row for gap in gaps for row in _rows(gap)])
    for note in dict.fromkeys(note for gap in gaps for note in gap_notes(gap)):
        print_line(f"  {note}")
    if fillable:
        print_line(f"`{fill_command}` fills the fillable gaps; with --dry-run it shows the cost")


def gap_notes(gap: Gap) -> Iterator[str]:
    """Yield what the table does not say about a gap: the reasons of its runs, and what is lost."""
    label = f"{gap.basket}, {gap.currency}"
    for reason in gap.reasons:
        yield f"{label}, from {format_cell(gap.start)}: {sanitize(reason, 1000)}"
    for part in gap.parts("lost"):
        yield f"{label}: lost from {format_cell(part.start)} to {format_cell(part.end)}: {part.why}"
    if gap.bids_lost:
        yield f"{gap.basket}: the bids in its gaps are lost: the API keeps no history of bids"


def _rows(gap: Gap) -> Iterator[tuple[Any, ...]]:
    for part in gap.pieces:
        length = format_duration(part.end - part.start)
        span = (part.start, part.end, length, part.what)
        yield (gap.basket, gap.currency, *span, gap.cause, ", ".join(gap.runs))
