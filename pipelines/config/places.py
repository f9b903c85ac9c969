"""The places of problems in a configuration: its lines, its tables and their entries, and the environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from common.text import escape
from pipelines.config.environment import LISTS, find_variable, list_entries
from pipelines.config.lines import find_line
from pipelines.config.problems import Location, Problem

ENVIRONMENT: Final = "the environment"


class Document:
    """A configuration that was read from `where`: its tables as TOML has them, and its text, if there is any.

    `fields` are the tables with baskets and watches as lists, also where they are written as [baskets.NAME].
    """

    def __init__(self, fields: Mapping[str, Any], where: str, text: str) -> None:
        self._where = where
        self._text = text
        self.fields: dict[str, Any] = {
            key: list_entries(value) if key in LISTS else value for key, value in fields.items()
        }
        self._names = {table: list(fields[table]) for table in LISTS if isinstance(fields.get(table), dict)}

    def find_other_names(self) -> list[Problem]:
        """Return the entries such as [baskets.NAME] with another `name`."""
        return [
            Problem((table, place, "name"), "must be the name of its table: leave it out")
            for table, names in self._names.items()
            for place, name in enumerate(names)
            if self._entry_name(table, place) not in {name, None}
        ]

    def describe(self, problem: Problem) -> tuple[str, str]:
        """Return the file or the environment, and the problem there.

        The problem has its line or its variable, its basket, watch or source, and its key.
        """
        location = tuple(map(str, problem.location))
        places = [location, self._with_name(location)]
        if found := next(filter(None, map(find_variable, places)), None):
            variable, rest = found
            within = f": {'.'.join(rest)}" if rest else ""
            return ENVIRONMENT, f"{variable}{within} {problem.phrase}"
        line = find_line(self._text, self._as_written(problem.location)) if self._text else None
        place = f"{self._name(problem.location)} {problem.phrase}"
        return self._where, place if line is None else f"line {line}: {place}"

    def _as_written(self, location: Location) -> Location:
        if location[0] not in self._names or len(location) < 2:
            return location
        table = str(location[0])
        return (table, self._names[table][int(location[1])], *location[2:])

    def _with_name(self, location: tuple[str, ...]) -> tuple[str, ...]:
        """Return a location with the name of the basket or the watch in the place of its number."""
        if location[0] not in LISTS or len(location) < 2:
            return location
        return (location[0], self._entry_name(*location[:2]) or location[1], *location[2:])

    def _entry_name(self, table: str, place: str | int) -> str | None:
        entries = self.fields.get(table)
        entry = entries[int(place)] if isinstance(entries, list) and int(place) < len(entries) else None
        name = entry.get("name") if isinstance(entry, dict) else None
        return name if isinstance(name, str) and name else None

    def _name(self, location: Location) -> str:
        """Return the words for a place: the basket, the watch, the source or the table, and the key."""
        table, *rest = location
        if not rest:
            return (
                f"[{escape(str(table))}]"
                if isinstance(self.fields.get(str(table)), dict)
                else escape(str(table))
            )
        if table in {"warehouse", "shared", "alerts"}:
            return f"[{table}] {_name_key(rest)}"
        if table in LISTS:
            name = self._entry_name(str(table), rest[0]) or str(int(rest[0]) + 1)
            owner = f"{LISTS[str(table)]} {escape(name)}"
        else:
            owner = f"source {escape(str(rest[0]))}"
        keys = [key for key in rest[1:] if key != "[key]"]  # pydantic's mark of a wrong name
        return f"{owner}: {_name_key(keys)}" if keys else owner


def _name_key(keys: list[str | int]) -> str:
    *path, last = keys
    if isinstance(last, int) and path:
        return f"{_name_key(path)}, entry {last + 1},"
    return ".".join(escape(str(key)) for key in keys)
