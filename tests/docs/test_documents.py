"""The documents name only things that exist: links, files, commands, configuration keys, exit codes."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from floorline.cli.app import build_command
from pipelines.config import (
    AlertSettings,
    BasketSettings,
    Cs2capSettings,
    SkinsharkSettings,
    WarehouseSettings,
    WatchSettings,
    parse_settings,
)
from pipelines.exit_codes import EXIT_CODES

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


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the full name of every command below `command` that is no group."""
    children = getattr(command, "commands", {})
    if not children:
        yield " ".join(path)
    for name, child in children.items():
        yield from commands(child, (*path, name))


def documented_commands() -> set[str]:
    """Return the commands of the table; "`alerts list`, `show`" means `alerts list` and `alerts show`."""
    names: set[str] = set()
    for cell in re.findall(r"^\| (`.*?) \|", read("docs/commands.md"), re.MULTILINE):
        parts = [re.sub(r" [A-Z\[].*", "", name).split() for name in re.findall(r"`(.*?)`", cell)]
        group = parts[0][:-1]
        names |= {" ".join(name if len(name) > 1 or not group else [*group, *name]) for name in parts}
    return names


def test_reference_names_every_command() -> None:
    assert documented_commands() - {"backfill"} == set(commands(build_command()))


@pytest.mark.parametrize(
    ("heading", "models"),
    [
        ("`[warehouse]`", [WarehouseSettings]),
        ("`[sources.NAME]`", [Cs2capSettings, SkinsharkSettings]),
        ("`[[baskets]]`", [BasketSettings]),
        ("`[[watches]]`", [WatchSettings]),
        ("`[alerts]`", [AlertSettings]),
    ],
)
def test_reference_names_every_configuration_key(heading: str, models: list[type[BaseModel]]) -> None:
    section = read("docs/configuration.md").partition(f"## {heading}")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    documented = {name for cell in cells for name in re.findall(r"`(.*?)`", cell)}
    configured = {name for model in models for name in model.model_fields}
    assert documented == configured - {"on_behalf_of"}  # always refused: there is nothing to configure


def test_reference_names_every_exit_code() -> None:
    section = read("docs/commands.md").partition("## Exit codes")[2]
    documented = {
        int(code)
        for cell in re.findall(r"^\| ([\d, ]+) \|", section, re.MULTILINE)
        for code in cell.split(",")
    }
    assert documented >= {0, 2, 6, 143} | set(EXIT_CODES.values())


@pytest.mark.parametrize("document", ["README.md", "docs/tutorial.md", "docs/how-to-skinshark.md"])
def test_configurations_in_documents_are_valid(document: str) -> None:
    blocks = TOML.findall(read(document))
    assert blocks
    for block in blocks:
        assert parse_settings(tomllib.loads(block), ROOT).baskets
