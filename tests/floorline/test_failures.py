"""Every exception of every library that Floorline uses ends a command with one line and a documented code.

The trees of classes are walked as they are: a class that a new version of a library adds is in the test. All
of it is new: before, each of these exceptions ended a command with a traceback.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import re
import sqlite3
import ssl
from collections.abc import Iterator
from pathlib import Path

import pydantic_core
import pytest

from common.machine_errors import (
    DiskFailed,
    MachineError,
    OutputFailed,
    PathUnusable,
    PrefectFailed,
    ResourceExhausted,
    UnexpectedFailure,
    describe_os_error,
)
from common.warehouse_errors import WarehouseFull
from floorline.failures import LIBRARIES, exit_code, explain

DOCUMENT = Path(__file__).parents[2] / "docs" / "commands.md"
# Modules that hold the exceptions of the libraries, or load those that do.
MODULES = (
    "apprise", "croniter", "duckdb", "filelock", "httpx", "msgspec", "polars", "polars.exceptions",
    "prefect.client.orchestration", "prefect.events.clients", "prefect.exceptions", "prefect.main",
    "prefect.server.exceptions", "pyarrow", "pydantic", "pydantic_settings", "requests.exceptions",
    "rich.console", "rich.errors", "rich.markup", "sqlalchemy.exc", "sqlite3", "ssl", "tomllib", "typer",
    "uvicorn", "yaml", "zoneinfo",
)  # fmt: skip
NAMED = {"_duckdb", "httpx", "polars", "prefect", "pydantic_core", "rich", "sqlite3", "ssl", "builtins"}


def documented_codes() -> set[int]:
    """Return the exit codes of the table in the documents."""
    _, _, table = DOCUMENT.read_text("utf-8").partition("## Exit codes")
    return {
        int(code) for row in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE) for code in row.split(",")
    }


def subclasses(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    """Yield a class of exceptions and all that derive from it."""
    yield kind
    for derived in type.__subclasses__(kind):
        yield from subclasses(derived)


def make(kind: type[BaseException]) -> BaseException:
    """Return an exception with as few arguments as its class allows: no explanation may depend on them."""
    if issubclass(kind, pydantic_core.ValidationError):
        return kind.from_exception_data("x", [])
    for arguments in ((), ("missing",), ("x", "x")):
        with contextlib.suppress(TypeError):
            return kind.__new__(kind, *arguments)
    raise AssertionError(kind)


def library_classes() -> set[type[BaseException]]:
    """Return the exceptions of all libraries that are loaded, and the operating system's."""
    for module in MODULES:
        importlib.import_module(module)
    everything = set(subclasses(BaseException))
    return {kind for kind in everything if kind.__module__.partition(".")[0] in LIBRARIES} | {
        kind for kind in subclasses(OSError) if kind.__module__ in {"builtins", "socket", "shutil"}
    }


def test_each_exception_of_each_library_is_one_line_with_a_documented_code() -> None:
    classes, codes = library_classes(), documented_codes()
    assert {kind.__module__.partition(".")[0] for kind in classes} >= NAMED
    assert len(classes) > 250
    for kind in classes:
        failure = explain(make(kind))
        assert not isinstance(failure, UnexpectedFailure), kind
        assert "\n" not in str(failure), kind
        assert exit_code(failure) in codes, kind
        assert failure.guidance or ";" in str(failure), kind


def test_a_library_whose_exceptions_are_not_mapped_is_noticed() -> None:
    requirements = (Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8")
    _, _, block = requirements.partition("dependencies = [")
    names = re.findall(r'^    "([a-z0-9_.-]+)', block.partition("\n]")[0], re.MULTILINE)
    packages = {name.replace("-", "_").partition(".")[0] for name in names}
    # tenacity's RetryError is no part of our policy, which re-raises; httpx-sse refuses another content type
    # than that of events, which the client has checked.
    without_exceptions = {"httpx_sse", "prometheus_client", "pytimeparse", "pytz", "tenacity"}
    known = {"pyyaml": "yaml", "python_dotenv": "dotenv"}
    assert {known.get(name, name) for name in packages} - without_exceptions <= set(LIBRARIES)


@pytest.mark.parametrize(
    ("number", "kind", "code"),
    [
        (errno.ENOSPC, WarehouseFull, 6),
        (errno.EDQUOT, WarehouseFull, 6),
        (errno.EFBIG, WarehouseFull, 6),
        (errno.EIO, DiskFailed, 6),
        (errno.ENOLCK, DiskFailed, 6),
        (errno.ESTALE, DiskFailed, 6),
        (errno.ENOENT, PathUnusable, 6),
        (errno.EACCES, PathUnusable, 6),
        (errno.EROFS, PathUnusable, 6),
        (errno.ENAMETOOLONG, PathUnusable, 6),
        (errno.ELOOP, PathUnusable, 6),
        (errno.EMFILE, ResourceExhausted, 1),
        (errno.ENFILE, ResourceExhausted, 1),
        (errno.ENOMEM, ResourceExhausted, 1),
        (errno.EAGAIN, ResourceExhausted, 1),
        (errno.EBADF, OutputFailed, 1),
        (errno.EADDRINUSE, MachineError, 1),
        (errno.ECONNRESET, MachineError, 1),
    ],
)
def test_each_error_of_the_operating_system_says_what_to_do(number: int, kind: type, code: int) -> None:
    failure = explain(OSError(number, "a sentence of no use", "/data/file"))
    assert (type(failure), exit_code(failure)) == (kind, code)
    assert "a sentence of no use" not in str(failure)


def test_each_number_of_an_error_is_one_line() -> None:
    for number in errno.errorcode:
        line = str(describe_os_error(OSError(number, "x")))
        assert "\n" not in line


def raised_by_prefect() -> BaseException:
    """Return an exception of a built-in class that Prefect's code raised."""
    from prefect.utilities.names import obfuscate
    from prefect.utilities.urls import validate_restricted_url

    try:
        validate_restricted_url(obfuscate("http://x"))
    except ValueError as error:
        return error
    raise AssertionError


def raised_by_us() -> BaseException:
    try:
        int("")
    except ValueError as error:
        return error
    raise AssertionError


def test_builtin_exceptions_belong_to_the_library_whose_code_raised_them() -> None:
    assert isinstance(explain(raised_by_prefect()), PrefectFailed)
    bug = explain(raised_by_us())
    assert isinstance(bug, UnexpectedFailure)
    assert str(bug).startswith("ValueError in test_failures.py, line ")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("can't start new thread"),
        ImportError("libarrow.so: failed to map segment from shared object"),
        OSError(errno.EMFILE, "Too many open files"),
        ExceptionGroup("several", [ValueError("a bug"), MemoryError()]).exceptions[1],
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_lack_of_memory_threads_or_descriptors_is_named(error: BaseException) -> None:
    assert isinstance(explain(error), ResourceExhausted)


def test_no_sentence_of_a_library_reaches_the_user() -> None:
    secret = "http://user:secret@proxy"
    for error in (
        ssl.SSLError(1, secret),
        sqlite3.OperationalError(secret),
        ValueError(secret),
        OSError(secret),
    ):
        assert "secret" not in str(explain(error))
