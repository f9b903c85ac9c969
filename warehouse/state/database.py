"""Open the state database of a warehouse: `state.db` in its folder, or the one that its machines share."""

from __future__ import annotations

from common.errors import ConfigError
from common.sqlite_state import SqliteState
from common.state_database import StateDatabase
from warehouse.paths import WarehousePaths


def open_state(paths: WarehousePaths) -> StateDatabase:
    """Return the state database; nothing is read yet. Raises ConfigError where a package is missing."""
    if paths.shared is None:
        return SqliteState(paths.state)
    try:
        from common.postgres_state import PostgresState  # psycopg takes a while to import
    except ImportError as error:
        raise ConfigError(
            f"[shared] needs the package {error.name}: pip install 'floorline[shared]'"
        ) from None
    return PostgresState(paths.shared.read_database_url)
