"""Make the pictures of docs/pictures/ again: `python -m tests.support.pictures`."""

from __future__ import annotations

import base64
import itertools
import tempfile
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from tests.support.browser import PHONE, Visitor, start_chromium
from tests.support.dashboards import run_dashboard
from tests.support.pictures.market import publish_picture_market
from tests.support.snapshots import REDLINE

PICTURES: Final = Path(__file__).parents[3] / "docs" / "pictures"
PAGES: Final = {
    "market": "/",
    "items": "/items?q=ak",
    "item": f"/item/{quote(REDLINE)}?window=7d",
    "movers": "/movers?window=24h",
    "spreads": "/spreads?margin=5",
    "collection": "/collection",
}
LOOKS: Final[dict[str, dict[str, Any]]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"color_scheme": "light", "viewport": PHONE},
}
TALLEST: Final = (1_500, 1_100, 800, 600)  # pixels: the top of a page says what the page is
QUALITIES: Final = (80, 60, 40)
MOST_BYTES: Final = 60_000


def main() -> None:
    """Write each page in light, in dark and as a phone shows it, as WebP."""
    with (
        tempfile.TemporaryDirectory() as folder,
        publish_picture_market(Path(folder) / "market") as bench,
        run_dashboard(bench.config) as (url, _),
    ):
        take_pictures(url)


def take_pictures(url: str) -> None:
    """Write the pictures of a dashboard of the market."""
    PICTURES.mkdir(exist_ok=True)
    with start_chromium() as browser:
        for look, options in LOOKS.items():
            visitor = Visitor(browser, url, **options)
            for name, path in PAGES.items():
                visitor.open(path)
                (PICTURES / f"{name}-{look}.webp").write_bytes(_take_picture(visitor))
            visitor.close()


def _take_picture(visitor: Visitor) -> bytes:
    """Return the top of the page, as much and as good as is small enough."""
    size = visitor.page.viewport_size
    assert size is not None
    height = visitor.page.evaluate("document.documentElement.scrollHeight")
    session = visitor.context.new_cdp_session(visitor.page)
    for tallest, quality in itertools.product(TALLEST, QUALITIES):
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(height, tallest), "scale": 1}
        settings = {"format": "webp", "quality": quality, "captureBeyondViewport": True, "clip": clip}
        picture = base64.b64decode(session.send("Page.captureScreenshot", settings)["data"])
        if len(picture) <= MOST_BYTES:
            return picture
    raise AssertionError(f"{visitor.page.url} does not fit into {MOST_BYTES:,} bytes")


if __name__ == "__main__":
    main()
