"""State databases under test: SQLite's file, or a PostgreSQL database with the same content."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from common.state_database import StateDatabase
from tests.support.clocks import NOON, VirtualClock
from warehouse.paths import WarehousePaths
from warehouse.shared import SharedLocation

if TYPE_CHECKING:
    from common.postgres_state import PostgresState

MakeState = Callable[[VirtualClock], StateDatabase]
VARIABLE = "TEST_DATABASE"  # where other processes find the address


@dataclasses.dataclass(frozen=True, slots=True)
class Address:
    """Reads an address that is known."""

    url: str = dataclasses.field(repr=False)

    def __call__(self) -> str:
        """Return the address."""
        return self.url


def share(folder: Path, url: str | None) -> WarehousePaths:
    """Return a warehouse whose state is in the database at `url`, or without one in its folder."""
    if url is None:
        return WarehousePaths(folder)
    return WarehousePaths(folder, SharedLocation(Address(url), f"file://{folder}/shared"))


def paths_of_process() -> WarehousePaths:
    """Return the warehouse in the folder of this process's first argument, shared as the variable says."""
    return share(Path(sys.argv[1]), os.environ.get(VARIABLE))


def process_environment(paths: WarehousePaths) -> dict[str, str]:
    """Return the environment in which `paths_of_process` returns these paths."""
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    if paths.shared is not None:
        environment[VARIABLE] = paths.shared.read_database_url()
    return environment


def virtual_postgres(url: str, clock: VirtualClock) -> PostgresState:
    """Return the state database at `url`, whose own clock is `clock`."""
    from common.postgres_state import PostgresState

    class VirtualPostgresState(PostgresState):
        @property
        def clock(self) -> str:
            return f"{NOON.timestamp() + clock.time}::float8"

    return VirtualPostgresState(Address(url))
