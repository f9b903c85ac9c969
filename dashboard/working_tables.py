"""The tables in memory of a generation: each is made when a query first names it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import resources
from threading import Lock
from typing import Final

from warehouse.queries.generation import Generation

SQL: Final = (resources.files("dashboard") / "working_tables.sql").read_text("utf-8")
DEFINITION: Final = re.compile(r"^CREATE TABLE memory\.main\.(\w+) AS\b[^;]*", re.MULTILINE)
NAME: Final = re.compile(r"\bmemory\.main\.(\w+)")
DEFINITIONS: Final[Mapping[str, str]] = {found[1]: found[0] for found in DEFINITION.finditer(SQL)}


class WorkingTables:
    """The working tables of `generation`, for any thread: who needs a table that another one makes waits."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation
        self._made: set[str] = set()
        self._locks = {name: Lock() for name in DEFINITIONS}

    def make_those_of(self, sql: str) -> None:
        """Make the tables that a query names. Raises what `Generation.fetch` raises."""
        for name in dict.fromkeys(NAME.findall(sql)):
            if name not in self._made:
                self._make(name)

    def make_all(self) -> Iterator[str]:
        """Make every table; yield the name of each one. Raises what `Generation.fetch` raises."""
        for name, definition in DEFINITIONS.items():
            self.make_those_of(definition)
            yield name

    def _make(self, name: str) -> None:
        """Make a table after those that its definition reads."""
        with self._locks[name]:
            if name in self._made:
                return
            definition = DEFINITIONS[name]
            self.make_those_of(definition.partition(" AS")[2])
            self._generation.fetch(definition, (), lambda cursor: cursor.fetchall())
            self._made.add(name)
