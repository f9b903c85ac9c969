"""The variables FLOORLINE_... of the environment, which set keys of the configuration."""

from __future__ import annotations

import copy
import difflib
import itertools
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource

from common.errors import ConfigError
from common.text import escape

PREFIX: Final = "FLOORLINE_"
DELIMITER: Final = "__"
CONFIG: Final = f"{PREFIX}CONFIG"  # the path of the configuration
SECRET: Final = re.compile(rf"env:({PREFIX}\w+)")  # its name is the user's own
COMMA: Final = re.compile(r"\s*,\s*")
Tables: TypeAlias = Mapping[str, Sequence[type[BaseModel]]]
SAME_NAME: Final = 0.8  # the similarity of a misspelt name, from 0 to 1
MAX_UNKNOWN: Final = 5  # variables in one error
# The tables with a list of entries, each with a name, and the word for an entry.
LISTS: Final[Mapping[str, str]] = {"baskets": "basket", "watches": "watch"}


class EnvironmentSource(EnvSettingsSource):
    """The values of the variables, which have precedence over `file`, the fields of the configuration.

    An empty variable counts as unset. A list is JSON, or its entries with commas between them. The names of
    sources, baskets and watches are found without regard to case; a basket or a watch may also be given by
    its number from 0.
    """

    def __init__(self, settings: type[BaseSettings], file: Mapping[str, Any], tables: Tables) -> None:
        super().__init__(settings)
        self._file = file
        self._tables = tables

    def __call__(self) -> dict[str, Any]:
        """Return the fields that variables set. Raises ConfigError."""
        fields = super().__call__()
        if isinstance(sources := fields.get("sources"), dict):
            fields["sources"] = dict(self._name_sources(sources))
        for table in LISTS:
            if self.env_vars.get(f"{PREFIX}{table}".lower()):
                fields[table] = list_entries(fields[table])
            changes = self.explode_env_vars(table, self.settings_cls.model_fields[table], self.env_vars)
            if changes:
                entries = fields[table] if isinstance(fields[table], list) else self._file.get(table)
                fields[table] = self._change_entries(table, entries, changes)
        return fields

    def decode_complex_value(self, field_name: str, field: FieldInfo | None, value: str) -> Any:  # noqa: ANN401
        """Return the value of JSON, or the entries of a list with commas."""
        if field is not None and _is_list(field) and value.lstrip()[:1] not in {"[", "{"}:
            return COMMA.split(value.strip())
        try:
            return super().decode_complex_value(field_name, field, value)  # type: ignore[arg-type]
        except (ValueError, RecursionError):
            if field is None:  # pydantic-settings then takes the text as it is
                raise
            raise ConfigError(f"the environment: the value of {field_name} is not valid JSON") from None

    def _name_sources(self, sources: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """Yield each source by its name in the file; a source that is not in the file needs a kind."""
        names = {name.lower(): name for name in _tables(self._file.get("sources"))}
        kinds = {model.model_fields["kind"].default for model in self._tables["sources"]}
        for name, source in sources.items():
            if name not in names and name not in kinds and "kind" not in _tables(source):
                raise _unknown("SOURCES", name, "source", names.values())
            yield names.get(name, name), source

    def _change_entries(self, table: str, entries: object, changes: Mapping[str, object]) -> list[object]:
        """Return the entries of a list with these changes, by the name or the number of an entry."""
        copies = copy.deepcopy(entries) if isinstance(entries, list) else []
        places = {str(place): entry for place, entry in enumerate(copies) if isinstance(entry, dict)}
        names = [str(entry.get("name")) for entry in places.values()]
        places |= {name.lower(): entry for name, entry in zip(names, list(places.values()), strict=True)}
        for name, fields in changes.items():
            if name not in places:
                raise _unknown(table.upper(), name, LISTS[table], names)
            if not isinstance(fields, dict):
                raise ConfigError(
                    f"the environment: {_variable(table.upper(), name)} needs {DELIMITER} and a key"
                )
            places[name].update({key: self._parse(table, key, value) for key, value in fields.items()})
        return copies

    def _parse(self, table: str, key: str, value: Any) -> Any:  # noqa: ANN401 - the types are those of the entry
        field = self._tables[table][0].model_fields.get(key)
        if field is None or not _is_list(field) or not isinstance(value, str):
            return value
        return self.decode_complex_value(key, field, value)


def list_entries(entries: object) -> object:
    """Return baskets or watches as a list, where they are tables by name; else, what they are."""
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        return entries
    return [{"name": name, **entry} for name, entry in entries.items()]


def _unknown(table: str, name: str, what: str, known: Iterable[str]) -> ConfigError:
    names = ", ".join(known) or "none"
    problem = f"no {what} is called so; the configuration has {names}"
    return ConfigError(f"the environment: {_variable(table, name)}: {problem}")


def _variable(table: str, name: str) -> str:
    return escape(f"{PREFIX}{table}{DELIMITER}{name.upper()}")


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


def _is_list(field: FieldInfo) -> bool:
    return get_origin(field.annotation) is tuple
