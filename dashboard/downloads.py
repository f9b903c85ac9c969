"""The tables and charts of a page as files: CSV, JSON, SVG and PNG."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from dashboard.chart_files import THEMES, PngUnavailable, style_policy, to_png_file, to_svg_file
from dashboard.pages.page import Chart, Page
from dashboard.security import POLICY_HEADER
from dashboard.tables import Table

MEDIA_TYPES: Final[Mapping[str, str]] = {
    "csv": "text/csv",
    "json": "application/json",
    "svg": "image/svg+xml",
    "png": "image/png",
}
CHART_FORMS: Final = ("svg", "png")


def respond_with_file(page: Page, form: str, request: Request) -> Response:
    """Return what the address names of a page, in a form of `MEDIA_TYPES`; 404 where the page has no such."""
    query = request.query_params
    if form in CHART_FORMS:
        chart = page.find_chart(query.get("chart", ""))
        theme = query.get("theme", THEMES[0])
        if chart is not None and theme in THEMES:
            return _draw(chart, form, theme)
        return respond_with_text("there is no such chart", 404)
    table = page.find_table(query.get("table", ""))
    return respond_with_text("there is no such table", 404) if table is None else _write(table, form)


def respond_with_text(message: str, status: int) -> Response:
    """Return a line of plain text, for programs that asked for a file."""
    return Response(f"{message}\n", status, media_type="text/plain")


def _draw(chart: Chart, form: str, theme: str) -> Response:
    if form == "svg":
        headers = {POLICY_HEADER: f"default-src 'none'; style-src {style_policy(theme)}"}
        return Response(to_svg_file(chart.svg, theme), headers=headers, media_type=MEDIA_TYPES[form])
    try:
        return Response(to_png_file(chart.svg, theme), media_type=MEDIA_TYPES[form])
    except PngUnavailable as error:
        return respond_with_text(str(error), 501)


def _write(table: Table, form: str) -> Response:
    return Response(table.to_csv() if form == "csv" else table.to_json(), media_type=MEDIA_TYPES[form])
