"""The errors of a configuration as one phrase each, without the values, which may be misplaced secrets."""

from __future__ import annotations

import difflib

from pydantic_core import ErrorDetails

from common.text import escape
from pipelines.environment import Tables, name_place


def describe_error(error: ErrorDetails, tables: Tables) -> str:
    """Return an error of pydantic with its key, or with the variable that has set the key.

    `tables` has the models of each table: after a key that does not exist comes the nearest key of its table.
    """
    location = list(map(str, error["loc"]))
    kind = location[2] if location[:1] == ["sources"] and len(location) > 2 else None
    if kind is not None:
        del location[2]  # pydantic adds the kind to the location
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "union_tag_invalid":
        location, message = [*location, "kind"], f"must be one of {error['ctx']['expected_tags']}"
    if error["type"] == "extra_forbidden":
        message += _suggest(location, kind, tables)
    key = name_place(location)
    return f"{escape(key)}: {message}" if key else str(message)


def _suggest(location: list[str], kind: str | None, tables: Tables) -> str:
    """Return a question for the nearest key of the table that has no such key; empty if none is near."""
    *table, key = location
    models = tables.get(table[0], ()) if table else ()
    fields = [model.model_fields for model in models]
    same_kind = [keys for keys in fields if kind is None or keys["kind"].default == kind]
    known = [name for keys in same_kind for name in keys] if table else list(tables)
    near = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {'.'.join([*table, near[0]])}?" if near else ""
