"""What the user is told when a command ends early: one line and an exit code. A bug keeps its traceback."""

from __future__ import annotations


def told(error: Exception) -> tuple[str, int]:
    """The line and the exit code for an error that the user can act on; any other is raised again."""
    import duckdb

    from connectors.errors import FloorlineError, plain
    from flows.results import error_exit_code
    from warehouse.errors import WarehouseError

    if isinstance(error, FloorlineError | WarehouseError):
        return str(error), error_exit_code(error)
    if isinstance(error, duckdb.Error):
        return f"DuckDB says: {plain(str(error), 400)}", 2
    raise error
