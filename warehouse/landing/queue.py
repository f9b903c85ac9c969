"""The queue of landings in an object store: each run is one object, and the sorted listing is the order.

    waiting/<observed_from>-<run_id>.tar        uploaded by the machine that fetched, created only once
    loaded/<day>/<observed_from>-<run_id>.tar   moved here once the warehouse holds the run
    unreadable/<observed_from>-<run_id>.tar     set aside, with the reason in the object <...>.tar.json

An object holds the files of a landing, see `warehouse.landing.writer`, without its lock and its marks. Only
the process that holds the loader's lease moves or deletes objects.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import re
import tarfile
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import msgspec

from common.files import translate_os_errors
from common.text import sanitize
from common.warehouse_errors import ObjectStoreRefused
from warehouse.landing.inventory import DONE, SET_ASIDE
from warehouse.landing.model import RunHeader, SetAsideLanding
from warehouse.landing.object_store import open_object_store, translate_object_errors
from warehouse.landing.reader import CorruptLanding, LandedRun
from warehouse.landing.tries import FILE as TRIES
from warehouse.shared import SharedLocation

if TYPE_CHECKING:
    from obstore.store import ObjectStore

WAITING: Final = "waiting"
LOADED_FOLDER: Final = "loaded"
UNREADABLE: Final = "unreadable"
NOT_UPLOADED: Final = frozenset({"lock", *DONE, SET_ASIDE, TRIES})
NAME: Final = re.compile(r"(?P<observed_from>\d{8}T\d{12}Z)-(?P<run_id>[0-9A-Za-z-]{1,80})\.tar")
FILE_NAME: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,80}")  # of the files of a landing


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class QueuedLanding:
    """A landing in the queue; they sort by the moment of their first page."""

    name: str

    @property
    def run_id(self) -> str:
        """The id of the run."""
        match = NAME.fullmatch(self.name)
        return match["run_id"] if match else ""

    @property
    def observed_from(self) -> datetime:
        """The moment of the first page (UTC)."""
        return datetime.strptime(self.name.partition("-")[0], "%Y%m%dT%H%M%S%fZ").replace(tzinfo=UTC)

    @classmethod
    def of(cls, run: LandedRun) -> Self:
        """Return the place of a run in the queue."""
        return cls(f"{run.observed_from.astimezone(UTC):%Y%m%dT%H%M%S%fZ}-{run.header.run_id}.tar")


class LandingQueue:
    """The landings of all machines. Every method raises ObjectStoreUnavailable and ObjectStoreRefused."""

    def __init__(self, shared: SharedLocation) -> None:
        self._shared = shared

    @cached_property
    def _store(self) -> ObjectStore:
        return open_object_store(self._shared)

    def add(self, run: LandedRun) -> QueuedLanding:
        """Upload a landing that nobody writes any more; one that was uploaded before stays as it is."""
        import obstore
        from obstore.exceptions import AlreadyExistsError

        queued = QueuedLanding.of(run)
        content = _pack(run.folder)
        with self._translate_errors(), contextlib.suppress(AlreadyExistsError):
            try:  # a multipart upload cannot be refused because the object exists
                obstore.put(
                    self._store, f"{WAITING}/{queued.name}", content, mode="create", use_multipart=False
                )
            except FileNotFoundError:
                raise ObjectStoreRefused(f"{self._shared.storage} does not exist") from None
        return queued

    def list_waiting(self) -> list[QueuedLanding]:
        """Return the landings that no loader has loaded, in the order of their observation."""
        return sorted(QueuedLanding(name) for name in self._list(WAITING) if NAME.fullmatch(name))

    def fetch(self, landing: QueuedLanding, folder: Path) -> Path:
        """Download a landing into a new folder in `folder`, named like its run; return it.

        Raises CorruptLanding where the object is no landing, and FileNotFoundError where another loader moved
        it.
        """
        import obstore

        with self._translate_errors():
            content = bytes(obstore.get(self._store, f"{WAITING}/{landing.name}").bytes())
        target = folder / landing.run_id
        with translate_os_errors(folder):
            target.mkdir(parents=True, exist_ok=True)
            try:
                _unpack(content, target)
            except (tarfile.TarError, EOFError, ValueError) as error:
                raise CorruptLanding(target, f"{sanitize(landing.name, 120)} is no landing") from error
        return target

    def mark_loaded(self, landing: QueuedLanding, now: datetime) -> None:
        """Move a landing that the warehouse holds out of the queue; it is kept below the day of `now`."""
        self._move(f"{WAITING}/{landing.name}", f"{LOADED_FOLDER}/{now:%Y-%m-%d}/{landing.name}")

    def set_aside(self, landing: QueuedLanding, reason: str, header: RunHeader | None) -> None:
        """Move a landing that cannot be loaded out of the queue, with the reason, and its header if known."""
        import obstore

        content = msgspec.json.encode(SetAsideLanding(landing.run_id, reason, header))
        with self._translate_errors():
            obstore.put(self._store, _reason_of(landing), content)
        self._move(f"{WAITING}/{landing.name}", f"{UNREADABLE}/{landing.name}")

    def list_set_aside(self) -> list[SetAsideLanding]:
        """Return the landings that are set aside, in the order of their observation."""
        return [self._read_reason(landing) for landing in self._list_unreadable()]

    def release(self, run_ids: Collection[str]) -> None:
        """Put landings that are set aside into the queue again: all, or those of some runs."""
        import obstore

        for landing in self._list_unreadable():
            if run_ids and landing.run_id not in run_ids:
                continue
            self._move(f"{UNREADABLE}/{landing.name}", f"{WAITING}/{landing.name}")
            with self._translate_errors(), contextlib.suppress(FileNotFoundError):
                obstore.delete(self._store, _reason_of(landing))

    def prune(self, now: datetime, keep: timedelta) -> int:
        """Delete the landings that were loaded on days before `now` - `keep`; return how many."""
        import obstore

        last = (now - keep).date()
        expired = [f"{LOADED_FOLDER}/{name}" for name in self._list(LOADED_FOLDER) if _is_before(name, last)]
        for path in expired:
            with self._translate_errors():
                obstore.delete(self._store, path)
        return len(expired)

    def _list(self, folder: str) -> Iterator[str]:
        """Yield the names of the objects below a folder, without the folder."""
        import obstore

        with self._translate_errors():
            for part in obstore.list(self._store, folder):
                yield from (meta["path"].partition(f"{folder}/")[2] for meta in part)

    def _move(self, source: str, target: str) -> None:
        """Move an object; nothing happens where it was moved before."""
        import obstore

        # Not found: a loader that was killed had moved the object.
        with self._translate_errors(), contextlib.suppress(FileNotFoundError):
            obstore.copy(self._store, source, target)
            obstore.delete(self._store, source)

    def _list_unreadable(self) -> list[QueuedLanding]:
        return sorted(QueuedLanding(name) for name in self._list(UNREADABLE) if NAME.fullmatch(name))

    def _read_reason(self, landing: QueuedLanding) -> SetAsideLanding:
        import obstore

        with self._translate_errors(), contextlib.suppress(FileNotFoundError, msgspec.DecodeError):
            content = bytes(obstore.get(self._store, _reason_of(landing)).bytes())
            found = msgspec.json.decode(content, type=SetAsideLanding)
            return SetAsideLanding(landing.run_id, sanitize(found.reason, 400), found.header)
        return SetAsideLanding(landing.run_id, "the reason cannot be read")

    def _translate_errors(self) -> AbstractContextManager[None]:
        return translate_object_errors(self._shared.storage)


def _reason_of(landing: QueuedLanding) -> str:
    return f"{UNREADABLE}/{landing.name}.json"


def _is_before(name: str, day: date) -> bool:
    """Return whether the first folder of a name is a day before `day`."""
    try:
        return date.fromisoformat(name.partition("/")[0]) < day
    except ValueError:  # not ours
        return False


def _pack(folder: Path) -> bytes:
    """Return the files of a landing as a tar, whose content depends on nothing else."""
    content = io.BytesIO()
    with translate_os_errors(folder), tarfile.open(fileobj=content, mode="w") as tar:
        for file in sorted(folder.iterdir()):
            if file.is_file() and file.name not in NOT_UPLOADED and not file.name.endswith(".partial"):
                entry = tarfile.TarInfo(file.name)
                entry.size = file.stat().st_size
                with file.open("rb") as source:
                    tar.addfile(entry, source)
    return content.getvalue()


def _unpack(content: bytes, folder: Path) -> None:
    """Write the files of a tar into a folder; raise ValueError for one that no landing has."""
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        for entry in tar:
            source = tar.extractfile(entry) if entry.isreg() else None
            if source is None or not FILE_NAME.fullmatch(entry.name):
                raise ValueError(entry.name)
            (folder / entry.name).write_bytes(source.read())
