"""The doctor's look at the warehouse: database, loader, landings, disk and alerts. It only reads."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from common.errors import WarehouseError, WarehouseLocked
from common.text import format_duration
from floorline.doctor.findings import Finding, fail, from_error, ok, warn
from pipelines.config import Settings
from warehouse.database import open_reader, writer_lock
from warehouse.landing.reader import CorruptLanding, list_landings, pending_landings
from warehouse.loading.pipeline import RETRY_ADVICE
from warehouse.paths import WarehousePaths
from warehouse.state.alerts import Alert, AlertStore

LOCK_TIMEOUT = 0.5  # seconds; most loads are through by then
LATE = 3  # intervals
# hashing whole rows reads every block of the table, and with it the checksums
READ_ALL = "SELECT count(*), bit_xor(hash(c)) FROM store.current c"
LOAD = "run `floorline maintain load`; the next snapshot loads them too"


def check_database(home: WarehousePaths) -> list[Finding]:
    """Whether the published copy opens and the current quotes read back whole."""
    if not home.published.exists():
        seen = f"nothing is published at {home.published} yet"
        return [warn("database", seen, "run `floorline snapshot`")]
    try:
        with open_reader(home.published) as db:
            ((count, _),) = db.execute(READ_ALL).fetchall()
    except WarehouseError as error:
        return [from_error("database", error)]
    return [ok("database", f"{home.published}: {count:,} quotes, sound")]


def check_age(home: WarehousePaths, settings: Settings, now: datetime) -> list[Finding]:
    """How old the published copy is, against the shortest interval of a basket."""
    if not home.published.exists() or not settings.baskets:
        return []
    every = min(basket.every for basket in settings.baskets)
    old = now - datetime.fromtimestamp(home.published.stat().st_mtime, UTC)
    seen = f"published {format_duration(old)} ago; the shortest interval is {format_duration(every)}"
    if old > LATE * every:
        return [
            warn("age", seen, "see `floorline status`, and whether whatever starts the snapshots still runs")
        ]
    return [ok("age", seen)]


def check_loader(home: WarehousePaths, now: datetime, lock_wait: timedelta) -> list[Finding]:
    """Whether the loader's database is free and opens.

    It is opened under the loader's lock, so that no load that starts meanwhile finds it taken.
    """
    if not home.writer.exists():
        return [ok("loader", "it has no database yet; the first snapshot makes it")]
    try:
        with writer_lock(home, LOCK_TIMEOUT):
            return [_opened(home)]
    except WarehouseLocked as error:
        return [_at_work(home, error, now, lock_wait)]
    except WarehouseError as error:
        return [from_error("loader", error)]


def _opened(home: WarehousePaths) -> Finding:
    try:
        with open_reader(home.writer) as db:
            db.execute("SELECT count(*) FROM store.run").fetchall()
    except WarehouseError as error:
        return from_error("loader", error)
    return ok("loader", f"{home.writer} is free and opens")


def _at_work(home: WarehousePaths, error: WarehouseLocked, now: datetime, lock_wait: timedelta) -> Finding:
    """A load takes seconds; one for which others wait in vain is stuck."""
    try:
        begun = datetime.fromtimestamp(home.lock.with_name("lock.holder").stat().st_mtime, UTC)
    except OSError:
        begun = now
    if now - begun > lock_wait:
        seen = f"{error.holder} has held {home.writer} for {format_duration(now - begun)}"
        return fail("loader", seen, "end that process; what was fetched is landed and the next run loads it")
    return warn("loader", f"{error.holder} is loading into {home.writer}", "wait for it to end and ask again")


def check_landings(home: WarehousePaths) -> list[Finding]:
    """What is landed and not loaded, and what was set aside."""
    broken: list[CorruptLanding] = []
    runs = pending_landings(home.landing, broken.append)
    found = []
    if runs:
        since = min(run.header.started_at for run in runs)
        seen = f"{_counted(runs)} for the load, since {since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        found.append(warn("landings", seen, LOAD))
    if aside := [*map(_aside, _set_aside(home)), *map(str, broken)]:
        found.append(fail("landings", f"unreadable: {'; '.join(aside[:5])}", RETRY_ADVICE))
    return found or [ok("landings", "none waits")]


def _counted(runs: Sequence[object]) -> str:
    return "one waits" if len(runs) == 1 else f"{len(runs)} wait"


def _set_aside(home: WarehousePaths) -> list[Path]:
    folders = list_landings(home.landing)
    return [path for path in folders if (path / "unreadable").exists() and not (path / "loaded").exists()]


def _aside(folder: Path) -> str:
    return f"{folder.name}: {(folder / 'unreadable').read_text('utf-8', errors='replace')}"


def check_disk(home: WarehousePaths, least_free: int) -> list[Finding]:
    """Whether there is room for a run, a load and the published copy."""
    folder = next(path for path in (home.root.absolute(), *home.root.absolute().parents) if path.exists())
    free, need = shutil.disk_usage(folder).free, home.required_free_space(least_free)
    seen = f"{free / 1e6:,.0f} MB free at {folder}; a run needs {need / 1e6:,.0f} MB"
    advice = "make room, or shorten [warehouse] keep_landings"
    if free < need:
        return [fail("disk", seen, advice)]
    return [warn("disk", seen, advice) if free < 2 * need else ok("disk", seen)]


def check_alerts(home: WarehousePaths) -> list[Finding]:
    """The alerts that stand open; a rejected key fails."""
    found = AlertStore(home.state).list_alerts(open_only=True) if home.state.exists() else []
    return [_alert(alert) for alert in found] or [ok("alerts", "none stands open")]


def _alert(alert: Alert) -> Finding:
    about = ", ".join(part for part in (alert.cause, alert.source, alert.subject) if part)
    since = f" since {alert.opened_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if alert.opened_at else ""
    seen = f"{about}{since}: {alert.message}"
    if alert.cause == "auth.failed":
        good = "where the key is accepted by now, the next run closes this alert"
        return fail("alerts", seen, " ".join(part for part in (alert.guidance, f"({good})") if part))
    return warn("alerts", seen, alert.guidance or f"`floorline alerts show {alert.alert_id}`")
