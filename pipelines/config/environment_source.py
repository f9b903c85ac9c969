"""Read the variables FLOORLINE_... into the fields of the configuration.

Only where there is such a variable: pydantic-settings takes long to import.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource, SettingsError

from common.errors import ConfigError
from common.text import escape
from pipelines.config.environment import DELIMITER, LISTS, PREFIX, Tables, list_entries

COMMA: Final = re.compile(r"\s*,\s*")


def add_variables(settings: type[BaseModel], file: Mapping[str, Any], tables: Tables) -> dict[str, Any]:
    """Return the fields of the configuration with those that variables set. Raises ConfigError."""
    try:
        return _merge(file, EnvironmentSource(settings, file, tables)())
    except SettingsError:
        raise ConfigError("the environment: a variable FLOORLINE_... has a value that is not JSON") from None


def _merge(file: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(file)
    for name, value in variables.items():
        old = merged.get(name)
        merged[name] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


class EnvironmentSource(EnvSettingsSource):
    """The values of the variables, which have precedence over `file`, the fields of the configuration.

    An empty variable counts as unset. A list is JSON, or its entries with commas between them. The names of
    sources, baskets and watches are found without regard to case; a basket or a watch may also be given by
    its number from 0.
    """

    def __init__(self, settings: type[BaseModel], file: Mapping[str, Any], tables: Tables) -> None:
        super().__init__(
            settings,  # type: ignore[arg-type]
            env_prefix=PREFIX,
            env_prefix_target="variable",
            env_nested_delimiter=DELIMITER,
            env_ignore_empty=True,
        )
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


def _unknown(table: str, name: str, what: str, known: Iterable[str]) -> ConfigError:
    names = ", ".join(known) or "none"
    problem = f"no {what} is called so; the configuration has {names}"
    return ConfigError(f"the environment: {_variable(table, name)}: {problem}")


def _variable(table: str, name: str) -> str:
    return escape(f"{PREFIX}{table}{DELIMITER}{name.upper()}")


def _tables(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_list(field: FieldInfo) -> bool:
    return get_origin(field.annotation) is tuple
