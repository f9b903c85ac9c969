"""Charts as files: whole without a style sheet, whatever the names; and addresses of names with odd ends."""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from dashboard.app import Dashboard
from dashboard.generations import GenerationFollower
from dashboard.pages.page import item_address
from dashboard.prepared import PreparedMarket
from floorline.market import Market
from tests.support.clocks import NOON
from tests.support.dashboard_pages import Reader, fetch, item_path
from tests.support.reference.market import REDLINE, publish_example
from tests.support.warehouse import Quote, create_warehouse, land, load, observe
from warehouse.paths import WarehousePaths

ODD_NAMES = (
    "a/b", "/", "x.svg", "x.SVG", "x.svg.html", "x.csv", "x", "..", ".", "....", "x.png/..", "?a=b#c",
    "%2e%2e", "\"/><script>alert(1)</script>&'\u202e.json",
)  # fmt: skip
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> WarehousePaths:
    return publish_example(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def dashboard(paths: WarehousePaths) -> Iterator[Dashboard]:
    with GenerationFollower(paths.published_database, partial(PreparedMarket, paths)) as follower:
        yield Dashboard(follower, ["market.test"])


@pytest.mark.parametrize(
    "path",
    ["/market.svg", item_path(REDLINE, ".svg?window=all"), item_path(REDLINE, ".svg?chart=candle-chart")],
)
def test_svg_needs_no_style_sheet(dashboard: Dashboard, path: str) -> None:
    for theme in ("light", "dark"):
        response = fetch(dashboard, f"{path}{'&' if '?' in path else '?'}theme={theme}")
        assert response.headers["content-type"] == "image/svg+xml"
        policy = response.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        root = ET.fromstring(response.text)
        style = root.findtext(f"{SVG}style") or ""
        assert "var(" not in style
        assert "light-dark(" not in style
        assert float(root.get("width", "0")) == 960
        used = {name for node in root.iter() for name in (node.get("class") or "").split()}
        styled = {"grid", "tick", "best", "band", "column", "wick", "paper", "legend", "market-1"}
        assert all(f".{name}" in style for name in used & styled)


def test_png_is_twice_as_large_as_the_svg(dashboard: Dashboard) -> None:
    response = fetch(dashboard, item_path(REDLINE, ".png"))
    assert response.headers["content-type"] == "image/png"
    assert response.content[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", response.content[16:24]) == (1920, 660)


def test_png_without_its_library_says_what_to_install(
    dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    response = fetch(dashboard, item_path(REDLINE, ".png?window=1d"))
    assert response.status_code == 501
    assert response.text == "PNG needs a further library. Install it with: pip install 'floorline[png]'\n"


def test_unknown_charts_and_themes_are_not_found(dashboard: Dashboard) -> None:
    for path in (
        "/movers.svg",
        "/market.svg?chart=x",
        "/market.png?theme=pink",
        item_path("nothing", ".svg"),
    ):
        assert fetch(dashboard, path).status_code == 404


def test_files_below_a_chart_are_its_data(dashboard: Dashboard, paths: WarehousePaths) -> None:
    page = Reader(fetch(dashboard, item_path(REDLINE, "?window=all")).text)
    files = [link for link in page.addresses if "table=best-asks" in link or "chart=" in link]
    assert len(files) == 6  # SVG, PNG, CSV and JSON of the best asks; SVG and PNG of the candles
    for link in files:
        assert fetch(dashboard, link).status_code == 200
    found = json.loads(fetch(dashboard, next(link for link in files if ".json" in link)).text)
    with Market(paths.root) as market:
        expected = market.sql(
            f"FROM best_ask_history WHERE item = '{REDLINE}' AND currency = 'USD' ORDER BY valid_from"
        ).to_dicts()
        days = market.sql(f"SELECT day, min(price) FROM daily_points WHERE item = '{REDLINE}' GROUP BY day")
    daily, quotes = found[: days.height], found[days.height :]
    assert {(row["valid_from"][:10], Decimal(row["price"])) for row in daily} == {
        (str(day), price) for day, price in days.rows()
    }
    assert [row["origin"] for row in found] == ["daily points"] * 3 + ["quotes"] * len(expected)
    assert [Decimal(row["price"]) for row in quotes] == [row["price"] for row in expected]
    assert [row["valid_from"] for row in quotes] == [row["valid_from"].isoformat() for row in expected]
    candles = json.loads(fetch(dashboard, item_path(REDLINE, ".json?table=candles&window=all")).text)
    assert [row["close_price"] for row in candles] == ["14.00000000", "14.01000000", "14.02000000"]


@pytest.mark.slow
def test_every_name_has_a_page_and_files(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    quotes = [Quote(str(number), 100 + number, name=name) for number, name in enumerate(ODD_NAMES)]
    land(paths, "run", observe(NOON, *quotes), interval_seconds=60)
    load(paths)
    with GenerationFollower(paths.published_database, partial(PreparedMarket, paths)) as follower:
        dashboard = Dashboard(follower, ["market.test"])
        for number, name in enumerate(ODD_NAMES):
            page = fetch(dashboard, item_address(name))
            assert page.status_code == 200, name
            assert f"{1 + number / 100:.2f}" in Reader(page.text).texts
            files = [link for link in Reader(page.text).addresses if "table=" in link or "chart=" in link]
            assert len(files) >= 6
            for link in files:
                response = fetch(dashboard, link)
                assert response.status_code == 200, link
                if ".svg?" in link:
                    ET.fromstring(response.text)
