"""The group of all commands: its help in sections, and what Typer would handle in its own way."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final

import typer
from typer.core import TyperGroup

from floorline.cli.endings import INTERRUPTED
from floorline.cli.json_output import CommandEnded, ErrorOutput
from floorline.resources import require_resources

# Options of the group itself that take a value.
WITH_VALUE: Final = frozenset({"--config"})


class CommandGroup(TyperGroup):
    """The group of all commands. What Typer would handle ends a command here: Ctrl-C, OSError, EOFError."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002 - private to Typer
        """Write the commands in the sections that `rich_help_panel` names, in the order of the commands."""
        # Typer itself has sections only with Rich, which draws boxes and takes a tenth of a second to load.
        commands: dict[str, Any] = {
            name: command for name, command in self.commands.items() if not command.hidden
        }
        limit = formatter.width - 4 - max(map(len, commands))
        for panel in dict.fromkeys(command.rich_help_panel for command in commands.values()):
            with formatter.section(panel or "Commands"):
                formatter.write_dl(
                    [
                        (name.ljust(formatter.width - limit - 4), command.get_short_help_str(limit))
                        for name, command in commands.items()
                        if command.rich_help_panel == panel
                    ]
                )

    def make_context(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - the types are private to Typer
        """Parse the command line, which loads libraries; Typer would end on Ctrl-C without a word."""
        try:
            return super().make_context(*args, **options)
        except KeyboardInterrupt as interrupt:
            raise CommandEnded(INTERRUPTED) from interrupt

    def invoke(self, ctx: Any) -> object:  # noqa: ANN401 - the type is private to Typer
        """Run the chosen command, if the machine grants what it needs."""
        try:
            require_resources(name_command(self, sys.argv[1:]).partition(" ")[0])
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            raise CommandEnded(INTERRUPTED) from interrupt
        except typer.Abort:
            unanswered = "nothing was done: the question got no answer"
            raise CommandEnded(ErrorOutput("Unanswered", unanswered, 1)) from None
        except (OSError, EOFError) as error:  # for Typer, the latter is the end of the standard input
            from floorline.failures import exit_code, explain

            failure = explain(error)
            raise CommandEnded(ErrorOutput.from_error(failure, exit_code(failure))) from error


def first_word(arguments: Sequence[str]) -> str:
    """Return the first argument that is no option and not the value of one; empty where there is none."""
    for before, argument in zip(("", *arguments), arguments, strict=False):
        if not argument.startswith("-") and before not in WITH_VALUE:
            return argument
    return ""


def name_command(group: Any, arguments: Sequence[str]) -> str:  # noqa: ANN401 - private to Typer
    """Return the full name of the command in these arguments; empty where they name none."""
    names: list[str] = []
    for before, argument in zip(("", *arguments), arguments, strict=False):
        child = getattr(group, "commands", {}).get(argument)
        if child is not None and before not in WITH_VALUE:
            group = child
            names.append(argument)
    return " ".join(names)
