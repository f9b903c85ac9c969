"""What is wrong with a configuration: each problem with its place, in one phrase that says what to write.

No phrase has a value of the configuration, which may be a misplaced secret, and none is pydantic's.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias, get_args

from pydantic_core import ErrorDetails

from pipelines.config.environment import LISTS, Tables

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

Location: TypeAlias = tuple[str | int, ...]
TABLE_FORMS: Final = {
    "warehouse": "[warehouse]",
    "shared": "[shared]",
    "alerts": "[alerts]",
    "sources": "[sources.NAME]",
    "baskets": "[[baskets]] or [baskets.NAME]",
    "watches": "[[watches]] or [watches.NAME]",
}
A_TABLE: Final = {
    "warehouse": "this table",
    "shared": "this table",
    "alerts": "this table",
    "sources": "this source",
    "baskets": "a basket",
    "watches": "a watch",
}
SECRETS: Final = frozenset({"api_key", "apikey", "api-key", "secret", "token", "password"})
# What pydantic's types of errors mean, where the type alone says it.
PHRASES: Final[Mapping[str, str]] = {
    "bool_type": "must be true or false, without quotation marks",
    "bool_parsing": "must be true or false, without quotation marks",
    "int_type": "must be a whole number, without quotation marks",
    "int_parsing": "must be a whole number, without quotation marks",
    "int_parsing_size": "must be a whole number, and a smaller one",
    "int_from_float": "must be a whole number",
    "string_type": "must be text in quotation marks",
    "string_unicode": "must be UTF-8 text",
    "path_type": "must be a path in quotation marks",
    "byte_size": 'must be a size, such as "256MB" or "1GB"',
    "byte_size_unit": 'must be a size, such as "256MB" or "1GB"',
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "none_required": "must be left out",
    "missing": "is missing",
    "too_short": "is empty",
    "string_too_short": "is empty",
}
NO_TABLE: Final = frozenset({"model_type", "dict_type", "model_attributes_type"})


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem of a configuration: the keys that lead to its place, and the phrase."""

    location: Location
    phrase: str


def describe_errors(errors: Sequence[ErrorDetails], tables: Tables) -> list[Problem]:
    """Return pydantic's errors as problems. `tables` has the models of each table.

    A list is not called empty where an entry of it is wrong.
    """
    wrong = {tuple(error["loc"][:-1]) for error in errors}
    return [
        _describe_error(error, tables)
        for error in errors
        if error["type"] != "too_short" or tuple(error["loc"]) not in wrong
    ]


def _describe_error(error: ErrorDetails, tables: Tables) -> Problem:
    location = tuple(error["loc"])
    kind = str(location[2]) if location[:1] == ("sources",) and len(location) > 2 else None
    if kind is not None:
        location = location[:2] + location[3:]  # pydantic adds the kind to the location
    if error["type"].startswith("union_tag"):
        return Problem((*location, "kind"), _describe_kind(error, tables))
    fields = _fields_of(location, kind, tables)
    if error["type"] == "extra_forbidden" and location[0] in LISTS and isinstance(error["input"], dict):
        forms = TABLE_FORMS[str(location[0])].replace(" or ", ", or all as ")
        return Problem(location, f"must be written as the others: all as {forms}")
    if error["type"] == "extra_forbidden":
        return describe_unknown(location, fields, tables)
    return Problem(location, _describe(location, error, fields))


def _describe(location: Location, error: ErrorDetails, fields: Mapping[str, FieldInfo]) -> str:
    kind, context = error["type"], error.get("ctx", {})
    key, field = next(((part, fields[part]) for part in map(str, location[1:]) if part in fields), ("", None))
    if kind == "value_error":
        return str(context["error"])
    if kind in NO_TABLE or (len(location) == 1 and location[0] in LISTS):
        return f"must be a table: write {TABLE_FORMS.get(str(location[0]), '[NAME]')}"
    if kind == "literal_error" and field is not None:
        return _describe_choice(field, error["input"])
    if kind in {"greater_than_equal", "less_than_equal"}:
        phrase = (
            f"must be at least {context['ge']}" if "ge" in context else f"must be at most {context['le']}"
        )
    elif kind == "string_too_long":
        phrase = f"must have at most {context['max_length']} characters"
    else:
        phrase = PHRASES.get(kind, "is not valid")
    return f"{phrase}{_example(key, field)}"


def _describe_kind(error: ErrorDetails, tables: Tables) -> str:
    """Return what is wrong with the kind of a source, which is its name where it has none."""
    kinds = [str(model.model_fields["kind"].default) for model in tables["sources"]]
    written = str(error.get("ctx", {}).get("tag", ""))
    choices = " or ".join(f'kind = "{kind}"' for kind in kinds)
    return f"must be {' or '.join(kinds)}: write {choices}{suggest(written, kinds)}"


def _describe_choice(field: FieldInfo, written: object) -> str:
    choices = [str(choice) for choice in get_args(field.annotation)]
    near = suggest(written.lower() if isinstance(written, str) else "", choices)
    return f"must be one of {', '.join(map(json.dumps, choices))}{near}"


def describe_unknown(location: Location, fields: Mapping[str, FieldInfo], tables: Tables) -> Problem:
    """Return the problem that a key or a table does not exist, with the nearest name or the key's place.

    `fields` are the keys of the table that has no such key.
    """
    key = str(location[-1])
    if key.lower() in SECRETS:
        phrase = 'must not be in a file: write key = "env:VARIABLE", and set the variable'
        return Problem(location, phrase)
    table = str(location[0]) if len(location) > 1 else ""
    if table and key in tables:
        return Problem(location, f"is a table of its own: write {TABLE_FORMS[key]} before its keys")
    homes = [TABLE_FORMS[home] for home in _owners(key, tables) if home != table]
    elsewhere = f"; it belongs into {' or '.join(homes)}" if homes else ""
    if table:
        return Problem(location, f"is no key of {A_TABLE[table]}{elsewhere or suggest(key, fields)}")
    near = difflib.get_close_matches(key.lower(), tables, n=1)
    meant = f"; did you mean {TABLE_FORMS[near[0]]}?" if near else elsewhere
    return Problem(location, f"is no table of a configuration{meant}")


def _owners(key: str, tables: Tables) -> list[str]:
    """Return the names of the tables that have a key."""
    return [table for table, models in tables.items() if any(key in model.model_fields for model in models)]


def _fields_of(location: Location, kind: str | None, tables: Tables) -> dict[str, FieldInfo]:
    """Return the fields of the table at a location; of a source of this kind."""
    models = tables.get(str(location[0]), ()) if location else ()
    own = [m for m in models if kind is None or m.model_fields["kind"].default == kind]
    return {name: field for model in own or models for name, field in model.model_fields.items()}


def _example(key: str, field: FieldInfo | None) -> str:
    if field is None or not field.examples:
        return ""
    return f": write {key} = {json.dumps(field.examples[0], ensure_ascii=False)}"


def suggest(written: str, known: Iterable[str]) -> str:
    """Return a question for the nearest known word, in any case; empty if none is near."""
    words = {word.lower(): word for word in known}
    near = difflib.get_close_matches(written.lower(), words, n=1)
    return f"; did you mean {words[near[0]]}?" if near else ""
