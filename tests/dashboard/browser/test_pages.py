"""Every page in a real browser without a network: complete, accessible, and proof against hostile data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.support.browser import PHONE, Visitor, start_chromium
from tests.support.crowded_market import HOSTILE, HOSTILE_RUN, publish_crowded_market
from tests.support.dashboards import run_dashboard
from tests.support.reference.market import REDLINE

pytestmark = [pytest.mark.server, pytest.mark.slow]
MOST_REQUESTS: Final = 6
MOST_BYTES: Final = 200_000
PAGES: Final = (
    "/",
    "/items",
    f"/items?q={quote(HOSTILE)}",
    "/movers?least=0",
    "/spreads?least=0",
    "/portfolio",
    "/collection",
    f"/collection/runs/{quote(HOSTILE_RUN)}",
    f"/item/{quote(REDLINE)}?window=all",
    f"/item/{quote(HOSTILE, safe='')}",
)
LOOKS: Final[Mapping[str, Mapping[str, Any]]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"color_scheme": "light", "viewport": PHONE, "has_touch": True},
}
# Of the paper, of the line of the best ask, and of the texts at the axes.
COLOURS: Final = {
    "light": ["rgb(255, 255, 255)", "rgb(23, 25, 28)", "rgb(92, 98, 106)"],
    "dark": ["rgb(23, 26, 29)", "rgb(232, 234, 237)", "rgb(163, 169, 177)"],
}
WIDTHS: Final = "parts => parts.map(part => Math.round(part.getBoundingClientRect().width))"
FOCUSED: Final = """() => {
    const focused = document.activeElement;
    const style = getComputedStyle(focused), box = focused.getBoundingClientRect();
    return {text: focused.textContent.trim(),
        outline: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
        isVisible: box.width > 0 && box.right > 0 && box.left < innerWidth};
}"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    paths = publish_crowded_market(tmp_path_factory.mktemp("browser"))
    config = paths.root / "floorline.toml"
    config.write_text(f'[warehouse]\npath = "{paths.root}"\n')
    with run_dashboard(config) as (address, _):
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with start_chromium() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def visitors(browser: Browser, url: str) -> dict[str, Visitor]:
    return {name: Visitor(browser, url, **look) for name, look in LOOKS.items()}


@pytest.fixture
def visitor(browser: Browser, url: str) -> Iterator[Visitor]:
    """Return a window of its own, whose storage is empty."""
    visitor = Visitor(browser, url)
    yield visitor
    visitor.close()


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("path", [*PAGES, "/nothing"])
def test_page_is_whole_and_accessible(visitors: dict[str, Visitor], look: str, path: str) -> None:
    visitor = visitors[look]
    status = visitor.open(path)
    assert status == (404 if path == "/nothing" else 200)
    assert visitor.page.locator("h1").count() == 1
    assert visitor.refused == []
    assert visitor.dialogs == []
    # The browser itself tells that the address was not found.
    assert [error for error in visitor.errors if "404" not in error or status != 404] == []
    assert len(visitor.loaded) <= MOST_REQUESTS
    assert sum(visitor.loaded.values()) <= MOST_BYTES
    assert visitor.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    found = Axe().run(visitor.page)
    assert found.violations_count == 0, found.generate_report()


def test_everything_but_the_extras_is_there_without_scripts(browser: Browser, url: str) -> None:
    without, with_script = Visitor(browser, url, java_script_enabled=False), Visitor(browser, url)
    for path in PAGES:
        for visitor in (without, with_script):
            visitor.open(path)
        for part in ("table", "svg.chart", "svg.sparkline", "form", "dl"):
            shown = [
                visitor.page.locator(f"main {part}").evaluate_all(WIDTHS)
                for visitor in (without, with_script)
            ]
            assert shown[0] == shown[1]
            assert all(width > 0 for width in shown[0])
        tables = [visitor.page.locator("main table").all_inner_texts() for visitor in (without, with_script)]
        assert tables[0] == tables[1]
    without.close()
    with_script.close()


def test_search_and_links_by_keyboard_alone(visitor: Visitor) -> None:
    visitor.open("/")
    keyboard = visitor.page.keyboard
    keyboard.press("/")
    assert visitor.page.evaluate("document.activeElement.name") == "q"
    keyboard.type("ak redline ft")
    keyboard.press("Enter")
    visitor.page.wait_for_url("**/items?*")
    for _ in range(30):
        keyboard.press("Tab")
        if visitor.page.evaluate(FOCUSED)["text"] == REDLINE:
            break
    keyboard.press("Enter")
    visitor.page.wait_for_url("**/item/**")
    assert REDLINE in visitor.page.locator("h1").inner_text()


@pytest.mark.parametrize("path", ["/", "/spreads?least=0", f"/item/{quote(REDLINE)}"])
def test_every_stop_of_the_tab_key_is_visible_and_in_order(visitor: Visitor, path: str) -> None:
    visitor.open(path)
    stops = "a[href], button, select, input:not([type=hidden]), [tabindex='0']"
    count = visitor.page.locator(stops).count()
    order = []
    for number in range(min(count, 40)):
        visitor.page.keyboard.press("Tab")
        focused = visitor.page.evaluate(FOCUSED)
        assert focused["isVisible"], focused
        assert focused["outline"] >= 2, focused
        if number == 0:
            assert focused["text"] == "Skip to the content"
        order.append(
            visitor.page.evaluate(
                "s => [...document.querySelectorAll(s)].indexOf(document.activeElement)", stops
            )
        )
    assert order == list(range(len(order)))


def test_skip_link_leads_to_the_content(visitor: Visitor) -> None:
    visitor.open("/")
    visitor.page.keyboard.press("Tab")
    visitor.page.keyboard.press("Enter")
    visitor.page.keyboard.press("Tab")
    assert visitor.page.evaluate("document.querySelector('main').contains(document.activeElement)")


def test_theme_and_watched_items_stay_in_the_browser(visitor: Visitor) -> None:
    visitor.open(f"/item/{quote(REDLINE)}")
    before = visitor.page.evaluate("getComputedStyle(document.body).backgroundColor")
    visitor.page.get_by_role("button", name="Light or dark").click()
    visitor.page.get_by_role("button", name="Watch").click()
    visitor.open("/items")
    assert visitor.page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    visitor.page.locator("#watched a", has_text=REDLINE).click()
    visitor.page.get_by_role("button", name="Watched").click()
    visitor.open("/items")
    assert not visitor.page.locator("#watched").is_visible()


@pytest.mark.parametrize("theme", COLOURS)
@pytest.mark.parametrize("item", [REDLINE, HOSTILE])
def test_chart_as_a_file_keeps_its_colours(visitor: Visitor, item: str, theme: str) -> None:
    assert visitor.open(f"/item/{quote(item, safe='')}.svg?theme={theme}") == 200
    colours = visitor.page.evaluate(
        "['.paper', '.best', '.tick'].map((part) => getComputedStyle(document.querySelector(part)))"
        ".map((style) => style.stroke === 'none' ? style.fill : style.stroke)"
    )
    assert colours == COLOURS[theme]
    assert (visitor.errors, visitor.dialogs, visitor.refused) == ([], [], [])


def test_pointer_shows_the_price_of_a_moment(visitor: Visitor) -> None:
    visitor.open(f"/item/{quote(REDLINE)}?window=all")
    chart = visitor.page.locator("svg.prices")
    box = chart.bounding_box()
    assert box is not None
    chart.hover(position={"x": box["width"] * 0.98, "y": box["height"] / 2})  # after 06:00 of the last day
    assert "UTC: about 14.64" in visitor.page.locator("svg.prices + p").inner_text()
