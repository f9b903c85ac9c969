"""Which tests start a server or a process: found by the names that they use, and checked by a guard."""

from __future__ import annotations

import contextlib
import inspect
import multiprocessing.process
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from floorline.up.process import ManagedProcess
from pipelines.snapshot.async_worker import WorkerProcess
from pipelines.snapshot.page_writers import ProcessPageWriter
from sandbox.server import serve, spawn

STARTERS: tuple[object, ...] = (
    serve, spawn, ThreadingHTTPServer, subprocess, WorkerProcess, ProcessPageWriter, ManagedProcess,
)  # fmt: skip
STARTING_NAMES = frozenset({"start_server", "create_subprocess_exec", "prefect_test_harness"})


def starts_server(test: pytest.Function) -> bool:
    """Return whether a test or one of its fixtures starts a server or a process, by itself or by helpers.

    Names are followed through the functions and classes of the tests, not through the product.
    """
    fixtures = [fixture.func for found in test._fixtureinfo.name2fixturedefs.values() for fixture in found]
    property_test = getattr(test.function, "hypothesis", None)
    function = test.function if property_test is None else property_test.inner_test
    seen: set[str] = set()
    return any(_leads_to_starter(each, seen) for each in [function, *fixtures])


def _leads_to_starter(value: object, seen: set[str]) -> bool:
    if any(value is starter for starter in STARTERS):
        return True
    name = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}"
    if not name.startswith("tests.") or name.startswith(__name__) or name in seen:
        return False
    seen.add(name)
    if inspect.isclass(value):
        members = [getattr(member, "fget", member) for member in vars(value).values()]
        return any(_leads_to_starter(getattr(member, "__func__", member), seen) for member in members)
    function = inspect.unwrap(value) if callable(value) else None
    if not inspect.isfunction(function):
        return False
    used = _used_names(function.__code__)
    values = (function.__globals__[each] for each in used if each in function.__globals__)
    return bool(used & STARTING_NAMES) or any(_leads_to_starter(each, seen) for each in values)


def _used_names(code: CodeType) -> set[str]:
    inner = (_used_names(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*inner)


@contextlib.contextmanager
def no_server(patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail where something listens on a socket or starts a Python process.

    Other commands may run: Prefect's croniter calls `file` through the standard library.
    """
    started: list[str] = []
    start_process = subprocess.Popen.__init__

    def fail(what: str) -> None:
        started.append(what)
        pytest.fail(f"{what}: only a test with the marker `server` may do this")

    def guarded_start(process: Any, command: Any, *args: Any, **kwargs: Any) -> None:
        if str(command[0]).startswith(str(Path(sys.executable).parent)):
            fail("starts a process")
        start_process(process, command, *args, **kwargs)

    patch.setattr(socket.socket, "listen", lambda *_: fail("listens on a socket"))
    patch.setattr(subprocess.Popen, "__init__", guarded_start)
    patch.setattr(multiprocessing.process.BaseProcess, "start", lambda _: fail("starts a process"))
    yield
    assert not started  # also an error that a thread raised, or that was caught
