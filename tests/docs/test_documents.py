"""The documents name only things that exist: links, files, titles of the demo, valid configurations."""

from __future__ import annotations

import itertools
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

from floorline.cli.app import build_command
from pipelines.config import parse_settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "bench" / "README.md"]
LINK = re.compile(r"\]\(([^)#:]*)(#[^)]*)?\)")
FILE = re.compile(
    r"`((?:common|connectors|warehouse|pipelines|flows|floorline|sandbox|tests|docs|bench|examples)/[\w/.]*)[`:]"
)
COMMAND = re.compile(r"^(?:    |\$ |    \$ )(?:[\w/ .-]+ && )?floorline (\w+(?: .+)?)$", re.MULTILINE)
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


def documented_lines() -> list[str]:
    """Return what follows `floorline` in the blocks of the documents; options.md has no lines to type."""
    texts = [path.read_text("utf-8") for path in DOCUMENTS if path.name != "options.md"]
    return sorted({line for text in texts for line in COMMAND.findall(text)})


@pytest.mark.parametrize("line", documented_lines())
def test_command_lines_of_documents_are_understood(line: str) -> None:
    """Each command exists, and takes the options and values that the document gives it."""
    words = shlex.shlex(line, posix=True, punctuation_chars=True)
    words.wordchars += ","
    typed = itertools.takewhile(lambda word: word[0] not in words.punctuation_chars, words)
    parse_command(list(typed))


@pytest.mark.parametrize("line", ["plann", "plan --ofline", "backfill --series sails", "price"])
def test_wrong_command_line_is_not_understood(line: str) -> None:
    with pytest.raises(Exception, match=r"such|'sails'|issing"):
        parse_command(line.split())


def parse_command(words: list[str]) -> None:
    """Parse the words after `floorline` as the command does. Raises a usage error of Typer."""
    command: Any = build_command()
    name = "floorline"
    while words and words[0] in getattr(command, "commands", {}):
        name, command = f"{name} {words[0]}", command.commands[words[0]]
        words = words[1:]
    with command.make_context(name, words) as context:
        if words and hasattr(command, "commands"):
            command.resolve_command(context, words)


def test_pictures_are_small_and_shown() -> None:
    pictures = list((ROOT / "docs" / "pictures").iterdir())
    shown = read("docs/how-to-dashboard.md")
    assert len(pictures) == 18
    for picture in pictures:
        assert picture.stat().st_size <= 60_000
        assert f"pictures/{picture.name}" in shown
