"""The site of the documents: built strictly, with every page, and with nothing from another server."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.site import CONFIGURATION, ROOT, build_site, copy_pages

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


@pytest.mark.parametrize("link", ["[x](missing.md)", "[x](alerts.md#missing)"])
def test_dead_link_ends_the_build(link: str, tmp_path: Path) -> None:
    with (copy_pages(tmp_path) / "docs" / "rules.md").open("a", encoding="utf-8") as page:
        page.write(f"\n{link}\n")
    built = build_site(tmp_path)
    assert built.returncode == 1
    assert "rules.md" in built.stderr
