"""Every exception that reaches the edge of a command, as an error of Floorline: one line with what to do.

No sentence of a library reaches the user: it may hold a secret, and says nothing of what to do.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final

from common.errors import ConfigError, FloorlineError
from common.machine_errors import (
    DiskFailed,
    MachineError,
    OutputFailed,
    PrefectFailed,
    ResourceExhausted,
    UnexpectedFailure,
    describe_os_error,
)
from common.severity import most_severe

OURS: Final = frozenset({"common", "connectors", "flows", "floorline", "pipelines", "sandbox", "warehouse"})
Describe = Callable[[str], FloorlineError]
# How threads and memory that a library cannot get end: in its own words, which are no errors of the system.
SHORTAGE: Final = ("can't start new thread", "failed to map segment", "allocate memory", "WouldBlock",
    "Too many open files", "spawn threads", "Resource temporarily unavailable")  # fmt: skip


def _prefect(what: str) -> FloorlineError:
    return PrefectFailed(f"Prefect failed: {what}")


def _database(what: str) -> FloorlineError:
    return DiskFailed(f"the database or a landing cannot be read or written: {what}")


def _certificates(what: str) -> FloorlineError:
    return ConfigError(
        f"the certificates cannot be used: {what}; check SSL_CERT_FILE, SSL_CERT_DIR and any proxy"
    )


def _configuration(what: str) -> FloorlineError:
    return ConfigError(
        f"a value of the configuration or of the environment cannot be used: {what};"
        " check floorline.toml, FLOORLINE_... and PREFECT_... variables, and Prefect's profile"
    )


def _terminal(what: str) -> FloorlineError:
    return OutputFailed(f"the terminal cannot show the output: {what}; try TERM=dumb, or --json")


def _messages(what: str) -> FloorlineError:
    return MachineError(
        f"a notification cannot be sent: {what}; `floorline alerts test` tries each recipient"
    )


def _sandbox(what: str) -> FloorlineError:
    return MachineError(f"a server on this machine failed: {what}")


# By the package of an exception's class. A request of a source translates httpx's errors itself: what httpx
# raises beyond the requests comes from the client of Prefect.
PACKAGES: Final[Mapping[Describe, str]] = {
    _prefect: "prefect httpx httpcore h11 h2 hpack hyperframe anyio websockets sqlalchemy alembic"
    " aiosqlite asyncpg fastapi docket redis cloudpickle jinja2 griffe packaging readchar",
    _configuration: "pydantic pydantic_core pydantic_settings pydantic_extra_types tomllib toml yaml"
    " croniter zoneinfo dotenv",
    _database: "duckdb _duckdb sqlite3 polars pyo3_runtime pyarrow filelock isal zlib gzip zstd"
    " compression backports msgspec json",
    _certificates: "ssl",
    _terminal: "rich typer click curses",
    _messages: "apprise requests urllib3 requests_oauthlib oauthlib",
    _sandbox: "uvicorn starlette httptools multipart",
}
LIBRARIES: Final = {name: describe for describe, names in PACKAGES.items() for name in names.split()}


def explain(error: BaseException) -> FloorlineError:
    """Return the error of Floorline that says what happened and what to do; of a group, the most severe."""
    error = most_severe(error)
    if isinstance(error, FloorlineError):
        return error
    if _is_shortage(error):
        return ResourceExhausted(f"this machine has no memory, thread or process left: {name_place(error)}")
    library = LIBRARIES.get(_package(type(error).__module__))
    if library is None and isinstance(error, OSError):
        return describe_os_error(error)
    if library is None:
        library = next((LIBRARIES[name] for name in _raised_by(error.__traceback__)), None)
    return library(name_place(error)) if library else UnexpectedFailure(name_place(error))


def exit_code(error: FloorlineError) -> int:
    """Return the exit code of a command that ended with this error, as docs/commands.md lists them."""
    if isinstance(error, MachineError):
        return 1
    from pipelines.results import error_exit_code

    return error_exit_code(error)


def name_place(error: BaseException) -> str:
    """Return the name of an exception and where it arose; its text is left out."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"


def _is_shortage(error: BaseException) -> bool:
    """Return whether an exception means that memory, threads or descriptors ran out."""
    if isinstance(error, MemoryError):
        return True
    known = isinstance(error, RuntimeError | ImportError) or _package(type(error).__module__) != "builtins"
    text = " ".join(map(str, error.args)) if known else ""
    return type(error).__name__ == "OutOfMemoryException" or any(part in text for part in SHORTAGE)


def _raised_by(trace: TracebackType | None) -> Iterator[str]:
    """Yield the libraries whose code raised an exception: from the innermost frame out to ours."""
    frames: list[str] = []
    while trace is not None:
        frames.append(_package(str(trace.tb_frame.f_globals.get("__name__", ""))))
        trace = trace.tb_next
    for package in reversed(frames):
        if package in OURS:
            return
        if package in LIBRARIES:
            yield package


def _package(module: str) -> str:
    return module.partition(".")[0]
