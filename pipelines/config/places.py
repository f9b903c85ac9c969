"""The places of problems in a configuration: its lines, its baskets and sources, and the environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from common.text import escape
from pipelines.config.environment import find_variable, list_baskets
from pipelines.config.lines import find_line
from pipelines.config.problems import Location, Problem

ENVIRONMENT: Final = "the environment"


class Document:
    """A configuration that was read from `where`: its tables as TOML has them, and its text, if there is any.

    `fields` are the tables with the baskets as a list, also where they are written as [baskets.NAME].
    """

    def __init__(self, fields: Mapping[str, Any], where: str, text: str) -> None:
        written = fields.get("baskets")
        self._where = where
        self._text = text
        self.fields = {**fields, "baskets": list_baskets(written)} if "baskets" in fields else dict(fields)
        self._names = list(written) if isinstance(written, dict) else None

    def find_other_names(self) -> list[Problem]:
        """Return the baskets [baskets.NAME] with another `name`."""
        return [
            Problem(("baskets", place, "name"), "must be the name of its table: leave it out")
            for place, name in enumerate(self._names or ())
            if self._basket_name(place) not in {name, None}
        ]

    def describe(self, problem: Problem) -> tuple[str, str]:
        """Return the file or the environment, and the problem there.

        The problem has its line or its variable, its basket or source, and its key.
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
        if self._names is None or location[:1] != ("baskets",) or len(location) < 2:
            return location
        return ("baskets", self._names[int(location[1])], *location[2:])

    def _with_name(self, location: tuple[str, ...]) -> tuple[str, ...]:
        """Return a location with the name of the basket in the place of its number."""
        if location[:1] != ("baskets",) or len(location) < 2:
            return location
        return ("baskets", self._basket_name(location[1]) or location[1], *location[2:])

    def _basket_name(self, place: str | int) -> str | None:
        baskets = self.fields.get("baskets")
        basket = baskets[int(place)] if isinstance(baskets, list) and int(place) < len(baskets) else None
        name = basket.get("name") if isinstance(basket, dict) else None
        return name if isinstance(name, str) and name else None

    def _name(self, location: Location) -> str:
        """Return the words for a place: the basket, the source or the table, and the key."""
        table, *rest = location
        if not rest:
            return (
                f"[{escape(str(table))}]"
                if isinstance(self.fields.get(str(table)), dict)
                else escape(str(table))
            )
        if table in {"warehouse", "alerts"}:
            return f"[{table}] {_name_key(rest)}"
        if table == "baskets":
            owner = f"basket {escape(self._basket_name(rest[0]) or str(int(rest[0]) + 1))}"
        else:
            owner = f"source {escape(str(rest[0]))}"
        keys = [key for key in rest[1:] if key != "[key]"]  # pydantic's mark of a wrong name
        return f"{owner}: {_name_key(keys)}" if keys else owner


def _name_key(keys: list[str | int]) -> str:
    *path, last = keys
    if isinstance(last, int) and path:
        return f"{_name_key(path)}, entry {last + 1},"
    return ".".join(escape(str(key)) for key in keys)
