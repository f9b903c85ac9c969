"""`floorline doctor`: every check side by side, each with a deadline, and what they found."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple, ParamSpec, TypeVar

from connectors.clock import Clock, SystemClock
from connectors.errors import ConfigError
from flows import checks_prefect, checks_source, checks_versions, checks_warehouse, show_doctor
from flows.config import Settings, expand_items, load_settings
from flows.doctor_findings import Finding, fail, failed, ok
from warehouse.home import Home

DEADLINE = 2.5  # seconds
WITH_PREFECT = 8.0  # seconds; importing it takes two, and more on a busy machine

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Check(NamedTuple):
    """What is looked at, the look itself, and the seconds that it may take."""

    name: str
    look: Callable[[], Awaitable[Sequence[Finding]]]
    deadline: float = DEADLINE


def doctor(config: Path | None, *, as_json: bool) -> int:
    """Look at everything and tell of it; exit code 0 unless something fails."""
    found = asyncio.run(examine(config, SystemClock()))
    show_doctor.findings(found, as_json=as_json)
    return int(any(finding.verdict == "fail" for finding in found))


async def examine(config: Path | None, clock: Clock) -> list[Finding]:
    """Look at everything that the configuration at `config` names; no price is asked for, nothing written.

    Call it in an event loop of its own: what hangs there is left behind, not waited for.
    """
    asyncio.get_running_loop().set_default_executor(LeftBehind())
    versions = _aside("versions", lambda: checks_versions.versions(checks_versions.installed()))
    try:
        settings = load_settings(config)
    except ConfigError as error:
        return [failed("configuration", error), *await look(versions)]
    scheduler = Check("prefect server", partial(checks_prefect.prefect, settings, clock), WITH_PREFECT)
    checks = [*_of_sources(settings, clock), *_of_warehouse(settings, clock), scheduler, versions]
    found = await asyncio.gather(*map(look, checks))
    return [_configuration(settings), *(finding for findings in found for finding in findings)]


async def look(check: Check) -> Sequence[Finding]:
    """Make one check. Where it takes too long or breaks, that is what was found."""
    try:
        async with asyncio.timeout(check.deadline):
            return await check.look()
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
        return failed("configuration", error)
    names = ", ".join(basket.name for basket in settings.baskets)
    return ok("configuration", f"sources: {', '.join(settings.sources)}; baskets: {names}")


def _of_sources(settings: Settings, clock: Clock) -> list[Check]:
    return [
        Check(
            f"{name} address",
            partial(checks_source.source, name, source, settings.base, clock),
            WITH_PREFECT if source.key.startswith("block:") else DEADLINE,
        )
        for name, source in settings.sources.items()
    ]


def _of_warehouse(settings: Settings, clock: Clock) -> list[Check]:
    home, care = Home(settings.root), settings.warehouse
    return [
        _aside("database", lambda: checks_warehouse.database(home)),
        _aside("age", lambda: checks_warehouse.age(home, settings, clock.now())),
        _aside("loader", lambda: checks_warehouse.loader(home, clock.now(), care.lock_wait)),
        _aside("landings", lambda: checks_warehouse.landings(home)),
        _aside("disk", lambda: checks_warehouse.disk(home, int(care.least_free))),
        _aside("alerts", lambda: checks_warehouse.alerts(home)),
    ]


def _aside(name: str, look_at: Callable[[], Sequence[Finding]]) -> Check:
    """A check that may block, in a thread of its own."""
    return Check(name, lambda: asyncio.to_thread(look_at))


class LeftBehind(ThreadPoolExecutor):
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
