"""The tables of docs/configuration.md: the keys of each table, with type, default and meaning."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from types import NoneType
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel, ByteSize

from pipelines.config import (
    AlertSettings,
    BasketSettings,
    Cs2capSettings,
    SharedSettings,
    SkinsharkSettings,
    WarehouseSettings,
    WatchSettings,
)
from pipelines.config.schema import configuration_schema
from tests.support.reference.sections import replace_section, write_cell

MODELS: Final[tuple[type[BaseModel], ...]] = (
    WarehouseSettings,
    SharedSettings,
    Cs2capSettings,
    SkinsharkSettings,
    BasketSettings,
    WatchSettings,
    AlertSettings,
)
WORDS: Final = {
    str: "text",
    int: "whole number",
    bool: "`true` or `false`",
    Decimal: "number",
    Path: "path",
    ByteSize: "size",
    timedelta: "duration",
}


def write_configuration(page: str) -> str:
    """Return the page docs/configuration.md with the tables of all models."""
    described = configuration_schema()["$defs"]
    for model in MODELS:
        keys = described[model.__name__]["properties"]
        page = replace_section(page, begin_of(model), "\n".join(_table(model, keys)))
    return page


def begin_of(model: type[BaseModel]) -> str:
    """Return the line above the table of a model."""
    return f"<!-- `make docs` writes what follows, from {model.__name__}. -->\n"


def _table(model: type[BaseModel], keys: Mapping[str, Any]) -> Iterator[str]:
    """Yield the table of a model; `keys` is what the JSON Schema says of its keys."""
    yield "| key | type | default | meaning |\n|---|---|---|---|"
    for name, key in keys.items():
        kind = _describe_type(model.model_fields[name].annotation)
        meaning = write_cell(key["description"])
        yield f"| `{name}` | {kind} | {_describe_default(key)} | {meaning} |"
    yield ""


def _describe_default(key: Mapping[str, Any]) -> str:
    if "default" not in key:
        return "required"
    default = key["default"]
    return "none" if default is None or default == "" else f"`{json.dumps(default)}`"


def _describe_type(annotation: Any) -> str:
    """Return the words for the type of a value; a list may also be written as its only entry."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{word}`" for word in arguments)
    if origin is tuple:
        return f"list of {_describe_type(arguments[0])}"
    if hasattr(annotation, "__metadata__"):  # Annotated
        return _describe_type(arguments[0])
    if arguments:  # a union
        return " or ".join(_describe_type(each) for each in arguments if each is not NoneType)
    return WORDS[annotation]
