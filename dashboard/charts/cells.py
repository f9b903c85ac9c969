"""A line of cells: how each of the last runs ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Final

from dashboard.charts.svg import element

WIDTH: Final = 8
GAP: Final = 2
HEIGHT: Final = 16


def draw_cells(states: Sequence[str], *, most: int) -> str:
    """Return a cell for each state, the last one at the right end of `most` places, with a tooltip."""
    first = most - len(states)
    counts = ", ".join(f"{count} {state}" for state, count in Counter(states).most_common())
    return element(
        "svg",
        *(_draw_cell(first + number, state) for number, state in enumerate(states)),
        viewBox=f"0 0 {most * (WIDTH + GAP)} {HEIGHT}",
        class_="cells",
        role="img",
        aria_label=counts or "no runs",
    )


def _draw_cell(place: int, state: str) -> str:
    kind = "done" if state == "done" else "not-done"
    return element(
        "rect",
        element("title", escape(state)),
        x=place * (WIDTH + GAP),
        y=0 if kind == "done" else 2,  # not by colour alone
        width=WIDTH,
        height=HEIGHT if kind == "done" else HEIGHT - 4,
        class_=kind,
    )
