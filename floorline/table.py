"""Lay out a table for a width: values that mean something only as a whole are shown whole or not at all."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import Final

from rich.cells import cell_len, chop_cells

from common.text import shorten

GAP: Final = "  "
LONGEST_ID: Final = 1000  # characters, such as those of an address
LEAST_TEXT: Final = 20  # cells of the terminal; a longer text is cut to no less


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of printable cells; `numeric` aligns to the right, `exact` forbids to cut."""

    name: str
    cells: Sequence[str]
    numeric: bool = False
    exact: bool = False

    @functools.cached_property
    def whole(self) -> int:
        """The width that shows every cell whole."""
        return max(map(measure, (self.name, *self.cells)))

    @functools.cached_property
    def least(self) -> int:
        """The smallest useful width: of numbers, times, ids and other single words the whole width."""
        is_short = len(self.name) <= LONGEST_ID
        if self.exact or (is_short and all(map(_is_word, self.cells))):
            return self.whole
        return max(measure(self.name) if is_short else 0, min(self.whole, LEAST_TEXT))

    def lines(self, width: int) -> Iterator[str]:
        """Yield the name and the cells, each cut and padded to `width`."""
        for text in (self.name, *self.cells):
            shown = cut_text(text, width)
            padding = " " * (width - measure(shown))
            yield padding + shown if self.numeric else shown + padding


def fit_columns(
    columns: Sequence[Column], width: int | None, groups: Sequence[Sequence[int]]
) -> list[int | None]:
    """Return the width of each column; None for those that do not fit into `width`, which may be None.

    `groups` are the indexes of all columns by importance. The columns of a group are taken in order; then the
    rest of the width goes to their texts, before the next group is considered. The very first column is
    always taken.
    """
    whole: list[int | None] = [column.whole for column in columns]
    if width is None or sum(column.whole + len(GAP) for column in columns) <= width + len(GAP):
        return whole
    widths: list[int | None] = [None] * len(columns)
    left = width + len(GAP)
    for group in groups:
        for index in group:
            needed = columns[index].least + len(GAP)
            if needed <= left or all(taken is None for taken in widths):
                widths[index] = columns[index].least
                left -= needed
        for index in group:
            if (taken := widths[index]) is not None:
                more = max(0, min(left, columns[index].whole - taken))
                widths[index] = taken + more
                left -= more
    return widths


def table_lines(columns: Sequence[Column], widths: Sequence[int | None]) -> Iterator[str]:
    """Yield the line of the names and the line of each row."""
    shown = [column.lines(width) for column, width in zip(columns, widths, strict=True) if width is not None]
    for cells in zip(*shown, strict=True):
        yield GAP.join(cells).rstrip()


def _is_word(text: str) -> bool:
    """Return whether a text may be an id, which means something only as a whole."""
    return text.isascii() and " " not in text and len(text) <= LONGEST_ID


def measure(text: str) -> int:
    """Return the number of cells that a printable text takes on a terminal."""
    return len(text) if text.isascii() else cell_len(text)


def cut_text(text: str, width: int) -> str:
    """Return a text with an ellipsis in the place of what is beyond `width`; no word with a digit is cut."""
    if measure(text) <= width:
        return text
    kept = chop_cells(text[: 4 * width], width - 1)[0]
    return shorten(text, len(kept)) + "…"
