"""Run all checks of `floorline doctor` concurrently, each with a deadline."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, ParamSpec, TypeVar

from common.clock import Clock
from common.errors import ConfigError
from floorline.doctor import check_channels, check_prefect, check_source, check_versions, check_warehouse
from floorline.doctor.check_shared import check_lake, check_object_store, check_shared_database
from floorline.doctor.findings import Finding, fail, from_error, ok
from floorline.up.access import connect_prefect
from pipelines.config import Settings, load_settings
from pipelines.config_check import check_configuration
from warehouse.state.database import open_state

DEADLINE: Final = 2.5  # seconds
SHARED_DEADLINE: Final = 20.0  # to attach a lake takes a second on an idle machine
PREFECT_DEADLINE: Final = 8.0  # seconds; the import of Prefect takes two, and longer on a busy machine
CHANNEL_DEADLINE: Final = 10.0  # seconds; the import of Apprise takes one, and a service may be slow
_P = ParamSpec("_P")
_T = TypeVar("_T")


class Check(NamedTuple):
    """A check: the name of its subject, the function that returns findings, and its deadline in seconds."""

    name: str
    run: Callable[[], Awaitable[Sequence[Finding]]]
    deadline: float = DEADLINE


async def run_checks(config: Path | None, clock: Clock) -> list[Finding]:
    """Check everything that the configuration at `config` names; request no prices.

    Nothing is changed, but for whether a channel of alerts works.

    Call it in an event loop of its own: threads that miss their deadline stay behind until the process ends.
    """
    asyncio.get_running_loop().set_default_executor(DaemonThreadExecutor())
    versions = _in_thread(
        "versions", lambda: check_versions.check_versions(check_versions.installed_versions())
    )
    try:
        settings = load_settings(config)
    except ConfigError as error:
        return [from_error("configuration", error), *await run_check(versions)]
    with contextlib.suppress(ConfigError):  # the check of Prefect reports an invalid address
        connect_prefect(settings.root)
    prefect = Check("prefect server", partial(check_prefect.check_prefect, settings, clock), PREFECT_DEADLINE)
    channels = Check(
        "channels",
        partial(check_channels.check_channels, settings, clock.now()),
        CHANNEL_DEADLINE,
    )
    checks = [
        *_source_checks(settings, clock),
        *_warehouse_checks(settings, clock),
        channels,
        prefect,
        versions,
    ]
    results = await asyncio.gather(*map(run_check, checks))
    return [
        await _check_configuration(settings, clock),
        *(finding for findings in results for finding in findings),
    ]


async def run_check(check: Check) -> Sequence[Finding]:
    """Run one check. A timeout or an unexpected error becomes a failed finding."""
    try:
        async with asyncio.timeout(check.deadline):
            return await check.run()
    except TimeoutError:
        return [fail(check.name, f"no answer in {check.deadline:g} s", "find what blocks it, then try again")]
    except Exception as error:  # noqa: BLE001 - the other checks must still report
        seen = f"this check broke: {type(error).__name__}: {error}"
        return [fail(check.name, seen, "see whether the other lines explain the error; else report it")]


async def _check_configuration(settings: Settings, clock: Clock) -> Finding:
    """Check the names of the baskets by the catalogs that are cached."""
    if not settings.baskets:
        return fail("configuration", "no basket is configured", "add a [[baskets]] section")
    try:
        selections = await check_configuration(settings, clock)
    except ConfigError as error:
        return from_error("configuration", error)
    baskets = ", ".join(selection.basket for selection in selections)
    unchecked = sorted({name for selection in selections for name in selection.unchecked})
    later = f"; the first run checks {' and '.join(unchecked)}" if unchecked else ""
    return ok("configuration", f"sources: {', '.join(settings.sources)}; baskets: {baskets}{later}")


def _source_checks(settings: Settings, clock: Clock) -> list[Check]:
    return [
        Check(
            f"{name} address",
            partial(
                check_source.check_source,
                name,
                source,
                settings.base,
                state=open_state(settings.paths),
                clock=clock,
            ),
            PREFECT_DEADLINE if source.key.startswith("block:") else DEADLINE,
        )
        for name, source in settings.sources.items()
    ]


def _warehouse_checks(settings: Settings, clock: Clock) -> list[Check]:
    paths, limits, now = settings.paths, settings.warehouse, clock.now
    functions: dict[str, Callable[[], Sequence[Finding]]] = {
        "database": lambda: check_warehouse.check_database(paths),
        "age": lambda: check_warehouse.check_age(paths, settings, now()),
        "baskets": lambda: check_warehouse.check_baskets(paths, settings, now()),
        "loader": lambda: check_warehouse.check_loader(paths, now(), limits.lock_wait),
        "landings": lambda: check_warehouse.check_landings(paths),
        "disk": lambda: check_warehouse.check_disk(paths, int(limits.least_free)),
        "folders": lambda: check_warehouse.check_folders(paths),
        "shared database": lambda: check_shared_database(paths, now()),
        "storage": lambda: check_object_store(paths, now()),
        "lake": lambda: check_lake(paths),
        "alerts": lambda: check_warehouse.check_alerts(paths),
    }
    deadline = DEADLINE if paths.shared is None else SHARED_DEADLINE
    return [_in_thread(name, run, deadline) for name, run in functions.items()]


def _in_thread(name: str, run: Callable[[], Sequence[Finding]], deadline: float = DEADLINE) -> Check:
    """Return a check whose function may block."""
    return Check(name, lambda: asyncio.to_thread(run), deadline)


class DaemonThreadExecutor(ThreadPoolExecutor):
    """An executor of daemon threads: the process does not wait for a hanging disk or name server."""

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Run `fn` in a new thread that ends with the process."""
        # The threads of a ThreadPoolExecutor are joined at the exit of Python, and asyncio accepts no other
        # class of executors: a subclass without a pool.
        future: Future[_T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - the caller receives the error from the future
                future.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        return future
