"""Every exception that reaches the edge of a command, as an error of Floorline: one line with what to do.

No sentence of a library reaches the user: it may hold a secret, and says nothing of what to do.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
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
from common.shortages import LACK, is_shortage, name_place
from pipelines.exit_codes import error_exit_code

OURS: Final = frozenset(
    {"common", "connectors", "dashboard", "flows", "floorline", "pipelines", "sandbox", "warehouse"}
)
Describe = Callable[[str], FloorlineError]


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
    _configuration: "pydantic pydantic_core pydantic_settings pydantic_extra_types tomllib tomlkit toml yaml"
    " croniter zoneinfo dotenv",
    _database: "duckdb _duckdb sqlite3 psycopg psycopg_binary polars pyo3_runtime pyarrow filelock isal zlib"
    " gzip zstd compression backports msgspec json",
    _certificates: "ssl",
    _terminal: "rich typer click curses questionary prompt_toolkit",
    _messages: "apprise requests urllib3 requests_oauthlib oauthlib",
    _sandbox: "uvicorn starlette httptools multipart",
}
LIBRARIES: Final = {name: describe for describe, names in PACKAGES.items() for name in names.split()}


def explain(error: BaseException) -> FloorlineError:
    """Return the error of Floorline that says what happened and what to do; of a group, the most severe."""
    error = most_severe(error)
    if isinstance(error, FloorlineError):
        return error
    if is_shortage(error):
        return ResourceExhausted(f"{LACK}: {name_place(error)}")
    for package in _packages(error):
        if package in LIBRARIES:
            return LIBRARIES[package](name_place(error))
        if isinstance(error, OSError):
            return describe_os_error(error)
    return UnexpectedFailure(name_place(error))


def exit_code(error: FloorlineError) -> int:
    """Return the exit code of a command that ended with this error, as docs/commands.md lists them."""
    return 1 if isinstance(error, MachineError) else error_exit_code(error)


def _packages(error: BaseException) -> Iterator[str]:
    """Yield the package of an exception's class; then those whose code raised it, from the innermost one."""
    yield _package(type(error).__module__)
    frames: list[str] = []
    trace = error.__traceback__
    while trace is not None:
        frames.append(_package(str(trace.tb_frame.f_globals.get("__name__", ""))))
        trace = trace.tb_next
    yield from itertools.takewhile(lambda package: package not in OURS, reversed(frames))


def _package(module: str) -> str:
    return module.partition(".")[0]
