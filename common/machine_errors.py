"""Errors of what is beside and beneath Floorline: the machine, its files, a library, Prefect.

FloorlineError
├── MachineError         1  the machine refuses something, or a library fails
│   ├── ResourceExhausted   memory, descriptors, threads, processes
│   ├── OutputFailed        the output of the command cannot be written
│   ├── PrefectFailed       Prefect, its server or its client
│   └── UnexpectedFailure   a bug
└── WarehouseError       6
    ├── DiskFailed          the disk or its file system fails
    └── PathUnusable        a file or folder is missing, or closed to this user
"""

from __future__ import annotations

import errno
import os
import resource
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from common.errors import FloorlineError
from common.shortages import NO_SPACE, is_shortage
from common.warehouse_errors import WarehouseError, WarehouseFull

BROKEN_DISK: Final = frozenset(
    {errno.EIO, errno.ENOLCK, errno.ESTALE, errno.ENXIO, errno.ENODEV, errno.EBUSY, errno.ETXTBSY}
    | {errno.EREMOTEIO, errno.EUCLEAN, errno.ENOTSUP, errno.ENOSYS, errno.EXDEV, errno.EMLINK}
)
BAD_PATH: Final = frozenset(
    {errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST}
    | {errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTEMPTY, errno.EINVAL, errno.EILSEQ}
)


@dataclass(eq=False)
class MachineError(FloorlineError):
    """The machine refuses something, or a library fails."""

    guidance = "`floorline doctor` checks what Floorline needs"


class ResourceExhausted(MachineError):
    """There is no memory, file descriptor, thread or process left for this command."""

    guidance = "end other programs or raise the limit (`ulimit -a` shows it), then run the command again"


class OutputFailed(MachineError):
    """The standard output or input of the command is closed, full or broken."""

    guidance = "what the command did is kept; run it again with another output"


class PrefectFailed(MachineError):
    """Prefect, its server or its client fails."""

    guidance = "check PREFECT_API_URL and Prefect's server, or run with --no-prefect"


class UnexpectedFailure(MachineError):
    """An exception that nobody expected."""

    guidance = (
        "this is a bug: please report this line, what PYTHONDEVMODE=1 adds to it, and `floorline --version`"
        " to the issue tracker of Floorline"
    )


@dataclass(eq=False)
class DiskFailed(WarehouseError):
    """The disk or its file system fails, or lacks something that Floorline needs, such as locks."""

    guidance = "check the disk and how it is mounted; what was fetched is landed and the next run loads it"


@dataclass(eq=False)
class PathUnusable(WarehouseError):
    """A file or folder is missing, or this user may not use it."""

    guidance = "check the file and its permissions"


def describe_os_error(error: OSError, path: Path | None = None) -> FloorlineError:
    """Return the error of ours for an error of the operating system, at `path` or at the file it names."""
    named = error.filename if isinstance(error.filename, str) else path
    place, reason = f" {named}" if named else "", _reason(error)
    file = Path(named) if named else None
    if error.errno in NO_SPACE:
        return no_space(file)
    if is_shortage(error):
        return ResourceExhausted(f"this machine refuses more to this process: {reason}")
    if error.errno == errno.EBADF:
        return OutputFailed("the standard input or output of this command is closed")
    if error.errno in BAD_PATH:
        refused = find_refusal(file) if file and error.errno in {errno.EACCES, errno.EPERM} else None
        return PathUnusable(f"cannot use{place or ' a file'}: {refused or reason}", file)
    if error.errno in BROKEN_DISK:
        return DiskFailed(f"the disk fails{place and f' at{place}'}: {reason}", file)
    return MachineError(f"this machine reports{place and f' for{place}'}: {reason}")


def find_refusal(path: Path) -> str | None:
    """Return which file or folder keeps this user from writing at `path`, and whose it is; None: no one does.

    Where nothing is at `path`, the nearest folder above it counts.
    """
    here = next(place for place in (path.absolute(), *path.absolute().parents) if os.path.exists(place))  # noqa: PTH110 - Path.exists raises PermissionError
    for place in (here, here.parent):
        if not os.access(place, os.W_OK, effective_ids=True):
            kind = "folder" if place.is_dir() else "file"
            return f"this user may not write to the {kind} {place}, which belongs to {_owner(place)}"
    return None


def _owner(place: Path) -> str:
    try:
        return place.owner()
    except (KeyError, OSError):  # a user without a name
        return f"user {place.stat().st_uid}"


def no_space(path: Path | None) -> WarehouseFull:
    """Return the error of a full disk; of the limit for the size of files, where this process has one."""
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    place = f" of {path}" if path else ""
    if limit != resource.RLIM_INFINITY:
        reason = (
            f"no file of this process may be larger than {limit:,} bytes (`ulimit -f`), or the disk is full"
        )
        return WarehouseFull(f"{path or 'a file'}: {reason}", path)
    return WarehouseFull(f"no space left on the disk{place}", path)


def _reason(error: OSError) -> str:
    """Return the system's own words for the number of an error, or the name of its class."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else type(error).__name__
