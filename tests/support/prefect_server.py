"""A temporary Prefect server for the tests of a module, and the marks of tests that use one."""

from __future__ import annotations

import contextlib
import gc
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_SERVER_DATABASE_CONNECTION_URL

WITH_PREFECT: Final = [
    pytest.mark.slow,
    pytest.mark.prefect,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@contextlib.contextmanager
def temporary_prefect() -> Iterator[Path]:
    """Run a temporary Prefect server; yield its SQLite file."""
    from prefect.testing.utilities import prefect_test_harness  # imports Prefect's server, which is slow

    with prefect_test_harness(server_startup_timeout=90):
        yield Path(PREFECT_SERVER_DATABASE_CONNECTION_URL.value().partition("///")[2])
    gc.collect()  # report the resources that Prefect did not close here, not in an unrelated test


def drain_events() -> None:
    """Send the queued events to the server that is about to stop: a later drain would wait for it forever."""
    EventsWorker.drain_all(timeout=30)


def dump_sqlite(database: Path) -> str:
    """Return every row of a SQLite file as text; compressed or encrypted values stay as they are."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        text = "\n".join(connection.iterdump())
    connection.close()
    return text
