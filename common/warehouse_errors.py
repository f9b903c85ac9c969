"""The errors of the storage, grouped by what the user does about each; what was fetched stays in its landing.

WarehouseError
├── ObjectStoreUnavailable · WarehouseMoved · TransferFailed
├── WarehouseLocked · WarehouseFull · WriterProcessDied · BackfillBusy · QueryRejected (· QueryTimedOut)
├── ItemUnknown · LoaderOvertaken · LakeUnreachable
├── SharedDatabaseUnreachable · SharedDatabaseRefused
├── DatabaseIncomplete · StateDamaged · BackupDamaged · RestoreUnfinished
└── WarehouseUnusable
    ├── ObjectStoreRefused · SharedNotEmpty
    ├── NotPublished · TargetExists · TargetUnwritable · WarehouseNotEmpty · BackfillNotFound
    ├── SealedMonthUnreadable
    └── DatabaseUnreadable (· PublishedUnreadable)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from common.errors import FloorlineError
from common.text import escape, reveal


@dataclass(eq=False)
class WarehouseError(FloorlineError):
    """The database, the landings or the state on disk cannot be used; `path` is the file, where known."""

    path: Path | None = None

    guidance = "check the file named above"


@dataclass(eq=False)
class WarehouseLocked(WarehouseError):
    """Another process holds the lock of the database. `holder` names the process, if known."""

    holder: str = ""

    guidance = "end that process or wait; what was fetched is landed and the next run loads it"


class WarehouseFull(WarehouseError):
    """The disk is full."""

    guidance = "free some space; what was fetched is landed and the next run loads it"


class ObjectStoreUnavailable(WarehouseError):
    """The object store of the landings does not answer, or answers that it cannot serve now."""

    guidance = "what was fetched is landed on this machine; the next run uploads it"


class WriterProcessDied(WarehouseError):
    """The worker process that lands pages was killed from outside, or could not start."""

    guidance = "free some memory and run again, which also loads the landed pages"


class SharedDatabaseUnreachable(WarehouseError):
    """The PostgreSQL database that machines share does not answer, or has ended the connection."""

    guidance = (
        "check the server, the network and [shared] database; what was fetched is landed and the next run"
        " loads it"
    )


class SharedDatabaseRefused(WarehouseError):
    """The PostgreSQL database that machines share refuses what Floorline needs."""

    guidance = (
        "correct [shared] database, or give its user the right to create the schema floorline and to use it"
    )


@dataclass(eq=False)
class BackfillBusy(WarehouseError):
    """Another process runs the backfill. `holder` names the process, if known."""

    holder: str = ""

    guidance = "wait for that process to end, or stop it; the next run continues there"


@dataclass(eq=False)
class QueryRejected(WarehouseError):
    """DuckDB cannot run a query; `detail` has DuckDB's reason, and may have the place in the SQL below.

    `advice` goes on from the detail: what a person may do who runs the query.
    """

    advice: str = ""

    guidance = ""

    def __str__(self) -> str:
        return reveal(self.detail + self.advice)


class QueryTimedOut(QueryRejected):
    """A query ran longer than it may."""


@dataclass(eq=False)
class ItemUnknown(WarehouseError):
    """The database has no item of this name, or several. `nearest` are items that may be meant."""

    nearest: tuple[str, ...] = ()

    guidance = ""

    def __str__(self) -> str:
        names = ", ".join(f'"{escape(name)}"' for name in self.nearest)
        return reveal(self.detail) + (f"; did you mean {names}?" if names else "")


class LoaderOvertaken(WarehouseError):
    """Another loader took over the shared warehouse while this one was loading."""

    guidance = "nothing is lost: the other loader, or the next run, loads what is waiting"


class LakeUnreachable(WarehouseError):
    """The database or the storage of the shared warehouse does not answer, or refuses."""

    guidance = (
        "check the database and the storage of [shared]; what was fetched is landed and the next run loads it"
    )


class WarehouseMoved(WarehouseError):
    """The warehouse is a shared one now; the files here are what it was before."""

    guidance = "add the table [shared] to the configuration: `floorline config schema` describes it"


class WarehouseUnusable(WarehouseError):
    """The path is not writable, or the files are not a database that this version can read."""

    guidance = "set [warehouse] path to a folder that you may write, or update Floorline"


class ObjectStoreRefused(WarehouseUnusable):
    """The object store does not accept the credentials, or has no such bucket."""

    guidance = (
        "check [shared] storage and endpoint, and the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY;"
        " what was fetched is landed on this machine, and the next run uploads it"
    )


class NotPublished(WarehouseUnusable):
    """No database has been published yet."""

    guidance = "run `floorline snapshot` first"


class DatabaseUnreadable(WarehouseUnusable):
    """DuckDB fails on a database file; `detail` has DuckDB's reason."""

    guidance = (
        "restore a backup, or move the damaged file away and run `floorline maintain rebuild`,"
        " which loads what the landings hold"
    )


class PublishedUnreadable(DatabaseUnreadable):
    """The published copy is damaged; the loader's database need not be."""

    guidance = "run `floorline maintain load`, which makes the published copy anew"


class SealedMonthUnreadable(WarehouseUnusable):
    """The file of a sealed month is missing, or is not what was written; no other file has its history."""

    guidance = (
        "put the file of a backup in its place, or restore the backup; `floorline maintain verify` checks"
        " all files, and what needs none of this month goes on"
    )


class StateDamaged(WarehouseError):
    """`state.db` is not what was written."""

    guidance = "the next run makes the file anew from what is whole; `floorline maintain load` does, too"


class BackupDamaged(WarehouseError):
    """A file of a backup is missing, or is not what was written."""

    guidance = "nothing was restored: restore another backup, or copy this one again from where it came"


class RestoreUnfinished(WarehouseError):
    """A restore into the warehouse runs, or was interrupted."""

    guidance = "wait until it ends, or run `floorline restore` again, which finishes it"


class DatabaseIncomplete(WarehouseError):
    """The loader's database is missing, or lacks runs that were published: it is not published."""

    guidance = "restore a backup, or run `floorline maintain rebuild`, which loads what the landings hold"


class TargetExists(WarehouseUnusable):
    """The file or folder to write exists already."""

    guidance = "choose another name"


class TargetUnwritable(WarehouseUnusable):
    """The file or folder to write cannot be where it was asked for."""

    guidance = "choose a folder that you may write"


class SharedNotEmpty(WarehouseUnusable):
    """The shared warehouse has something of its own, which a transfer would replace."""

    guidance = (
        "name another database and storage in [shared]; a machine that joins a shared warehouse needs no"
        " `floorline migrate`"
    )


class TransferFailed(WarehouseError):
    """The copy of a warehouse does not answer as the original does; the original is unchanged."""

    guidance = "run `floorline maintain verify`, then `floorline migrate` again with an empty storage"


class WarehouseNotEmpty(WarehouseUnusable):
    """A restore would replace a warehouse."""

    guidance = (
        "set [warehouse] path to an empty folder, or use --replace, which keeps the present files aside"
    )


class BackfillNotFound(WarehouseUnusable):
    """No backfill has this id."""

    guidance = "`floorline backfill list` shows all backfills"
