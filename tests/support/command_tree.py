"""The commands of the command line, as Typer builds them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def walk_commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield every command and group below `command`, with its full name; the type is private to Typer."""
    yield " ".join(path), command
    for name, child in getattr(command, "commands", {}).items():
        yield from walk_commands(child, (*path, name))
