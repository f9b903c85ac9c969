"""The command `floorline schema`."""

from __future__ import annotations

from typing import Annotated

import typer


def schema(
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="COMMAND", help="The command, such as `alerts list`; without it, a list of all."
        ),
    ] = None,
) -> None:
    """Print the JSON Schema of a command's --json.

    Without a command, lists the commands that print JSON.
    """
    from common.errors import ConfigError
    from common.text import escape
    from floorline import console
    from floorline.cli.outputs.registry import RESULTS, json_schema

    name = " ".join(command or ())
    if not name:
        console.print_line("\n".join(RESULTS))
    elif name not in RESULTS:
        raise ConfigError(f"no command {escape(name)} prints JSON: `floorline schema` lists those that do")
    else:
        console.print_line(console.to_json(json_schema(name)))
