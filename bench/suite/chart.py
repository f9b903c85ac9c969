"""Draw bars of multiples as an SVG, on a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final
from xml.sax.saxutils import escape

WIDTH, LABEL, ROW, HEAD, MARGIN = 860, 330, 22, 34, 12
VALUE: Final = 60  # the room for the number after the longest bar
COLOURS: Final = ("#2f6f4f", "#9aa5ad")  # what is measured against, and what else


def draw_chart(panels: Sequence[tuple[str, Mapping[str, float]]]) -> str:
    """Return an SVG with a panel for each title: a bar for each name, with a line at 1."""
    body, top = [], MARGIN
    for title, bars in panels:
        body.append(_text(MARGIN, top + 18, title, weight="bold"))
        body += _draw_bars(bars, top + HEAD)
        top += HEAD + ROW * len(bars) + MARGIN
    background = f'<rect width="{WIDTH}" height="{top}" fill="#ffffff"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}" '
        f'font-family="sans-serif" font-size="13">\n' + "\n".join([background, *body, "</svg>\n"])
    )


def _draw_bars(bars: Mapping[str, float], top: float) -> list[str]:
    low, high = min(*bars.values(), 1) / 1.5, max(*bars.values(), 1)
    scale = (WIDTH - LABEL - VALUE - MARGIN) / math.log(high / low)
    shapes = []
    for number, (name, value) in enumerate(bars.items()):
        y, length = top + ROW * number, max(math.log(value / low) * scale, 1)
        colour = COLOURS[value != 1]
        shapes += [
            _text(LABEL - 8, y + 13, name, anchor="end"),
            f'<rect x="{LABEL}" y="{y}" width="{length:.1f}" height="{ROW - 6}" fill="{colour}"/>',
            _text(LABEL + length + 5, y + 13, f"{value:.{0 if value >= 20 else 2}f}x"),
        ]
    one, bottom = LABEL + math.log(1 / low) * scale, top + ROW * len(bars) - 4
    line = f'<line x1="{one:.1f}" x2="{one:.1f}" y1="{top - 3}" y2="{bottom}" stroke="#444444"'
    return [*shapes, line + ' stroke-dasharray="3 3"/>']


def _text(x: float, y: float, text: str, *, weight: str = "normal", anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-weight="{weight}" text-anchor="{anchor}" fill="#222222">'
        f"{escape(text)}</text>"
    )
