"""The charts are well-formed SVG without inline styles, whatever names and values they show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.charts.candles import Candle, draw_candles
from dashboard.charts.columns import draw_columns
from dashboard.charts.prices import Dot, PriceChart, Quartiles
from dashboard.charts.sparkline import draw_sparkline
from dashboard.charts.steps import Step

END = datetime(2026, 6, 8, tzinfo=UTC)
START = END - timedelta(days=7)
HOSTILE = "\"><script>alert(1)</script>&'\u202e"
SVG = "{http://www.w3.org/2000/svg}"
VALUES = st.one_of(st.none(), st.floats(0.001, 1e7))


def hour(number: float) -> datetime:
    return START + timedelta(hours=number)


def parse(svg: str) -> ET.Element:
    root = ET.fromstring(svg)
    assert all("style" not in node.attrib and not node.tag.endswith("script") for node in root.iter())
    return root


@given(st.lists(VALUES, max_size=30), st.lists(VALUES, max_size=30))
def test_price_chart_is_drawn_inside_of_its_frame(
    best: list[float | None], other: list[float | None]
) -> None:
    chart = PriceChart(
        title=HOSTILE,
        start=START,
        end=END,
        best=[Step(hour(number * 5), value) for number, value in enumerate(best)],
        lines=[(HOSTILE, [Step(hour(number * 3), value) for number, value in enumerate(other)])],
        band=[Quartiles(hour(2), 1.0, 2.0), Quartiles(hour(9), None, None), Quartiles(hour(11), 1.5, 1.6)],
        sales=[Dot(hour(4), 1.2, HOSTILE), Dot(hour(-1), 1e9, "before")],
    )
    root = parse(chart.draw())
    assert root.findtext(f"{SVG}title") == HOSTILE
    legends = [node.text for node in root.iter(f"{SVG}text") if node.get("class") == "legend"]
    assert legends == ["best ask", "middle half of the asks", HOSTILE, "sales"]
    assert len(list(root.iter(f"{SVG}circle"))) == 1
    for node in root.iter(f"{SVG}text"):
        assert -1 <= float(node.get("y", "-9")) <= 330


def test_daily_points_have_a_line_of_their_own() -> None:
    daily = [Step(hour(-48), 9.0), Step(hour(-24), None), Step(hour(24), 7.5), Step(hour(48), None)]
    root = parse(PriceChart("An item", START, END, [Step(hour(60), 10.0)], daily=daily).draw())
    legends = [node.text for node in root.iter(f"{SVG}text") if node.get("class") == "legend"]
    assert legends == ["best ask", "daily points"]
    (line,) = [node for node in root.iter(f"{SVG}path") if node.get("class") == "line daily"]
    assert line.get("d", "").count("M") == 1  # what ended before the chart is not drawn


def test_price_chart_says_what_it_shows() -> None:
    best = [Step(hour(-5), 9.0), Step(hour(30), 12.5), Step(hour(60), 10.0)]
    root = parse(PriceChart("An item", START, END, best).draw())
    described = root.findtext(f"{SVG}desc")
    assert described == "Best ask from 1 Jun 2026 to 8 Jun 2026: lowest 9.00, highest 12.50, last 10.00."
    assert root.get("aria-label") == f"An item. {described}"
    empty = parse(PriceChart("An item", START, END, []).draw())
    assert empty.findtext(f"{SVG}desc") == "Nothing was listed in this time."


@pytest.mark.slow
def test_price_chart_of_a_year_is_small() -> None:
    year = [Step(END - timedelta(minutes=5 * number), 10.0 + number % 97) for number in range(100_000, 0, -1)]
    chart = PriceChart("An item", END - timedelta(days=365), END, year, lines=[("steam", year)] * 9)
    assert len(chart.draw()) < 250_000
    assert chart.draw().count("market-") == 8  # four lines, each with a key


def test_columns_have_a_tooltip_each() -> None:
    counts = [(hour(number), number * 1000) for number in range(48)]
    root = parse(draw_columns(counts, timedelta(hours=1), title="Changes an hour"))
    tooltips = [node.findtext(f"{SVG}title") for node in root.iter(f"{SVG}rect")]
    assert tooltips[47] == "2 Jun 23:00 UTC: 47,000"
    heights = [float(node.get("height", "")) for node in root.iter(f"{SVG}rect")]
    assert heights == sorted(heights)
    assert parse(draw_columns([], timedelta(hours=1), title="x")).findtext(f"{SVG}desc") == "No data."


@pytest.mark.parametrize("values", [[], [None], [1.0], [2.0, None, 1.0], [5.0, 5.0]])
def test_sparkline_ends_in_a_dot_where_a_price_stands(values: list[float | None]) -> None:
    svg = draw_sparkline([Step(hour(number), value) for number, value in enumerate(values)], START, END)
    root = ET.fromstring(svg)
    assert root.get("aria-hidden") == "true"
    assert len(list(root.iter("circle"))) == bool(values and values[-1] is not None)


PRICES = st.floats(0.001, 1e7)


@given(st.lists(st.tuples(PRICES, PRICES, PRICES, PRICES, st.integers(0, 10**9)), min_size=1, max_size=40))
def test_candles_are_drawn_inside_of_their_frame(
    buckets: list[tuple[float, float, float, float, int]],
) -> None:
    candles = [
        Candle(hour(number), prices[0], max(prices), min(prices), prices[-1], volume)
        for number, (*prices, volume) in enumerate(buckets)
    ]
    root = parse(draw_candles(candles, timedelta(hours=1), title=HOSTILE))
    kinds = [node.get("class") for node in root.iter(f"{SVG}g")]
    assert kinds == ["fall" if each.close < each.open else "rise" for each in candles]
    for node in root.iter(f"{SVG}rect"):
        top, height = float(node.get("y", "-1")), float(node.get("height", "-1"))
        assert height >= 0
        assert 11 <= top <= top + height <= 231
    for node in root.iter(f"{SVG}path"):
        ends = [float(end) for end in node.get("d", "").split(" ")[1].split("V")]
        assert all(11 <= end <= 181 for end in ends)


def test_no_candles_are_an_empty_chart() -> None:
    assert parse(draw_candles([], timedelta(hours=1), title="x")).findtext(f"{SVG}desc") == "No candles."
