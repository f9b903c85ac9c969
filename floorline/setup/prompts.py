"""Questions on a terminal: with lists and a search as you type where the terminal can, else line by line.

All questions go to stderr. Ctrl-C raises KeyboardInterrupt, the end of the input EOFError or typer.Abort.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

import typer

from common.text import escape, quote
from pipelines.planning.suggestions import suggest

if TYPE_CHECKING:
    from prompt_toolkit.completion import CompleteEvent, Completion
    from prompt_toolkit.document import Document

# Returns what is wrong with an answer; empty if nothing is.
Check = Callable[[str], str]
Find = Callable[[str], Sequence[str]]
PLAIN_TERMINALS: Final = frozenset({"", "dumb", "unknown"})


class Prompts(Protocol):
    """Asks a person."""

    def choose(self, question: str, choices: Mapping[str, str], default: str) -> str:
        """Return one of the choices, which have a description each."""
        ...

    def choose_several(self, question: str, choices: Mapping[str, str], default: Sequence[str]) -> list[str]:
        """Return some of the choices, at least one."""
        ...

    def ask(self, question: str, default: str, check: Check, find: Find | None = None) -> str:
        """Return a text with which nothing is wrong; `find` completes what is typed so far."""
        ...


def person_answers() -> bool:
    """Return whether a person can be asked: both the input and stderr are a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


@contextmanager
def open_prompts() -> Iterator[Prompts]:
    """Return the prompts for this terminal."""
    if os.environ.get("TERM", "") in PLAIN_TERMINALS:
        yield LinePrompts()
        return
    from prompt_toolkit.application import create_app_session
    from prompt_toolkit.output import create_output

    with create_app_session(output=create_output(stdout=sys.stderr)):
        yield ScreenPrompts()


class ScreenPrompts:
    """Prompts with cursor keys, lists and completion."""

    def choose(self, question: str, choices: Mapping[str, str], default: str) -> str:
        """See `Prompts`."""
        import questionary

        shown = [questionary.Choice(_title(*choice), value=choice[0]) for choice in choices.items()]
        return str(questionary.select(question, shown, default=default).unsafe_ask())

    def choose_several(self, question: str, choices: Mapping[str, str], default: Sequence[str]) -> list[str]:
        """See `Prompts`. Typing searches the choices."""
        import questionary

        shown = [
            questionary.Choice(_title(name, text), value=name, checked=name in default)
            for name, text in choices.items()
        ]
        chosen = questionary.checkbox(
            question,
            shown,
            validate=lambda names: bool(names) or "Choose at least one, with the space bar.",
            instruction="(type to search, space to choose, enter to go on)",
            use_search_filter=True,
            use_jk_keys=False,
        ).unsafe_ask()
        return list(chosen)

    def ask(self, question: str, default: str, check: Check, find: Find | None = None) -> str:
        """See `Prompts`."""
        import questionary

        more: dict[str, Any] = {"validate_while_typing": False}
        if find is not None:
            more |= {"completer": _complete_with(find), "complete_while_typing": True}
        text = questionary.text(
            question, default=default, validate=lambda text: check(text.strip()) or True, **more
        )
        return str(text.unsafe_ask()).strip()


class LinePrompts:
    """Prompts for a terminal that only prints lines."""

    def choose(self, question: str, choices: Mapping[str, str], default: str) -> str:
        """See `Prompts`."""
        _print_choices(choices)
        return self.ask(question, default, lambda text: _find_unknown([text], choices))

    def choose_several(self, question: str, choices: Mapping[str, str], default: Sequence[str]) -> list[str]:
        """See `Prompts`. The names stand on one line, with commas."""
        _print_choices(choices)

        def check(text: str) -> str:
            return _find_unknown(split_list(text), choices)

        return split_list(self.ask(f"{question.removesuffix('?')} (with commas)?", ", ".join(default), check))

    def ask(self, question: str, default: str, check: Check, find: Find | None = None) -> str:
        """See `Prompts`. What `find` finds is printed below a wrong answer."""
        while True:
            text: str = typer.prompt(
                question, default=default, err=True, show_default=bool(default), prompt_suffix=" "
            ).strip()
            problem = check(text)
            if not problem:
                return text
            typer.echo(f"  {problem}", err=True)
            for name in find(text)[:5] if find else ():
                typer.echo(f"    {name}", err=True)


def split_list(text: str) -> list[str]:
    """Return the entries of a list with commas."""
    return [entry for part in text.split(",") if (entry := part.strip())]


def _title(name: str, text: str) -> str:
    """Return a choice as it is shown; the names of marketplaces are foreign."""
    return escape(f"{name}  {text}" if text else name)


def _print_choices(choices: Mapping[str, str]) -> None:
    for choice in choices.items():
        typer.echo(f"  {_title(*choice)}", err=True)


def _find_unknown(names: Sequence[str], choices: Mapping[str, str]) -> str:
    """Return which name is no choice, or that there is none; empty if all names are choices."""
    unknown = next((name for name in names if name not in choices), None)
    if unknown is None:
        return "" if names else "Choose at least one."
    return f"{quote(unknown)} is none of these{suggest(unknown, choices)}"


def _complete_with(find: Find) -> Any:  # noqa: ANN401 - the type is of a library that is imported here only
    from prompt_toolkit.completion import Completer, Completion, ThreadedCompleter

    class Found(Completer):
        def get_completions(self, document: Document, _event: CompleteEvent) -> Iterator[Completion]:
            for name in find(document.text):
                yield Completion(name, start_position=-len(document.text))

    return ThreadedCompleter(Found())
