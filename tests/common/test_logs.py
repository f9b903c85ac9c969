"""What the filter of the logs keeps, drops and masks."""

from __future__ import annotations

import base64
import logging
import sqlite3

import pytest

from common.logs import LockErrorFilter, SecretsFilter

SECRET = "floorline:planted"
ENCODED = base64.b64encode(SECRET.encode()).decode()
FILTER = SecretsFilter({"PREFECT_API_AUTH_STRING": SECRET, "PREFECT_API_KEY": ""})


def filtered(name: str, level: int, message: str, *args: object) -> str | None:
    """Return the text of a record after the filter; None if the filter drops the record."""
    record = logging.LogRecord(name, level, __file__, 1, message, args, None)
    return record.getMessage() if FILTER.filter(record) else None


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("websockets.client", logging.DEBUG),
        ("websockets.server", logging.DEBUG),
        ("uvicorn.error", logging.DEBUG),
        ("httpcore.http11", logging.DEBUG),
        ("aiosqlite", logging.DEBUG),
        ("sqlalchemy.engine.Engine", logging.INFO),
    ],
)
def test_what_libraries_send_is_dropped(name: str, level: int) -> None:
    assert filtered(name, level, "> Authorization: Basic %s", ENCODED[:20]) is None
    assert filtered(name, logging.WARNING, "the connection broke") == "the connection broke"


@pytest.mark.parametrize(
    ("message", "argument", "kept"),
    [
        ("GET %s", "http://me:pw@127.0.0.1:4200/api", "GET http://***@127.0.0.1:4200/api"),
        ("password %s", SECRET, "password ***"),
        ("Basic %s", ENCODED, "Basic ***"),
        ("%d rows", 3, "3 rows"),
        ("100%% of %s", "all", "100% of all"),
    ],
)
def test_secrets_in_other_records_are_masked(message: str, argument: object, kept: str) -> None:
    assert filtered("httpx", logging.INFO, message, argument) == kept
    assert filtered("websocketsandmore", logging.DEBUG, message, argument) == kept


def test_lock_errors_of_sqlite_are_not_logged() -> None:
    """New: they were in the log of every busy server, with their tracebacks."""
    kept = LockErrorFilter().filter

    def record(message: str, error: BaseException | None = None) -> logging.LogRecord:
        exception = (type(error), error, None) if error is not None else None
        return logging.LogRecord("prefect.server", logging.ERROR, "", 0, message, (), exception)

    locked = RuntimeError("could not record a heartbeat")
    locked.__cause__ = sqlite3.OperationalError("database is locked")
    assert not kept(record("failed", locked))
    assert not kept(record("failed", ExceptionGroup("two", [ValueError(), locked])))
    assert not kept(record("(sqlite3.OperationalError) database is locked"))
    assert kept(record("failed", sqlite3.OperationalError("no such table")))
    assert kept(record("a message"))
