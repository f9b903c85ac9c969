"""The site of the documents: built strictly, with every page, and with nothing from another server."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.support.browser import Visitor, start_chromium
from tests.support.site import CONFIGURATION, ROOT, build_site, copy_pages
from tests.support.waiting import wait_until

# What a browser fetches with a page: scripts, style sheets, pictures, frames.
FETCHED = re.compile(r"<(?:script|link|img|iframe)[^>]*\s(?:src|href)=\"?((?:https?:)?//[^\">\s]*)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a built site."""
    folder = tmp_path_factory.mktemp("site")
    copy_pages(folder)
    built = build_site(folder)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_every_page_is_there_and_fetches_nothing_from_another_server(site: Path) -> None:
    for page in (site / "pages").rglob("*.md"):
        written = page.relative_to(site / "pages").with_suffix(".html").as_posix()
        html = (site / "html" / written.replace("README.html", "index.html")).read_text("utf-8")
        assert "<article" in html
        assert FETCHED.findall(html) == [], written
    assert FETCHED.findall('<script async src="https://example.org/a.js">') == ["https://example.org/a.js"]


@pytest.mark.slow
def test_site_works_without_internet(site: Path) -> None:
    """A browser that reaches this server only shows the pages, and finds words in them."""
    with serve_folder(site / "html") as url, start_chromium() as browser:
        visitor = Visitor(browser, url)
        for path in ("/index.html", "/docs/how-to-analyse.html", "/docs/warehouse.html"):
            assert visitor.open(path) == 200
            assert (visitor.refused, visitor.errors) == ([], [])
        find(visitor.page, "limit_except")
        assert "/docs/how-to-proxy.html" in visitor.page.url
        assert (visitor.refused, visitor.errors) == ([], [])
        visitor.close()


def find(page: Page, words: str) -> None:
    """Type words into the search of the site, and go to the first page that it finds."""
    start = page.url
    page.get_by_role("button", name="Search").first.click()
    page.keyboard.insert_text(words)  # at once: no result is that of a part of them

    def is_elsewhere() -> bool:
        page.keyboard.press("Enter")  # does nothing before the search has results
        return page.url != start

    wait_until(is_elsewhere, every=0.2)
    page.wait_for_load_state()


@contextmanager
def serve_folder(folder: Path) -> Iterator[str]:
    """Serve the files of a folder on loopback; yield the address."""
    handler = functools.partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    """A handler that prints no line for a request."""

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - the name of the base class
        """Print nothing."""


def test_navigation_has_every_page() -> None:
    project = tomllib.loads((ROOT / CONFIGURATION).read_text("utf-8"))["project"]
    pages = {path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]}
    assert sorted(leaves(project["nav"])) == sorted(pages | {"bench/README.md"})


def leaves(entry: Any) -> Iterator[str]:
    """Yield the pages of the navigation: a page is a text, a group a table or a list."""
    if isinstance(entry, str):
        yield entry
    else:
        for each in entry.values() if isinstance(entry, dict) else entry:
            yield from leaves(each)


@pytest.mark.slow
@pytest.mark.parametrize("link", ["[x](missing.md)", "[x](alerts.md#missing)"])
def test_dead_link_ends_the_build(link: str, tmp_path: Path) -> None:
    with (copy_pages(tmp_path) / "docs" / "rules.md").open("a", encoding="utf-8") as page:
        page.write(f"\n{link}\n")
    built = build_site(tmp_path)
    assert built.returncode == 1
    assert "rules.md" in built.stderr
