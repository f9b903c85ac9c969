"""The documents name only things that exist: links, files, titles of the demo, valid configurations."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from pipelines.config import parse_settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "bench" / "README.md"]
LINK = re.compile(r"\]\(([^)#:]*)(#[^)]*)?\)")
FILE = re.compile(
    r"`((?:common|connectors|warehouse|pipelines|flows|floorline|sandbox|tests|docs|bench)/[\w/.]*)[`:]"
)
TOML = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub generates them."""
    headings = re.findall(r"^#+ (.*)$", document.read_text("utf-8"), re.MULTILINE)
    return {"#" + re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_and_files_exist(document: Path) -> None:
    text = document.read_text("utf-8")
    for target, anchor in LINK.findall(text):
        linked = document.parent / target if target else document
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target + anchor
    missing = [path for path in FILE.findall(text) if not (ROOT / path).exists()]
    assert missing == []


def test_readme_shows_titles_that_the_demo_prints() -> None:
    titles = re.findall(r"^    (\d\. .*)$", read("README.md"), re.MULTILINE)
    assert len(titles) == 2
    assert [title for title in titles if title not in read("floorline/cli/commands/demo.py")] == []


@pytest.mark.parametrize("document", ["README.md", "docs/tutorial.md", "docs/how-to-skinshark.md"])
def test_configurations_in_documents_are_valid(document: str) -> None:
    blocks = TOML.findall(read(document))
    assert blocks
    for block in blocks:
        assert parse_settings(tomllib.loads(block), ROOT).baskets
