"""The page docs/options.md: the help of every command, with its arguments and options."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from floorline.cli.app import build_command
from tests.support.command_tree import walk_commands
from tests.support.reference.sections import write_cell

HEAD: Final = """# Commands and their options

<!-- `make docs` writes this page, from the help of the commands. -->

`floorline COMMAND -h` prints the same. [Commands and exit codes](commands.md) describes them together.
"""


def write_options() -> str:
    """Return the page, with a section for each command and for each group of commands."""
    return "\n".join([HEAD, *_sections()])


def _sections() -> Iterator[str]:
    for name, command in walk_commands(build_command()):
        full_name = f"floorline {name}".strip()
        yield f"## `{full_name}`\n"
        with command.make_context(full_name, [], resilient_parsing=True) as context:
            usage = " ".join([full_name, *command.collect_usage_pieces(context)])
            yield f"    {usage}\n"
            yield f"{command.help}\n"
            rows = [row for each in command.params if (row := each.get_help_record(context))]
        yield from _table(rows)
        yield from _members(full_name, command)
        if command.epilog and "Example: " in command.epilog:
            yield f"Example: `{command.epilog.removeprefix('Example: ')}`\n"


def _table(rows: list[tuple[str, str]]) -> Iterator[str]:
    if rows:
        yield "| argument or option | meaning |\n|---|---|"
        yield from (f"| `{write_cell(name)}` | {write_cell(text)} |" for name, text in rows)
        yield ""


def _members(full_name: str, group: Any) -> Iterator[str]:
    """Yield the commands of a group, each with a link to its section."""
    children = getattr(group, "commands", {})
    for name, child in children.items():
        anchor = f"{full_name} {name}".replace(" ", "-")
        yield f"- [`{name}`](#{anchor}): {child.help.partition('.')[0]}"
    if children:
        yield ""
