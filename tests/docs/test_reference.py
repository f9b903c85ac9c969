"""Everything is in the reference: commands, options, keys, exit codes, alerts, methods; nothing is stale.

`tests/warehouse/views/test_docs.py` has the views, macros and columns.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from floorline.cli.app import build_command
from floorline.cli.commands import watches
from floorline.cli.endings import BROKEN_PIPE, INTERRUPTED
from floorline.monitoring import problems
from pipelines.alerts.causes import TRAITS
from pipelines.exit_codes import EXIT_CODES
from tests.support.command_tree import walk_commands
from tests.support.reference.configuration import MODELS, begin_of
from tests.support.reference.pages import CONFIGURATION, DOCS, OPTIONS, write_pages
from tests.support.reference.python_api import public_members
from tests.support.reference.sections import END

COMMANDS = dict(walk_commands(build_command()))
CELL = re.compile(r"^\| (`.*?`|[\d, ]+) \|", re.MULTILINE)
QUOTED = re.compile(r"`(.*?)`")


def first_cells(page: str, heading: str) -> Iterator[str]:
    """Yield the first cell of every row of the tables below a heading."""
    section = page.partition(f"## {heading}\n")[2]
    yield from CELL.findall(section.partition("\n## ")[0])


def documented_commands(page: str) -> set[str]:
    """Return the commands of docs/commands.md; "`alerts list`, `show`" means the two of `alerts`."""
    names: set[str] = set()
    for cell in CELL.findall(page):
        parts = [re.sub(r" [A-Z\[].*", "", name).split() for name in QUOTED.findall(cell)]
        group = parts[0][:-1] if parts else []
        names |= {" ".join(name if len(name) > 1 or not group else [*group, *name]) for name in parts}
    return names - {"backfill"}


def documented_options(page: str) -> set[str]:
    """Return the options of each command in docs/options.md, as "plan --json"."""
    found = set()
    for section in page.split("\n## `floorline")[1:]:
        command = section.partition("`")[0].strip()
        for cell in CELL.findall(section):
            found |= {f"{command} {option}".strip() for option in re.findall(r"--[\w-]+", cell)}
    return found


def documented_keys(page: str) -> set[str]:
    """Return the keys of docs/configuration.md, as "BasketSettings.every"."""
    found = set()
    for model in MODELS:
        table = page.partition(begin_of(model))[2].partition(END)[0]
        found |= {f"{model.__name__}.{name}" for name in QUOTED.findall(" ".join(CELL.findall(table)))}
    return found


def documented_causes(page: str) -> set[str]:
    """Return the causes that have both a row of the first table and one of "What to do"."""
    described = {QUOTED.findall(cell)[0] for cell in CELL.findall(page.partition("\n## ")[0])}
    advised = {QUOTED.findall(cell)[0] for cell in first_cells(page, "What to do")}
    return described & advised


def documented_codes(page: str) -> set[str]:
    return {code for cell in first_cells(page, "Exit codes") for code in re.findall(r"\d+", cell)}


def documented_methods(page: str) -> set[str]:
    return set(re.findall(r"^### `(\w+)`$", page, re.MULTILINE))


def options() -> Iterator[str]:
    for name, command in COMMANDS.items():
        for parameter in command.params:
            for option in (*parameter.opts, *parameter.secondary_opts):
                if option.startswith("--"):
                    yield f"{name} {option}".strip()


def exit_codes() -> set[int]:
    """Return the exit codes of runs and errors, checks, watches, and of an end by a signal."""
    checks = {*problems.EXIT_CODES.values(), watches.HAS_ROWS, watches.BROKEN}
    signals = {INTERRUPTED.exit_code, BROKEN_PIPE, 128 + signal.SIGHUP, 128 + signal.SIGTERM}
    return {2, 6, *EXIT_CODES.values()} | checks | signals


class Subject(NamedTuple):
    """What one page documents: the names of the program, and how to find them on the page."""

    page: str
    names: set[str]
    find: Callable[[str], set[str]]


LEAVES = {name for name, command in COMMANDS.items() if not hasattr(command, "commands")}
KEYS = {f"{model.__name__}.{name}" for model in MODELS for name in model.model_fields}
SUBJECTS = {
    "commands": Subject("commands.md", LEAVES, documented_commands),
    "options": Subject("options.md", set(options()), documented_options),
    "keys": Subject("configuration.md", KEYS, documented_keys),
    "exit codes": Subject("commands.md", set(map(str, exit_codes())), documented_codes),
    "alerts": Subject("alerts.md", set(TRAITS), documented_causes),
    "methods": Subject("python.md", set(public_members()), documented_methods),
}


@pytest.mark.parametrize("subject", SUBJECTS.values(), ids=SUBJECTS)
def test_everything_is_documented(subject: Subject) -> None:
    page = (DOCS / subject.page).read_text("utf-8")
    assert subject.find(page) == subject.names


@pytest.mark.parametrize("subject", SUBJECTS.values(), ids=SUBJECTS)
def test_what_a_page_lacks_is_found(subject: Subject) -> None:
    """Without its line, each name is missing on the page."""
    page = (DOCS / subject.page).read_text("utf-8")
    for name in subject.names:
        word = name.rpartition(" " if " " in name else ".")[2] if subject.page != "alerts.md" else name
        rows = [
            line for line in page.splitlines() if not re.search(rf"^[|#].*?[`, ]{re.escape(word)}\b", line)
        ]
        assert name not in subject.find("\n".join(rows)), name


def test_no_page_is_stale() -> None:
    for path, page in write_pages().items():
        assert path.read_text("utf-8") == page, f"`make docs` writes {path.name} again"


def test_every_command_has_a_section_with_its_help() -> None:
    page = OPTIONS.read_text("utf-8")
    for name, command in COMMANDS.items():
        section = page.partition(f"\n## `{f'floorline {name}'.strip()}`\n")[2].partition("\n## ")[0]
        assert command.help in section


def test_commands_of_alerts_are_those_of_their_messages() -> None:
    page = (DOCS / "alerts.md").read_text("utf-8").partition("## What to do\n")[2]
    shown = dict(re.findall(r"^\| `([\w.]+)` \| `(floorline .*?)` \|", page, re.MULTILINE))
    commands = {cause: traits.command.format(alert="N", subject="NAME") for cause, traits in TRAITS.items()}
    assert shown == commands


def test_configuration_says_type_and_default() -> None:
    page = CONFIGURATION.read_text("utf-8")
    assert '| `every` | duration | `"10m"` | The interval' in page
    assert '| `providers` | list of text | `["all"]` |' in page
    assert '| `severity` | `warning`, `failure` | `"warning"` |' in page
