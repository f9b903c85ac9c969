"""The variables FLOORLINE_... of the environment, which set keys of the configuration."""

from __future__ import annotations

import difflib
import itertools
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from pydantic import BaseModel

from common.errors import ConfigError
from common.text import escape

PREFIX: Final = "FLOORLINE_"
DELIMITER: Final = "__"
CONFIG: Final = f"{PREFIX}CONFIG"  # the path of the configuration
SECRET: Final = re.compile(rf"env:({PREFIX}\w+)")  # its name is the user's own
Tables: TypeAlias = Mapping[str, Sequence[type[BaseModel]]]
SAME_NAME: Final = 0.8  # the similarity of a misspelt name, from 0 to 1
MAX_UNKNOWN: Final = 5  # variables in one error
# The tables with a list of entries, each with a name, and the word for an entry.
LISTS: Final[Mapping[str, str]] = {"baskets": "basket", "watches": "watch"}


def list_entries(entries: object) -> object:
    """Return baskets or watches as a list, where they are tables by name; else, what they are."""
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        return entries
    return [{"name": name, **entry} for name, entry in entries.items()]


def check_variables(tables: Tables, file: Mapping[str, Any]) -> None:
    """Raise ConfigError, with the nearest name, for variables that stand for no key of the configuration.

    `tables` has the models of each table; `file` the fields of the configuration, which may name variables of
    keys.
    """
    ours = [name for name in os.environ if name.upper().startswith(PREFIX)]
    texts = json.dumps(file, default=str), *(os.environ[name] for name in ours)
    secrets = {name for text in texts for name in SECRET.findall(text)}
    known = list(_known_variables(tables, file))
    unknown = [name for name in ours if os.environ[name] and not _is_known(name.upper(), tables)]
    problems = [
        f"{escape(name)} is no variable of Floorline{_suggest(name, known)}"
        for name in unknown
        if name not in secrets and not _is_key(name, known)
    ]
    if problems:
        raise ConfigError(f"the environment: {'; '.join(problems[:MAX_UNKNOWN])}")


def sets_fields(tables: Tables) -> bool:
    """Return whether a variable sets a key of the configuration."""
    return any(
        value
        and name.upper().startswith(PREFIX)
        and name.upper() != CONFIG
        and _is_known(name.upper(), tables)
        for name, value in os.environ.items()
    )


def _is_key(name: str, known: list[str]) -> bool:
    """Return whether a variable may hold the key of another configuration: FLOORLINE_..._KEY."""
    return name.endswith("_KEY") and not difflib.get_close_matches(name, known, n=1, cutoff=SAME_NAME)


def find_variable(location: Sequence[str]) -> tuple[str, Sequence[str]] | None:
    """Return the variable that has set a key, and the rest of the location, which is within its value.

    None where no variable has set it.
    """
    set_by = {variable.upper(): variable for variable in os.environ if os.environ[variable]}
    for length in range(len(location), 0, -1):
        if variable := set_by.get(PREFIX + DELIMITER.join(location[:length]).upper()):
            return variable, location[length:]
    within = PREFIX + DELIMITER.join((*location, "")).upper()  # of a key that is no table
    variable = next((set_by[name] for name in set_by if location[1:] and name.startswith(within)), None)
    return None if variable is None else (variable, ())


def _is_known(name: str, tables: Tables) -> bool:
    """Return whether a variable has the name of a table; validation judges the keys in the table."""
    return name == CONFIG or name.removeprefix(PREFIX).lower().partition(DELIMITER)[0] in tables


def _known_variables(tables: Tables, file: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of all variables, with those of the sources, baskets and watches of the file."""
    yield CONFIG
    names = {table: [str(entry.get("name")) for entry in _entries(file.get(table))] for table in LISTS}
    names["sources"] = list(_tables(file.get("sources")))
    for table, models in tables.items():
        yield f"{PREFIX}{table.upper()}"
        for name, model in itertools.product(names.get(table, [""]), models):
            for key in model.model_fields:
                yield PREFIX + DELIMITER.join(filter(None, (table, name, key))).upper()


def _suggest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name.upper(), known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _tables(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _entries(value: object) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
