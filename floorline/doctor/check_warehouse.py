"""Check the warehouse: database, loader, landings, disk, folders and alerts.

The checks change nothing; `check_folders` creates files and deletes them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from common.clock import MAX_CLOCK_SKEW
from common.errors import FloorlineError
from common.numbers import from_unix_time
from common.sqlite import find_damage
from common.text import format_duration, sanitize
from common.warehouse_errors import (
    DatabaseUnreadable,
    PublishedUnreadable,
    StateDamaged,
    WarehouseError,
    WarehouseLocked,
)
from floorline.doctor.findings import Finding, fail, from_error, ok, warn
from pipelines.alerts.rows import summary_of
from pipelines.alerts.rules import SEE_REJECTS
from pipelines.config import BasketSettings, Settings
from warehouse.database import open_published, open_reader, writer_lock
from warehouse.integrity import has_content, verify_database
from warehouse.landing.inventory import Landing, pending_landings
from warehouse.landing.reader import CorruptLanding, read_run
from warehouse.landing.series import read_series
from warehouse.landing.set_aside import find_set_aside
from warehouse.landing.tries import read_tries
from warehouse.lease import WRITER, lease_holder
from warehouse.loading.failures import RETRY_ADVICE
from warehouse.loading.rejects import UNUSABLE
from warehouse.paths import WarehousePaths
from warehouse.published import is_published, published_at
from warehouse.queries.runner import LAST_RUNS, run_query, set_aside_baskets
from warehouse.state.alerts import Alert, read_alerts
from warehouse.state.database import open_state

LOCK_TIMEOUT: Final = 0.5  # seconds; most loads take less
LATE_INTERVALS: Final = 3
PROBE_SIZE: Final = 65_536  # bytes
RESTORE_ADVICE: Final = (
    "run `floorline maintain load`, which brings the file back from the published copy where that is whole"
)
MAX_UNREADABLE: Final = 5  # landings in one finding


def check_database(paths: WarehousePaths) -> list[Finding]:
    """Check that what is published is whole, and that every current quote can be read."""
    try:
        if not is_published(paths):
            seen = f"no database at {paths.published_database} yet"
            return [warn("database", seen, "run `floorline snapshot`")]
        if paths.shared is None:
            verify_database(paths.published, paths.checksum)
        with open_published(paths) as db:
            ((count,),) = db.execute("SELECT count(*) FROM store.current").fetchall()
    except DatabaseUnreadable as error:
        return [fail("database", error.detail, PublishedUnreadable.guidance)]
    except FloorlineError as error:
        return [from_error("database", error)]
    return [ok("database", f"{paths.published_database}: {count:,} quotes, all readable")]


def check_age(paths: WarehousePaths, settings: Settings, now: datetime) -> list[Finding]:
    """Check the age of the published copy against the shortest interval of a basket."""
    try:
        published = published_at(paths)
    except FloorlineError:  # `check_database` reports it
        return []
    if published is None or not settings.baskets:
        return []
    every = min(basket.every for basket in settings.baskets)
    age = now - published
    seen = f"published {format_duration(age)} ago; the shortest interval is {format_duration(every)}"
    if age > LATE_INTERVALS * every:
        return [warn("age", seen, "see `floorline status`, and check that the scheduler still runs")]
    return [ok("age", seen)]


def check_baskets(paths: WarehousePaths, settings: Settings, now: datetime) -> list[Finding]:
    """Check that the last run of each basket was of use, and that its last success is not too old."""
    try:
        if not is_published(paths) or not settings.baskets:
            return []
        rows = run_query(paths, LAST_RUNS, {"latest": now + MAX_CLOCK_SKEW}).records()
        set_aside = set_aside_baskets(paths)
    except FloorlineError:  # `check_database` reports it
        return []
    last = {(row["basket"], row["source"]): row for row in rows}
    findings = []
    for basket in settings.baskets:
        run = last.get((basket.name, basket.source))
        if (basket.name, basket.source) in set_aside:
            seen = f"{basket.name}: the landing of its last run could not be loaded"
            findings.append(fail("baskets", seen, RETRY_ADVICE))
        elif run is not None and run["last_state"] == UNUSABLE:
            seen = f"{basket.name}: of its last run, {run['last_reason']}"
            findings.append(fail("baskets", sanitize(seen), SEE_REJECTS))
        elif run is not None and (late := _describe_late(basket, run["last_success"], now)):
            advice = "see `floorline status`, and check that the scheduler still runs"
            findings.append(warn("baskets", late, advice))
    return findings or [ok("baskets", "the last run of each basket was done, and in time")]


def _describe_late(basket: BasketSettings, success: datetime | None, now: datetime) -> str:
    """Return what is late about the last success of a basket; empty where nothing is."""
    if success is None:
        return f"{basket.name}: no run was done yet"
    age = now - success
    late = age > LATE_INTERVALS * basket.every
    return f"{basket.name}: the last run that was done is {format_duration(age)} old" if late else ""


def check_loader(paths: WarehousePaths, now: datetime, lock_wait: timedelta) -> list[Finding]:
    """Check that the loader's database is not locked, and whole.

    The check holds the writer lock, so that a load that starts meanwhile waits and does not fail.
    """
    if paths.shared is not None:
        holder = lease_holder(paths, WRITER)
        return [ok("loader", f"{holder} is loading" if holder else "nobody is loading")]
    if not paths.writer.exists():
        return [ok("loader", "there is no loader database yet; the first snapshot creates the database")]
    try:
        with writer_lock(paths, LOCK_TIMEOUT):
            return [_check_opens(paths)]
    except WarehouseLocked as error:
        return [_locked(paths, error, now, lock_wait=lock_wait)]
    except WarehouseError:  # `check_folders` says why the lock file cannot be written
        return [_check_opens(paths)]


def _check_opens(paths: WarehousePaths) -> Finding:
    try:
        with open_reader(paths.writer) as db:
            db.execute("SELECT count(*) FROM store.run").fetchall()
        verify_database(paths.writer, paths.checksum)
    except DatabaseUnreadable as error:
        return fail("loader", error.detail, RESTORE_ADVICE)
    except FloorlineError as error:
        return from_error("loader", error)
    return ok("loader", f"{paths.writer} is not locked, and whole")


def _locked(paths: WarehousePaths, error: WarehouseLocked, now: datetime, *, lock_wait: timedelta) -> Finding:
    """Return a warning for a load that runs, a failure for a process that holds the lock for too long."""
    try:
        since = from_unix_time(paths.lock.with_name("lock.holder").stat().st_mtime) or now
    except OSError:  # the process has just released the lock
        since = now
    if now - since > lock_wait:
        seen = f"{error.holder} has held {paths.writer} for {format_duration(now - since)}"
        return fail("loader", seen, WarehouseLocked.guidance)
    seen = f"{error.holder} is loading into {paths.writer}"
    return warn("loader", seen, "wait for the load to end, then check again")


def check_landings(paths: WarehousePaths) -> list[Finding]:
    """Check for landings that are not loaded yet, and for landings that cannot be read."""
    corrupt: list[CorruptLanding] = []
    pending = [
        landing
        for landing in pending_landings(paths.landing, corrupt.append)
        if _is_readable(landing, corrupt.append)
    ]
    findings = []
    if pending:
        since = min(run.header.started_at for run in pending).astimezone(UTC)
        count = "1 landing is" if len(pending) == 1 else f"{len(pending)} landings are"
        failed = sum(read_tries(landing.folder).failed > 0 for landing in pending)
        retried = f"; {failed} of them failed, and will be tried again" if failed else ""
        seen = f"{count} not loaded yet, since {since:%Y-%m-%d %H:%M:%S} UTC{retried}"
        advice = "run `floorline maintain load`; the next snapshot loads them too"
        findings.append(warn("landings", seen, advice))
    if unreadable := [*find_set_aside(paths), *corrupt]:
        more = f"; and {len(unreadable) - MAX_UNREADABLE} more" if len(unreadable) > MAX_UNREADABLE else ""
        seen = f"set aside: {'; '.join(map(str, unreadable[:MAX_UNREADABLE]))}{more}"
        findings.append(fail("landings", seen, RETRY_ADVICE))
    return findings or [ok("landings", "all landings are loaded")]


def _is_readable(landing: Landing, on_corrupt: Callable[[CorruptLanding], object]) -> bool:
    """Return whether a landing can be read; one without checksums might crash this process: it is not."""
    try:
        if landing.has_checksums:
            read_run(landing.folder)
            read_series(landing.folder)
    except CorruptLanding as error:
        on_corrupt(error)
        return False
    return True


def check_disk(paths: WarehousePaths, least_free: int) -> list[Finding]:
    """Check that the disk has enough space for a run, a load and the published copy."""
    root = paths.root.absolute()
    folder = next(path for path in (root, *root.parents) if path.exists())
    free, required = shutil.disk_usage(folder).free, paths.required_free_space(least_free)
    seen = f"{free / 1e6:,.0f} MB free at {folder}; a run needs {required / 1e6:,.0f} MB"
    advice = "free some space, or shorten [warehouse] keep_landings"
    if free < required:
        return [fail("disk", seen, advice)]
    return [warn("disk", seen, advice) if free < 2 * required else ok("disk", seen)]


def check_folders(paths: WarehousePaths) -> list[Finding]:
    """Try to write a file into each folder that a run writes to; check that its files can be written, too."""
    problems: dict[str, list[str]] = {}
    optional = filter(Path.exists, (paths.root / "backfills", paths.root / "prefect"))
    files = filter(os.path.lexists, (paths.state, paths.writer, paths.lock))
    tried = [(path, _try_to_write(path)) for path in (*paths.folders, *optional)]
    tried += [(path, _check_file(path)) for path in files]
    for path, problem in tried:
        if problem is not None:
            problems.setdefault(problem, []).append(str(path.relative_to(paths.root)))
    if not problems:
        return [ok("folders", f"all folders of {paths.root} can be written")]
    reasons = "; ".join(f"{problem}: {', '.join(names)}" for problem, names in problems.items())
    advice = "free some space, let this user write there, or set [warehouse] path to another folder"
    return [fail("folders", f"cannot write below {paths.root}: {reasons}", advice)]


def _try_to_write(path: Path) -> str | None:
    """Return why a folder, or the one in which it would be created, cannot be written."""
    if os.path.lexists(path) and not path.is_dir():
        return "a link to nothing" if path.is_symlink() else "Not a directory"
    absolute = path.absolute()
    existing = next(path for path in (absolute, *absolute.parents) if path.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=existing, prefix=".floorline-") as file:
            file.write(bytes(PROBE_SIZE))
            file.flush()
            os.fsync(file.fileno())  # some file systems find out only now that they are full
    except OSError as error:
        return error.strerror or type(error).__name__
    return None


def _check_file(path: Path) -> str | None:
    """Return why a path that exists is no file that can be written."""
    if not path.is_file():
        return "not a file"
    return None if os.access(path, os.W_OK) else "Permission denied"


def check_alerts(paths: WarehousePaths) -> list[Finding]:
    """Return the open alerts as findings: a rejected key as a failure, any other alert as a warning.

    Before them comes a `state.db` that is damaged.
    """
    try:
        damage = find_damage(paths.state) if has_content(paths.state) else None
        if damage is not None:
            return [fail("state", f"{paths.state} is damaged: {damage}", StateDamaged.guidance)]
        alerts = read_alerts(open_state(paths), open_only=True)
    except FloorlineError as error:
        return [from_error("state", error)]
    return [_from_alert(alert) for alert in alerts] or [ok("alerts", "no alert is open")]


def _from_alert(alert: Alert) -> Finding:
    subject = ", ".join(part for part in (alert.cause, alert.source, alert.subject) if part)
    since = f" since {alert.opened_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if alert.opened_at else ""
    seen = f"{subject}{since}: {summary_of(alert)}"
    if alert.cause == "auth.failed":
        closes = "(if the key is accepted by now, the next run closes this alert)"
        return fail("alerts", seen, " ".join(filter(None, (alert.guidance, closes))))
    return warn("alerts", seen, alert.guidance or f"see `floorline alerts show {alert.alert_id}`")
