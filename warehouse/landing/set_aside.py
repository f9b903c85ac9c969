"""The landings that cannot be loaded, on this machine and in the queue of a shared warehouse."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from warehouse.landing.inventory import landings_set_aside, release
from warehouse.landing.model import RunHeader, SetAsideLanding
from warehouse.landing.reader import CorruptLanding, read_header, refuse_corrupt_files
from warehouse.paths import WarehousePaths


def find_set_aside(paths: WarehousePaths) -> list[SetAsideLanding]:
    """Return the landings that are set aside. Raises what a `LandingQueue` raises."""
    return [*_find_local(paths.landing), *_find_queued(paths)]


def release_landings(paths: WarehousePaths, run_ids: Collection[str]) -> None:
    """Let the next load try landings again that are set aside: all, or those of some runs.

    Raises CorruptLanding where a folder cannot be written, WarehouseFull, and what a `LandingQueue` raises.
    """
    release(paths.landing, run_ids)
    if paths.shared is not None:
        from warehouse.landing.queue import LandingQueue  # only a shared warehouse has a queue

        LandingQueue(paths.shared).release(run_ids)


def _find_local(root: Path) -> Iterator[SetAsideLanding]:
    for error in landings_set_aside(root):
        yield SetAsideLanding(error.folder.name, error.reason, _read_header(error.folder))


def _find_queued(paths: WarehousePaths) -> list[SetAsideLanding]:
    if paths.shared is None:
        return []
    from warehouse.landing.queue import LandingQueue  # only a shared warehouse has a queue

    return LandingQueue(paths.shared).list_set_aside()


def _read_header(folder: Path) -> RunHeader | None:
    try:
        with refuse_corrupt_files(folder):
            return read_header(folder)
    except CorruptLanding:
        return None
