"""The page docs/python.md: `floorline.open`, and the class Market with its methods, from their docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import floorline
from floorline.market import Market
from tests.support.reference.sections import replace_section

BEGIN: Final = "<!-- `make docs` writes what follows, from the docstrings. -->\n"
WIDTH: Final = 100
NAMED: Final = re.compile(r"\b(?:views? |macro |or |those of )`(\w+)`")


def write_python_api(page: str, anchors: Mapping[str, str]) -> str:
    """Return the page docs/python.md with its sections; `anchors` has those of views and macros by name."""
    return replace_section(page, BEGIN, "\n".join(_sections(anchors)))


def public_members() -> dict[str, Any]:
    """Return the public methods and properties of Market by their names."""
    return {name: member for name, member in vars(Market).items() if not name.startswith("_")}


def _sections(anchors: Mapping[str, str]) -> Iterator[str]:
    yield f"## `floorline.open`\n\n{_write_signature('floorline.open', floorline.open)}\n"
    yield f"{_describe(floorline.open, anchors)}\n"
    yield f"## `Market`\n\n{_describe(Market, anchors)}\n"
    for name, member in public_members().items():
        function = member.fget if isinstance(member, property) else member
        signature = _write_signature(name, function, is_property=function is not member)
        yield f"### `{name}`\n\n{signature}\n\n{_describe(function, anchors)}\n"


def _write_signature(name: str, function: Any, *, is_property: bool = False) -> str:
    """Return the signature as an indented block: on one line, or with a line for each parameter."""
    signature = inspect.signature(function)
    if is_property:
        return f"    {name}: {signature.return_annotation}"
    written = list(_parameters(signature))
    line = f"    {name}({', '.join(written)}) -> {signature.return_annotation}"
    if len(line) <= WIDTH:
        return line
    lines = "".join(f"        {each},\n" for each in written)
    return f"    {name}(\n{lines}    ) -> {signature.return_annotation}"


def _parameters(signature: inspect.Signature) -> Iterator[str]:
    """Yield the parameters without `self`, and the star before those that are given by their names."""
    by_name = False
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not by_name:
            yield "*"
            by_name = True
        stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else ""
        default = "" if parameter.default is parameter.empty else f" = {_write_default(parameter.default)}"
        if parameter.name != "self":
            yield f"{stars}{parameter.name}: {parameter.annotation}{default}"


def _write_default(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _describe(member: Any, anchors: Mapping[str, str]) -> str:
    """Return the docstring, with a link at each view and macro that it names. Raises ValueError if empty."""
    text = inspect.getdoc(member)
    if not text:
        raise ValueError(f"no docstring: {member}")

    def link(found: re.Match[str]) -> str:
        name = found[1]
        return found[0].replace(f"`{name}`", f"[`{name}`](warehouse.md#{anchors[name]})")

    return NAMED.sub(lambda found: link(found) if found[1] in anchors else found[0], text)
