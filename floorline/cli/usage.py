"""What is wrong with a command line, in one line: Typer's own messages have sentences of its libraries."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final

from common.text import escape

NAMED: Final = re.compile(r"'([^']*)'")
# By the annotation of an option.
VALUES: Final = {
    int: "a whole number",
    float: "a number",
    datetime: "a date such as 2026-10-20 or 2026-10-20T12:00:00",
}


def explain_usage(command: str, error: Any) -> str:  # noqa: ANN401 - the classes are private to Typer
    """Return what is wrong, and which help to read; `error` is a usage error of Typer."""
    return f"{_describe(error)}; see `{' '.join(['floorline', *command.split(), '-h'])}`"


def _describe(error: Any) -> str:  # noqa: ANN401
    kind = type(error).__name__
    if kind == "NoSuchOption":
        return f"there is no option {escape(error.option_name)}{_ask(error.possibilities or ())}"
    if kind == "BadOptionUsage":
        needs = "needs a value" if "requires" in error.message else "takes no value"
        return f"{escape(error.option_name)} {needs}"
    if kind == "MissingParameter":
        return f"{_name(error.param)} is missing"
    if getattr(error, "param", None) is not None:
        return f"{_name(error.param)} takes {_describe_value(error.param)}"
    return _describe_words(error.message)


def _describe_words(message: str) -> str:
    """Return what is wrong with the words that are no options."""
    if message.startswith("No such command"):
        wrong, *near = NAMED.findall(message)
        return f"there is no command {escape(wrong)}{_ask(near)}"
    if message.startswith("Got unexpected extra argument"):
        return f"there is too much: {escape(message.partition('(s) (')[2].removesuffix(')'))}"
    return "a command is missing" if message.startswith("Missing command") else message


def _ask(near: Any) -> str:  # noqa: ANN401
    return f"; did you mean {' or '.join(sorted(near))}?" if near else ""


def _name(parameter: Any) -> str:  # noqa: ANN401
    """Return an option as it is written, or an argument as the help names it."""
    longest = max(parameter.opts, key=len)
    return longest if longest.startswith("-") else str(parameter.metavar or parameter.name).strip("[].")


def _describe_value(parameter: Any) -> str:  # noqa: ANN401
    kind = parameter.type_descriptor
    if kind.choices:
        return f"one of {', '.join(map(str, kind.choices))}"
    least, most = kind.parameter_info.min, kind.parameter_info.max
    bounds = f" from {least:,}" if least is not None else ""
    bounds += f" to {most:,}" if most is not None else ""
    return f"{VALUES.get(kind.annotation, 'another value')}{bounds}"
