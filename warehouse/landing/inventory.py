"""The landings in a folder: which are pending, loaded, uploaded or set aside; prune those that are done."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from msgspec import Struct

from common.files import atomic_write, is_locked, translate_os_errors
from common.text import sanitize
from common.warehouse_errors import WarehouseUnusable
from warehouse.landing.integrity import DamagedFile, has_checksum, read_file
from warehouse.landing.model import RunHeader
from warehouse.landing.reader import CorruptLanding, read_header, refuse_corrupt_files
from warehouse.landing.tries import FILE, MAX_FAILED, Tries, write_tries

LOADED: Final = "loaded"
UPLOADED: Final = "uploaded"  # the queue of a shared warehouse holds the landing
DONE: Final = (LOADED, UPLOADED)
SET_ASIDE: Final = "unreadable"  # holds the reason
# Begins the last part of the run id of a micro-batch of a feed. There are thousands a day, and each load
# lists all landings, so that these are kept for a shorter time: as long as a feed may tell late.
LIVE: Final = "live"
KEEP_LIVE: Final = timedelta(hours=1)
SERIES_FILES: Final = "s[0-9]*"
# A lock that cannot be opened for one of these reasons is held by nobody.
_NO_LOCK: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO})


class Landing(Struct, frozen=True):
    """A landing on disk, of which only run.json was read. Older versions wrote no checksums."""

    folder: Path
    header: RunHeader
    has_checksums: bool


def is_being_written(folder: Path) -> bool:
    """Return whether the process that writes a landing is still alive."""
    try:
        return is_locked(folder / "lock")
    except OSError as error:
        if error.errno not in _NO_LOCK:
            raise
        return False


def list_landings(root: Path) -> list[Path]:
    """List the folders of all landings, also of those that lost their header."""
    folders = sorted(root.iterdir()) if root.is_dir() else []
    return [folder for folder in folders if folder.is_dir() and _has_landed(folder)]


def pending_landings(
    root: Path, on_corrupt: Callable[[CorruptLanding], object] = lambda _: None
) -> list[Landing]:
    """Return the landings that no database and no queue holds, in the order of their runs.

    Landings that are still being written, or are set aside, are left out. `on_corrupt` gets those whose
    header cannot be read.
    """
    folders = [
        folder
        for folder in list_landings(root)
        if not _is_done(folder) and not is_set_aside(folder) and not is_being_written(folder)
    ]
    return read_landings(folders, on_corrupt)


def read_landings(folders: Sequence[Path], on_corrupt: Callable[[CorruptLanding], object]) -> list[Landing]:
    """Read the headers of landings in the order of their runs; `on_corrupt` gets the unreadable ones."""
    landings = []
    for folder in folders:
        try:
            landings.append(_read_landing(folder))
        except CorruptLanding as error:
            on_corrupt(error)
    return sorted(landings, key=lambda landing: landing.header.started_at)


def _read_landing(folder: Path) -> Landing:
    with refuse_corrupt_files(folder):
        header = read_header(folder)
        if header.run_id != folder.name:  # it would count as loaded already
            raise DamagedFile(f"run.json is that of the run {sanitize(header.run_id, 60)}")
        return Landing(folder, header, has_checksum(folder / "run.json"))


def landings_set_aside(root: Path) -> list[CorruptLanding]:
    """Return the landings that are set aside, each with the reason."""
    return [
        CorruptLanding(folder, _read_reason(folder))
        for folder in list_landings(root)
        if is_set_aside(folder) and not _is_done(folder)
    ]


def set_aside(error: CorruptLanding) -> None:
    """Exclude a landing from further loads, with the reason; a folder that cannot be written is tried again.

    Raises WarehouseFull.
    """
    with contextlib.suppress(OSError, WarehouseUnusable), translate_os_errors(error.folder):
        atomic_write(error.folder / SET_ASIDE, error.reason.encode(errors="replace"))
        (error.folder / FILE).unlink(missing_ok=True)


def release(root: Path, run_ids: Collection[str]) -> list[str]:
    """Make landings that are set aside pending again, all or those of some runs, each for one try.

    Returns their run ids. Raises CorruptLanding where a folder cannot be written, and WarehouseFull.
    """
    folders = [
        error.folder for error in landings_set_aside(root) if not run_ids or error.folder.name in run_ids
    ]
    for folder in folders:
        write_tries(folder, Tries(failed=MAX_FAILED - 1))
        with translate_os_errors(folder), refuse_corrupt_files(folder):
            (folder / SET_ASIDE).unlink()
    return [folder.name for folder in folders]


def is_loaded(folder: Path) -> bool:
    """Return whether a landing is marked as loaded."""
    return _has(folder, LOADED)


def is_set_aside(folder: Path) -> bool:
    """Return whether a landing is set aside."""
    return _has(folder, SET_ASIDE)


def mark_pending(folder: Path) -> None:
    """Record that the database does not hold a landing any more, where its folder can be written."""
    with contextlib.suppress(OSError):
        _remove(folder / LOADED)


def mark_loaded(folder: Path) -> None:
    """Record that the database holds a landing. Raises WarehouseFull and WarehouseUnusable."""
    _mark(folder, LOADED)


def mark_uploaded(folder: Path) -> None:
    """Record that the queue holds a landing. Raises WarehouseFull and WarehouseUnusable."""
    _mark(folder, UPLOADED)


def _mark(folder: Path, name: str) -> None:
    with translate_os_errors(folder):
        atomic_write(folder / name, b"")
        for other in (SET_ASIDE, FILE):
            (folder / other).unlink(missing_ok=True)


def prune(root: Path, keep: timedelta, now: float | None = None) -> int:
    """Delete the landings that were done, or created without a header, before `keep`; return how many."""
    at = time.time() if now is None else now
    before, live_before = (at - span.total_seconds() for span in (keep, min(keep, KEEP_LIVE)))
    expired = [
        folder
        for folder in root.iterdir()
        if folder.is_dir() and _is_expired(folder, live_before if f"-{LIVE}" in folder.name else before)
    ]
    for folder in expired:
        with contextlib.suppress(OSError):  # the next prune tries again; a load does not fail for it
            _delete(folder)
    return len(expired)


def _delete(folder: Path) -> None:
    """Delete a landing, in an order of which no rest would be taken for a landing."""
    (folder / "run.json").unlink(missing_ok=True)
    for path in folder.iterdir():
        if path.name not in DONE:
            _remove(path)
    for name in DONE:
        if _has(folder, name):
            _remove(folder / name)
    folder.rmdir()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _is_expired(folder: Path, before: float) -> bool:
    for name in DONE:
        if _has(folder, name):
            return (folder / name).lstat().st_mtime < before
    # The rest of a killed prune, or of a run that was killed before it wrote the header.
    return not _has_landed(folder) and folder.stat().st_mtime < before and not is_being_written(folder)


def _has_landed(folder: Path) -> bool:
    """Return whether a folder is a landing: it has a header, or other files that lost it.

    The rest of a killed prune is none: there, the mark `loaded` or `uploaded` is the last file.
    """
    if _has(folder, "run.json"):
        return True
    try:
        names = {path.name for path in folder.iterdir() if not path.name.endswith(".partial")}
    except OSError:  # it cannot be read, but it is not empty either
        return True
    return names.isdisjoint(DONE) and bool(names - {"lock"})


def _is_done(folder: Path) -> bool:
    """Return whether the database or the queue holds a landing."""
    return any(_has(folder, name) for name in DONE)


def _has(folder: Path, name: str) -> bool:
    """Return whether a folder has a file of any kind, also a link that leads nowhere."""
    return os.path.lexists(folder / name)


def _read_reason(folder: Path) -> str:
    try:
        return sanitize(read_file(folder / SET_ASIDE).decode(errors="replace"), 400)
    except (DamagedFile, OSError):
        return "the reason cannot be read"


def is_series_landing(folder: Path) -> bool:
    """Return whether a landing holds series."""
    return any(folder.glob(SERIES_FILES))
