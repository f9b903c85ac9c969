"""`floorline doctor`: every check side by side, each with a deadline, and what they found."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple, ParamSpec, TypeVar

from common.clock import Clock
from common.errors import ConfigError
from floorline.doctor import check_prefect, check_source, check_versions, check_warehouse
from floorline.doctor.findings import Finding, fail, from_error, ok
from pipelines.config import Settings, expand_items, load_settings
from warehouse.paths import WarehousePaths

DEADLINE = 2.5  # seconds
PREFECT_DEADLINE = 8.0  # seconds; importing it takes two, and more on a busy machine
_P = ParamSpec("_P")
_T = TypeVar("_T")


class Check(NamedTuple):
    """What is looked at, the look itself, and the seconds that it may take."""

    name: str
    run: Callable[[], Awaitable[Sequence[Finding]]]
    deadline: float = DEADLINE


async def run_checks(config: Path | None, clock: Clock) -> list[Finding]:
    """Look at everything that the configuration at `config` names; no price is asked for, nothing written.

    Call it in an event loop of its own: what hangs there is left behind, not waited for.
    """
    asyncio.get_running_loop().set_default_executor(DaemonThreadExecutor())
    versions = _in_thread(
        "versions", lambda: check_versions.check_versions(check_versions.installed_versions())
    )
    try:
        settings = load_settings(config)
    except ConfigError as error:
        return [from_error("configuration", error), *await run_check(versions)]
    scheduler = Check(
        "prefect server", partial(check_prefect.check_prefect, settings, clock), PREFECT_DEADLINE
    )
    checks = [*_source_checks(settings, clock), *_warehouse_checks(settings, clock), scheduler, versions]
    found = await asyncio.gather(*map(run_check, checks))
    return [_configuration(settings), *(finding for findings in found for finding in findings)]


async def run_check(check: Check) -> Sequence[Finding]:
    """Make one check. Where it takes too long or breaks, that is what was found."""
    try:
        async with asyncio.timeout(check.deadline):
            return await check.run()
    except TimeoutError:
        return [fail(check.name, f"no answer in {check.deadline:g} s", "see what holds it up, and ask again")]
    except Exception as error:  # noqa: BLE001 - the other checks are worth having
        seen = f"this check broke: {type(error).__name__}: {error}"
        return [fail(check.name, seen, "see whether the other lines explain it; else report it")]


def _configuration(settings: Settings) -> Finding:
    if not settings.baskets:
        return fail("configuration", "no basket is configured", "say in [[baskets]] what to look at")
    try:
        for basket in settings.baskets:
            expand_items(basket, settings.base)
    except ConfigError as error:
        return from_error("configuration", error)
    names = ", ".join(basket.name for basket in settings.baskets)
    return ok("configuration", f"sources: {', '.join(settings.sources)}; baskets: {names}")


def _source_checks(settings: Settings, clock: Clock) -> list[Check]:
    return [
        Check(
            f"{name} address",
            partial(check_source.check_source, name, source, settings.base, clock),
            PREFECT_DEADLINE if source.key.startswith("block:") else DEADLINE,
        )
        for name, source in settings.sources.items()
    ]


def _warehouse_checks(settings: Settings, clock: Clock) -> list[Check]:
    home, care = WarehousePaths(settings.root), settings.warehouse
    return [
        _in_thread("database", lambda: check_warehouse.check_database(home)),
        _in_thread("age", lambda: check_warehouse.check_age(home, settings, clock.now())),
        _in_thread("loader", lambda: check_warehouse.check_loader(home, clock.now(), care.lock_wait)),
        _in_thread("landings", lambda: check_warehouse.check_landings(home)),
        _in_thread("disk", lambda: check_warehouse.check_disk(home, int(care.least_free))),
        _in_thread("alerts", lambda: check_warehouse.check_alerts(home)),
    ]


def _in_thread(name: str, look_at: Callable[[], Sequence[Finding]]) -> Check:
    """A check that may block, in a thread of its own."""
    return Check(name, lambda: asyncio.to_thread(look_at))


class DaemonThreadExecutor(ThreadPoolExecutor):
    """Threads for which nobody waits: a dead disk or name server must not hold the command up."""

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Run `fn` in a thread that ends with the process."""
        future: Future[_T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - the future hands it on
                future.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        return future
