"""Charts as files of their own: an SVG with its colours in it, and the same as PNG."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib import resources
from typing import Final

from common.errors import FloorlineError

THEMES: Final = ("light", "dark")
PIXELS: Final = 2  # of a PNG for each unit of the SVG: sharp on screens of today
PNG_MISSING: Final = "PNG needs a further library. Install it with: pip install 'floorline[png]'"
STATIC: Final = resources.files("dashboard") / "static"
COLOUR: Final = re.compile(r"--([\w-]+): light-dark\((#\w+), (#\w+)\);")
RULE: Final = re.compile(r"^\.chart \..*$", re.MULTILINE)
VIEW_BOX: Final = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')


class PngUnavailable(FloorlineError):
    """The library that draws PNG files is not installed."""


@cache
def chart_style(theme: str) -> str:
    """Return the rules of the pages for charts, with the colours of a theme in place of variables."""
    page = (STATIC / "floorline.css").read_text("utf-8")
    colours = {name: pair[THEMES.index(theme)] for name, *pair in COLOUR.findall(page)}
    rules = "\n".join(RULE.findall(page))
    drawn = re.sub(r"var\(--([\w-]+)\)", lambda match: colours[match[1]], rules)
    return f".chart {{ font: 10.5px Inter, sans-serif; }}\n.paper {{ fill: {colours['card']}; }}\n{drawn}"


def style_policy(theme: str) -> str:
    """Return the source of a Content-Security-Policy that allows this style, and no other one."""
    digest = hashlib.sha256(chart_style(theme).encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def to_svg_file(chart: str, theme: str) -> str:
    """Return a chart of a page as a file that needs no style sheet: with its size, colours and paper."""
    size = VIEW_BOX.search(chart)
    assert size is not None  # noqa: S101 - every chart has one
    start, content = chart.split(">", 1)  # names in attributes are escaped: this is the end of the first tag
    paper = '<rect class="paper" width="100%" height="100%"/>'
    return (
        f'{start} width="{size[1]}" height="{size[2]}"><style>{chart_style(theme)}</style>{paper}{content}\n'
    )


def to_png_file(chart: str, theme: str) -> bytes:
    """Return a chart of a page as PNG. Raises PngUnavailable."""
    try:
        import resvg_py  # an extra: the pages do without PNG
    except ImportError:
        raise PngUnavailable(PNG_MISSING) from None
    # A machine may have no fonts at all, or others: with our own one the file is the same everywhere.
    with resources.as_file(STATIC / "inter-regular.ttf") as font:
        return bytes(
            resvg_py.svg_to_bytes(svg_string=to_svg_file(chart, theme), font_files=[str(font)], zoom=PIXELS)
        )
